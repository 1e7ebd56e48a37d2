"""The seal on the holdout: what the transaction at hand may read of a workspace's cases. The database keeps it, by policy.

A transaction that says nothing sees no split of any case. One of a scan's search sees train cases, a race train and dev cases,
each with their content and nothing of the others'. The holdout opens to one that names a running scan whose finalist is frozen.
``keeping`` is for what assigns and counts, and for what judges no scan; see ADR 0030.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.database import Question, ask, driver_of

_READING = text("SELECT current_setting('spectral.reading', true)")
_TURN = text("SELECT set_config('spectral.reading', :reading, true)")


class Reading(StrEnum):
    """What a transaction reads cases for, and so which."""

    TRAIN = "train"
    """To learn from them."""
    DEV = "dev"
    """To compare candidates: train and dev cases."""
    HOLDOUT = "holdout"
    """To judge a finalist: all of them, once there is one."""
    REGISTRY = "registry"
    """To assign, count and keep them: all of them."""


async def confine(session: AsyncSession, reading: Reading, *, scan_id: UUID | None = None) -> None:
    """Let this transaction read so much from here on; ``Reading.HOLDOUT`` needs the scan that has frozen its finalist."""
    await ask(await driver_of(session), confining(reading, scan_id=scan_id))


def confining(reading: Reading, *, scan_id: UUID | None = None) -> Question:
    """The question by which ``confine`` does so, to be asked with others."""
    statement = "SELECT set_config('spectral.reading', %(reading)s, true), set_config('spectral.scan_id', %(scan_id)s, true)"
    return statement, {"reading": reading.value, "scan_id": str(scan_id) if scan_id else ""}


@asynccontextmanager
async def keeping(session: AsyncSession) -> AsyncIterator[None]:
    """Read as the keeper of the registry inside, and afterwards as before. What leaves it must not tell a case's split."""
    before = await session.scalar(_READING)
    await session.execute(_TURN, {"reading": Reading.REGISTRY})
    yield
    await session.execute(_TURN, {"reading": before or ""})
