"""Long answers: a few at a time, because each holds a connection to Postgres for as long as its reader takes."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from fastapi import Request
from fastapi.responses import StreamingResponse

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
    streams: Counter[object] = request.app.state.streams
    sent = await counted(streams, "exports", parts, most=STREAMS_AT_ONCE, refusal=TooManyStreams)
    return StreamingResponse(sent, media_type=media_type, headers=headers)


async def counted(
    streams: Counter[object], kind: object, parts: AsyncGenerator[bytes], *, most: int, refusal: Callable[[], Exception]
) -> AsyncGenerator[bytes]:
    """The parts, counted among the streams of their kind until their end. Raises the refusal before it begins."""
    counting = _count(streams, kind, parts, most, refusal)
    await anext(counting)
    return counting


async def _count(
    streams: Counter[object], kind: object, parts: AsyncGenerator[bytes], most: int, refusal: Callable[[], Exception]
) -> AsyncGenerator[bytes]:
    """The parts after an empty one: who has that is counted until the end, also where nobody reads on."""
    if streams[kind] >= most:
        raise refusal()
    streams[kind] += 1
    try:
        yield b""
        async with aclosing(parts):
            async for part in parts:
                yield part
    finally:
        streams[kind] -= 1
        if not streams[kind]:
            del streams[kind]
