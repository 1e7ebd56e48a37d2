"""A scan's events as a stream."""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from uuid import UUID

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from spectral_api.streaming import counted
from spectral_api.v1.scans import schemas
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.core.errors import RateLimitedError, SpectralError
from spectral_platform.core.watching import Watch
from spectral_platform.scans.following import follow

EVENT_STREAM = "text/event-stream"
LARGEST_SEQUENCE = 2**63 - 1
KEEP_ALIVE_SECONDS = 15.0
FOLLOWERS_AT_ONCE = 100


class TooManyFollowers(RateLimitedError):
    """As many of the workspace's event streams are open as may be."""

    def __init__(self) -> None:
        super().__init__(
            f"The workspace has {FOLLOWERS_AT_ONCE} event streams open, and may have no more. Close some, or list the events."
        )


async def bound_stream(streams: Counter[object], workspace_id: UUID, events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The events, counted among the workspace's streams until their end. Raises ``TooManyFollowers`` before it begins."""
    return await counted(streams, workspace_id, events, most=FOLLOWERS_AT_ONCE, refusal=TooManyFollowers)


async def stream_events(
    watch: Watch,
    database: Database,
    caller: Caller,
    scan_id: UUID,
    *,
    after: int,
    admit: Callable[[], Awaitable[object]],
) -> AsyncGenerator[bytes]:
    """The events of a scan after a sequence number, as server-sent events, with a comment wherever nothing happens for long.

    ``admit`` raises when the caller would not be let in any more: a stream outlives its request, and may outlive the credential.
    """
    try:
        async with aclosing(follow(watch, database, caller, scan_id, after=after, pause_s=KEEP_ALIVE_SECONDS)) as followed:
            async for events in followed:
                await admit()
                for event in events:
                    shown = schemas.ScanEvent.model_validate(event)
                    yield format_sse_event(id=str(event.sequence), event=event.type, data_str=shown.model_dump_json())
                if not events:
                    yield KEEPALIVE_COMMENT
    except SpectralError:  # the workspace went away, or the caller's right to see it: there is nothing more to tell
        return
