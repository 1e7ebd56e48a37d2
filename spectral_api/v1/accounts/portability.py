"""Endpoints that take the account out whole, and that end it."""

from collections.abc import AsyncGenerator, AsyncIterator

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from spectral_api.dependencies import CurrentSettings, Database
from spectral_api.routing import V1, Router
from spectral_api.streaming import NDJSON, TooManyStreams, stream
from spectral_api.v1.callers import AccountAdmin
from spectral_api.v1.refusals import account_problems
from spectral_platform.audit.commands import record
from spectral_platform.portability import commands
from spectral_platform.portability.exporting import export_account as export_lines
from spectral_platform.portability.exporting import seal_of

CHUNK_BYTES = 65_536

router = Router(prefix=V1 + "/account", tags=["Accounts"])


@router.get(
    "/export",
    summary="Export the account",
    response_class=StreamingResponse,
    responses=account_problems(TooManyStreams)
    | {200: {"description": "Lines of JSON.", "content": {NDJSON: {"schema": {"type": "string"}}}}},
)
async def export_account(request: Request, caller: AccountAdmin, database: Database, settings: CurrentSettings) -> Response:
    """Stream everything of the account as lines of JSON, in one consistent snapshot.

    The first line tells of which schema the rows are, each further one is a row, `{"table", "row"}`, and the last one is
    `{"complete": true, "rows": N}`: without it the stream broke off. Rows that tell which samples are holdout are sealed under
    the server's secret. Passwords and sessions are left out; digests of API keys travel, so keys keep working.

    `spectral import FILE` takes the file in on an empty server of the same version.
    """
    await record(database, caller, action="account.exported", resource="account", resource_id=caller.account_id)
    lines = export_lines(request.app.state.database, caller.account_id, seal_of(settings))
    return await stream(request, _chunks(lines))


async def _chunks(lines: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The lines in pieces that are worth sending."""
    piece = bytearray()
    async for line in lines:
        piece += line
        if len(piece) >= CHUNK_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


@router.delete("", status_code=204, summary="Delete the account", responses=account_problems())
async def delete_account(caller: AccountAdmin, database: Database) -> None:
    """Erase the account and everything in it, for good: nothing brings it back.

    From now on all its tokens and API keys are refused and its people are gone; a worker erases the rest, the audit log included.
    """
    await commands.delete_account(database, caller)
