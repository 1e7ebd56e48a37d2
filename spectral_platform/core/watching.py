"""Waiting for something to change: whoever changes it says so in the transaction that does, and those who wait read again.

A process listens on one connection of its own, for as long as somebody waits; who waits holds no connection. What is told is only
that something has changed, so a word too many costs a read and nothing is trusted that was not read.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import psycopg
import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.database import Database, connecting, connection_string

logger = structlog.get_logger(__name__)

CHANNEL = "spectral_changes"
RECONNECT_SECONDS = 1.0


async def tell(session: AsyncSession, topic: str) -> None:
    """Wake those who wait for a topic when this transaction commits."""
    await session.execute(select(func.pg_notify(CHANNEL, topic)))


class Watch:
    """Those who wait in this process, by the topic that they wait for."""

    def __init__(self, database: Database) -> None:
        self._url = database.url
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._listening = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None
        self.is_open = True
        """Whether anybody should go on waiting; the process may be about to end."""

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
        self.is_open = False
        self._wake(list(self._waiting))

    @asynccontextmanager
    async def changes(self, topic: str, *, within_s: float) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the topic may have changed since the block began.

        It begins when the process listens, or after ``within_s`` seconds without.
        """
        changed = asyncio.Event()
        self._waiting.setdefault(topic, set()).add(changed)
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._listening.wait()
            yield changed
        finally:
            self._waiting[topic].discard(changed)
            if not self._waiting[topic]:
                del self._waiting[topic]
            if not self._waiting:
                await self._stop()

    async def _listen(self) -> None:
        """Listen until nobody waits. After an outage everybody reads again, because something may have been missed.

        Any error of Postgres is an outage, not only a lost connection: a standby, for one, refuses to listen until it takes over.
        """
        while True:
            try:
                url = connection_string(self._url)
                async with await psycopg.AsyncConnection.connect(url, autocommit=True, **connecting(url)) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    self._listening.set()
                    self._wake(list(self._waiting))
                    async for told in connection.notifies():
                        self._wake([told.payload])
            except psycopg.Error as outage:
                logger.warning("watch_interrupted", exc_info=outage)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _stop(self) -> None:
        listener, self._listener = self._listener, None
        self._listening.clear()
        if listener is not None:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener

    def _wake(self, topics: Collection[str]) -> None:
        for topic in topics:
            for changed in self._waiting.get(topic, ()):
                changed.set()
