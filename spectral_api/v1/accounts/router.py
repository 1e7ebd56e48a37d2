"""Endpoints of the account."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from spectral_api.dependencies import Database, DatabaseHolder
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import V1, Router
from spectral_api.security import PeopleOnly, person
from spectral_api.streaming import NDJSON, TooManyStreams, stream
from spectral_api.v1.accounts import schemas
from spectral_api.v1.callers import AccountAdmin, AnyCaller
from spectral_api.v1.refusals import account_problems
from spectral_platform.accounts import commands
from spectral_platform.accounts import queries as accounts
from spectral_platform.audit import queries

router = Router(prefix=V1 + "/account", tags=["Accounts"])


@router.get("", response_model=schemas.Account, summary="Get the account", responses=account_problems(PeopleOnly))
async def get_account(caller: AnyCaller, database: Database) -> Any:
    """Show the caller's own account; every member may see it."""
    return await accounts.get_account(database, person(caller))


@router.patch("", response_model=schemas.Account, summary="Rename the account", responses=account_problems())
async def update_account(body: schemas.AccountUpdate, caller: AccountAdmin, database: Database) -> Any:
    """Give the account another name."""
    return await commands.update_account(database, caller, name=body.name)


@router.get("/audit-log", response_model=Results[schemas.AuditEntry], summary="Audit log", responses=account_problems())
async def list_audit_log(
    caller: AccountAdmin, database: Database, filter: Annotated[queries.AuditFilter, Query()], page: PageByTime
) -> Any:
    """List who changed what in this account, newest first.

    Entries are only ever added, and each is chained to the one before it.
    """
    return envelope(await queries.list_audit_log(database, caller, filter=filter, page=page))


@router.get(
    "/audit-log/verify", response_model=schemas.AuditVerification, summary="Verify the audit log", responses=account_problems()
)
async def verify_audit_log(caller: AccountAdmin, database: Database) -> Any:
    """Recompute the chain of hashes and tell whether an entry was changed, removed or reordered."""
    return await queries.verify_audit_log(database, caller)


@router.get(
    "/audit-log/export",
    response_class=StreamingResponse,
    summary="Export the audit log",
    responses={
        **account_problems(TooManyStreams),
        200: {"description": "One entry a line, then the end of the chain.", "content": {NDJSON: {"schema": {"type": "string"}}}},
    },
)
async def export_audit_log(request: Request, caller: AccountAdmin, holder: DatabaseHolder) -> StreamingResponse:
    """Stream the whole log as JSON Lines, oldest first, so that an auditor can check the chain without this server.

    The last line is `{"complete": true, "rows": N, "sequence": N, "entry_hash": "…"}`: without it the export was cut off. Keep
    its hash somewhere else, and no later log from which something was taken can pass for whole.
    """

    async def lines() -> AsyncGenerator[bytes]:
        rows, end = 0, None
        async with (
            holder.transaction(account_id=caller.account_id) as session,
            aclosing(queries.stream_audit_log(session, caller)) as entries,
        ):
            async for entry, head in entries:
                end = head
                if entry is not None:
                    rows += 1
                    shown = schemas.AuditEntry.model_validate(entry).model_dump(mode="json")
                    yield orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)
        last = {"complete": True, "rows": rows} | (asdict(end) if end else {})
        yield orjson.dumps(last, option=orjson.OPT_APPEND_NEWLINE)

    name = f"audit-log-{caller.account_id}.jsonl"
    return await stream(request, lines(), {"Content-Disposition": f'attachment; filename="{name}"'})
