"""When keys and sessions were last used, kept in memory and written behind the requests that used them.

A request notes a use and goes on: the note costs no statement, waits for nothing and writes nothing into the request's own
transaction, where it would make a row of every read. A process that is killed forgets a few seconds' notes and nothing else.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import or_, update
from sqlalchemy.exc import SQLAlchemyError

from spectral_platform.auth.models import LoginSession
from spectral_platform.core import clock
from spectral_platform.core.access import Caller, CallerKind
from spectral_platform.core.database import Database
from spectral_platform.keys.commands import touch_keys

logger = structlog.get_logger(__name__)

NOTED_EVERY = timedelta(minutes=1)
WRITTEN_EVERY = timedelta(seconds=10)


class LastUses:
    """What one process has seen used. Each key and session is written once a minute at most, by whichever process is first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted: dict[UUID, datetime] = {}
        self._waiting: dict[UUID, Caller] = {}

    def note(self, caller: Caller) -> None:
        """Remember that the caller's key or session is used now."""
        used = caller.id if caller.kind is CallerKind.KEY else caller.session_id
        if used is None:
            return
        moment = clock.now()
        noted = self._noted.get(used)
        if noted is None or moment - noted >= NOTED_EVERY:
            self._noted[used] = moment
            self._waiting[used] = caller

    async def write(self) -> None:
        """Write what was noted, tenant by tenant, and forget what is older than a minute."""
        waiting, self._waiting = self._waiting, {}
        tenants: defaultdict[tuple[UUID, UUID | None], list[UUID]] = defaultdict(list)
        for used, caller in waiting.items():
            tenants[caller.home_account_id, caller.workspace_id if caller.kind is CallerKind.KEY else None].append(used)
        for (account_id, workspace_id), used_here in tenants.items():
            try:
                await self._write_tenant(account_id, workspace_id, used_here)
            except (SQLAlchemyError, OSError) as error:
                logger.warning("last_uses_unwritten", uses=len(used_here), error=type(error).__name__)
                for used in used_here:
                    self._noted.pop(used, None)
        expired = clock.now() - NOTED_EVERY
        self._noted = {used: moment for used, moment in self._noted.items() if moment > expired or used in self._waiting}

    async def _write_tenant(self, account_id: UUID, workspace_id: UUID | None, used: list[UUID]) -> None:
        moment = max(self._noted[each] for each in used)
        async with self._database.transaction(account_id=account_id, workspace_id=workspace_id) as session:
            if workspace_id is not None:
                await touch_keys(session, used, moment=moment, unless_since=moment - NOTED_EVERY)
                return
            await session.execute(
                update(LoginSession)
                .where(
                    LoginSession.id.in_(used),
                    or_(LoginSession.last_used_at.is_(None), LoginSession.last_used_at <= moment - NOTED_EVERY),
                )
                .values(last_used_at=moment)
                .execution_options(synchronize_session=False)
            )

    @asynccontextmanager
    async def written_behind(self) -> AsyncIterator[None]:
        """Write every few seconds for the length of the block, and once more at its end."""
        stop = asyncio.Event()

        async def keep_writing() -> None:
            while not stop.is_set():
                try:
                    await asyncio.wait_for(stop.wait(), WRITTEN_EVERY.total_seconds())
                except TimeoutError:
                    await self.write()

        writing = asyncio.create_task(keep_writing())
        try:
            yield
        finally:
            stop.set()
            await writing
            await self.write()
