"""Waiting for another config: whoever moves a label says so in the transaction that moves it, and those who wait read again.

A process listens on one connection of its own, for as long as somebody waits; who waits holds no connection. What is told is only
that something has changed, so a word too many costs a read and nothing is trusted that was not read.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import String, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents import queries
from spectral_platform.agents.models import Agent, ConfigVersion
from spectral_platform.agents.versions import Label
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database, connection_string

logger = structlog.get_logger(__name__)

CHANNEL = "spectral_configs"
RECONNECT_SECONDS = 1.0


async def tell_of_change(session: AsyncSession, agent_id: UUID) -> None:
    """Wake those who wait for another config of an agent, under its own id or an alias's, when this transaction commits."""
    told = func.pg_notify(CHANNEL, cast(Agent.id, String))
    await session.execute(select(told).where(or_(Agent.id == agent_id, Agent.merged_into_id == agent_id)))


class ConfigWatch:
    """Those who wait in this process, by the id that they wait for."""

    def __init__(self, database: Database) -> None:
        self._url = connection_string(database.url)
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._listening = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None
        self._is_open = True

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def is_listening(self) -> bool:
        """Whether changes are told to this process."""
        return self._listening.is_set()

    def close(self) -> None:
        """Let nobody wait any more: the process is to end."""
        self._is_open = False
        self._wake(list(self._waiting))

    async def wait_for_config(
        self, database: Database, caller: Caller, agent_id: UUID, *, label: Label, held: Collection[str], wait_s: float
    ) -> ConfigVersion:
        """The config under a label as soon as it is none of those that the caller holds, or what it is after ``wait_s`` seconds.

        Raises ``AgentNotFound`` or ``ConfigNotLabelled`` as soon as that is so.
        """
        deadline = asyncio.get_running_loop().time() + wait_s
        async with self._changes(str(agent_id), deadline) as changed:
            while True:
                changed.clear()
                async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
                    found = await queries.get_config(session, caller, agent_id, label=label)
                if found.fingerprint not in held or not self._is_open:
                    return found
                try:
                    async with asyncio.timeout_at(deadline):
                        await changed.wait()
                except TimeoutError:
                    return found

    @asynccontextmanager
    async def _changes(self, agent_id: str, deadline: float) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the agent's labels may have moved since the block began."""
        changed = asyncio.Event()
        self._waiting.setdefault(agent_id, set()).add(changed)
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await self._listening.wait()
            yield changed
        finally:
            self._waiting[agent_id].discard(changed)
            if not self._waiting[agent_id]:
                del self._waiting[agent_id]
            if not self._waiting:
                await self._stop()

    async def _listen(self) -> None:
        """Listen until nobody waits. After an outage everybody reads again, because something may have been missed."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=10) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    self._listening.set()
                    self._wake(list(self._waiting))
                    async for told in connection.notifies():
                        self._wake([told.payload])
            except psycopg.OperationalError as outage:
                logger.warning("config_watch_interrupted", exc_info=outage)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _stop(self) -> None:
        listener, self._listener = self._listener, None
        self._listening.clear()
        if listener is not None:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener

    def _wake(self, agent_ids: Collection[str]) -> None:
        for agent_id in agent_ids:
            for changed in self._waiting.get(agent_id, ()):
                changed.set()
