"""Long answers: a few at a time, because each holds a connection to Postgres for as long as its reader takes."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.datastructures import State

from spectral_platform.core.errors import UnavailableError

NDJSON = "application/x-ndjson"
CSV = "text/csv"
STREAMS_AT_ONCE = 4


class TooManyStreams(UnavailableError):
    """The server sends as many exports as it can at the same time; ask again a little later."""

    def __init__(self) -> None:
        super().__init__("The server sends as many exports as it can at the same time. Ask again a little later.")


async def stream(
    request: Request,
    parts: AsyncGenerator[bytes],
    headers: Mapping[str, str] | None = None,
    *,
    media_type: str = NDJSON,
) -> StreamingResponse:
    """An answer in parts, as lines of JSON unless told otherwise. Raises ``TooManyStreams`` before it begins."""
    counted = _count(request.app.state, parts)
    await anext(counted)
    return StreamingResponse(counted, media_type=media_type, headers=headers)


async def _count(state: State, parts: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The parts after an empty one: who has that is counted until the end, also where nobody reads on."""
    if state.streams >= STREAMS_AT_ONCE:
        raise TooManyStreams
    state.streams += 1
    try:
        yield b""
        async with aclosing(parts):
            async for part in parts:
                yield part
    finally:
        state.streams -= 1
