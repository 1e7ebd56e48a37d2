"""Following a scan: its events as they happen, from any of them on, until the scan has ended."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from uuid import UUID

from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.core.watching import Watch
from spectral_platform.scans import queries
from spectral_platform.scans.models import ScanEvent, events_topic

EVENTS_AT_ONCE = 200


async def follow(
    watch: Watch, database: Database, caller: Caller, scan_id: UUID, *, after: int, pause_s: float
) -> AsyncGenerator[Sequence[ScanEvent]]:
    """The events of a scan after a sequence number, in order and without gaps; nothing for every ``pause_s`` without any.

    It ends when all events of a scan that has ended were given, or when the process is about to end. Raises ``ScanNotFound``
    when the scan goes while it is followed.
    """
    async with watch.changes(events_topic(scan_id), within_s=pause_s) as changed:
        while True:
            changed.clear()
            async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
                has_ended = await queries.has_ended(session, caller, scan_id)
                events = await queries.list_events_after(session, caller, scan_id, after=after, limit=EVENTS_AT_ONCE)
            if events:
                after = events[-1].sequence
                yield events
            if len(events) == EVENTS_AT_ONCE:
                continue
            if has_ended or not watch.is_open:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await changed.wait()
                    continue
            yield ()
