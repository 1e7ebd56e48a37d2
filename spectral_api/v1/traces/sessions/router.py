"""Endpoints of conversations."""

from typing import Annotated, Any

from fastapi import Path, Query

from spectral_api.dependencies import Database
from spectral_api.paging import Limit, Offset, Pagination
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Reader
from spectral_api.v1.refusals import workspace_problems
from spectral_api.v1.traces.sessions import schemas
from spectral_platform.traces.sessions import queries
from spectral_platform.traces.sessions.errors import SessionNotFound

router = Router(prefix=IN_WORKSPACE + "/traces/sessions", tags=["Traces"])


@router.get("", response_model=schemas.SessionResults, summary="List sessions", responses=workspace_problems())
async def list_trace_sessions(caller: Reader, database: Database, query: Annotated[schemas.SessionQuery, Query()]) -> Any:
    """List conversations, those with the newest traces first.

    A filter chooses the sessions that have such a trace; their figures are of all their traces. Counting stops at 10 000, and
    then `total_capped` is true.
    """
    page = await queries.list_trace_sessions(database, caller, where=query, limit=query.limit, offset=query.offset)
    return {
        "results": page.results,
        "pagination": {
            "total": page.total,
            "limit": query.limit,
            "offset": query.offset,
            "total_capped": page.is_capped,
        },
    }


@router.get("/{session:path}", summary="Get a session", responses=workspace_problems(SessionNotFound))
async def get_trace_session(
    session: Annotated[str, Path(description="The session's id, percent-encoded.", min_length=1, examples=["c-77"])],
    caller: Reader,
    database: Database,
    limit: Limit = 20,
    offset: Offset = 0,
) -> schemas.Conversation:
    """Show a conversation: its turns in the order in which they began, each with its whole input and output."""
    found = await queries.get_trace_session(database, caller, session)
    turns = await queries.list_turns(database, caller, session, limit=limit, offset=offset)
    return schemas.Conversation(
        **{name: getattr(found, name) for name in schemas.Session.model_fields},
        turns=[
            schemas.Turn(
                **{name: getattr(turn.trace, name) for name in schemas.Turn.model_fields.keys() - {"input", "output"}},
                input=turn.input,
                output=turn.output,
            )
            for turn in turns
        ],
        turns_pagination=Pagination(total=found.trace_count, limit=limit, offset=offset),
    )
