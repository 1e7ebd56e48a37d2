"""Endpoints that help to write rubrics."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from spectral_api.dependencies import CurrentSettings, Database, ReleasedDatabase
from spectral_api.etags import ConditionalWrite, etag
from spectral_api.paging import Limit, Offset, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.authoring import schemas
from spectral_api.v1.callers import Reader, Writer
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.agents.errors import AgentNotFound
from spectral_platform.authoring import commands, queries
from spectral_platform.authoring.errors import SuggestionDecided, SuggestionNotFound
from spectral_platform.authoring.suggestions import SuggestionStatus
from spectral_platform.core.paging import Page
from spectral_platform.evaluations.rubrics.errors import DimensionInUse, RubricChanged, RubricNotFound

router = Router(prefix=IN_WORKSPACE + "/evaluations/rubrics", tags=["Rubrics"])


@router.post(
    "/generate",
    response_model=schemas.RubricDraft,
    summary="Draft a rubric for an agent",
    responses=workspace_problems(AgentNotFound)
    | {201: {"model": schemas.RubricDraft, "description": "With `save=true`: the rubric was created."}},
)
async def generate_rubric(
    body: schemas.RubricGenerate,
    caller: Writer,
    database: ReleasedDatabase,
    settings: CurrentSettings,
    response: Response,
    save: Annotated[bool, Query(description="Create the rubric too.")] = False,
) -> Any:
    """Draft a rubric from the agent's prompt, its traces of the last 30 days, people's feedback and the workspace's world model.

    What a program can check becomes an evaluator that is code, the rest becomes criteria for a judge. With a real model for
    `reasoning` that model writes the judged dimensions; without one, or when its answer is unusable, rules write them, and
    `method` and `note` say so. Traces that became samples are not read, so that no draft quotes a sealed case.

    Nothing is created unless you ask for it: read the draft, change it, and send `name`, `description`, `agent_id` and
    `dimensions` to `POST .../evaluations/rubrics`, or generate with `save=true`.
    """
    draft = await commands.generate_rubric(database, caller, settings, agent_id=body.agent_id, goal=body.goal, save=save)
    if draft.rubric is not None:
        response.status_code = 201
        response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/evaluations/rubrics/{draft.rubric.rubric_id}"
        response.headers["ETag"] = etag(draft.rubric.fingerprint)
    return schemas.RubricDraft.of(draft)


@router.get(
    "/{rubric_id}/suggestions",
    response_model=Results[schemas.Suggestion],
    summary="List suggestions for a rubric",
    responses=workspace_problems(RubricNotFound),
)
async def list_suggestions(
    rubric_id: UUID,
    caller: Reader,
    database: Database,
    limit: Limit = 20,
    offset: Offset = 0,
    status: Annotated[
        SuggestionStatus, Query(description="`pending` = as the evidence is now; else what was decided, the newest first.")
    ] = SuggestionStatus.PENDING,
) -> Any:
    """Show what the scores of traces, people's feedback and the last scan's failure clusters say should change in the rubric.

    * `disagreement`: people say the opposite of a dimension (at least 5 rated traces, 3 of them and 30 % contradicted)
    * `blind_spot`: people dislike at least 3 answers that every dimension passes, and say why
    * `uncovered_cluster`: the last scan found failures that only the world model's rules see
    * `constant`: a dimension scores the same on at least 20 traces
    * `redundant`: two dimensions correlate with .95 or more on at least 20 traces

    Each comes with its figures and with the very change that accepting makes. Scores count from every version in which the
    dimension measured what it measures now. Those that rest on people come first.
    """
    page = await queries.list_suggestions(database, caller, rubric_id, status=status, limit=limit, offset=offset)
    shown = [schemas.Suggestion.of(view) for view in page.results]
    return envelope(Page(results=shown, total=page.total, limit=limit, offset=offset))


@router.post(
    "/{rubric_id}/suggestions/{suggestion_id}/accept",
    response_model=schemas.Suggestion,
    summary="Accept a suggestion",
    responses=workspace_problems(RubricNotFound, SuggestionNotFound, SuggestionDecided, DimensionInUse, RubricChanged),
)
async def accept_suggestion(
    rubric_id: UUID, suggestion_id: UUID, caller: Writer, database: Database, conditional: ConditionalWrite, response: Response
) -> Any:
    """Write the rubric's next version with the suggested change, as the evidence is now; `version` and `ETag` are that version's.

    A suggestion for which the evidence no longer speaks is not found; one that was decided is 400.
    """
    view = await commands.accept_suggestion(database, caller, rubric_id, suggestion_id, expected=conditional.expected)
    response.headers["ETag"] = etag(str(view.version))
    return schemas.Suggestion.of(view)


@router.post(
    "/{rubric_id}/suggestions/{suggestion_id}/dismiss",
    response_model=schemas.Suggestion,
    summary="Dismiss a suggestion",
    responses=workspace_problems(RubricNotFound, SuggestionNotFound, SuggestionDecided),
)
async def dismiss_suggestion(rubric_id: UUID, suggestion_id: UUID, caller: Writer, database: Database) -> Any:
    """Say that the suggestion is not wanted. It stays dismissed, however much more evidence comes."""
    return schemas.Suggestion.of(await commands.dismiss_suggestion(database, caller, rubric_id, suggestion_id))
