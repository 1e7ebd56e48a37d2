"""Room for spans: looked at every few seconds, so that ingestion ends before the database's disk is full and not with it.

Postgres that cannot write its log stops for everybody. While there is too little room spans are refused and senders keep them;
reading and deleting go on, and so does ingestion by itself once there is room again.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from spectral_platform.core.database import Database
from spectral_platform.core.metrics import DATABASE_BYTES, DISK_FREE_BYTES, STORAGE_FULL
from spectral_platform.core.settings import Settings
from spectral_platform.traces.errors import StorageFull

logger = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
_SIZE = text("SELECT pg_database_size(current_database())")


class Space:
    """How much room the database has left.

    ``folder`` is on the disk of a database that runs here, of which ``least_free_bytes`` and ``least_free_percent`` must stay
    free; ``most_bytes`` is how large a database may become wherever it runs.
    """

    def __init__(
        self,
        database: Database,
        *,
        folder: Path | None = None,
        least_free_bytes: int = 0,
        least_free_percent: float = 0,
        most_bytes: int | None = None,
    ) -> None:
        self._database = database
        self._folder = folder
        self._least_free_bytes = least_free_bytes
        self._least_free_percent = least_free_percent
        self._most_bytes = most_bytes
        self.is_full = False
        self.detail = "not limited" if folder is None and most_bytes is None else "not looked at yet"

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Self:
        """What these settings say of the server's database."""
        return cls(
            database,
            folder=None if settings.database_url else settings.data_dir / "postgres",
            least_free_bytes=settings.disk_min_free_bytes,
            least_free_percent=settings.disk_min_free_percent,
            most_bytes=settings.database_limit_bytes,
        )

    def require(self) -> None:
        """Raise ``StorageFull`` unless there was room when it was last looked at."""
        if self.is_full:
            raise StorageFull

    async def look(self) -> None:
        """Look how much room there is now. Where that cannot be told, what was known before holds."""
        verdicts = []
        if self._folder is not None:
            disk = await asyncio.to_thread(shutil.disk_usage, self._folder)
            least = max(self._least_free_bytes, int(disk.total * self._least_free_percent / 100))
            DISK_FREE_BYTES.set(disk.free)
            verdicts.append((disk.free < least, f"{disk.free} bytes of the disk are free, {least} must stay so"))
        if self._most_bytes is not None:
            async with self._database.transaction() as session:
                size = int(await session.scalar(_SIZE) or 0)
            DATABASE_BYTES.set(size)
            verdicts.append((size >= self._most_bytes, f"the database has {size} bytes and may have {self._most_bytes}"))
        was_full, self.is_full = self.is_full, any(is_full for is_full, _ in verdicts)
        self.detail = "; ".join(detail for _, detail in verdicts) or self.detail
        STORAGE_FULL.set(self.is_full)
        if self.is_full != was_full:
            logger.warning("ingestion_stopped" if self.is_full else "ingestion_goes_on", storage=self.detail)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look again and again, for the length of the block."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except (SQLAlchemyError, OSError) as error:
                logger.warning("storage_unknown", exc_info=error)
            await asyncio.sleep(LOOK_EVERY_S)
