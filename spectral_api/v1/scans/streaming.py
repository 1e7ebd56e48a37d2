"""A scan's events as a stream."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from uuid import UUID

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from spectral_api.v1.scans import schemas
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.core.errors import SpectralError
from spectral_platform.core.watching import Watch
from spectral_platform.scans.following import follow

EVENT_STREAM = "text/event-stream"
LARGEST_SEQUENCE = 2**63 - 1
KEEP_ALIVE_SECONDS = 15.0


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
