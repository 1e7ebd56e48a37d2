"""The partitions of spans: one for each day on which traces began to arrive, and one for what is kept whatever its age."""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Any

import psycopg
import structlog
from psycopg.errors import LockNotAvailable
from sqlalchemy import TextClause, text
from sqlalchemy.exc import OperationalError

from spectral_platform.core.database import Database, Question, ask

logger = structlog.get_logger(__name__)

KEPT = date.max
"""The day of what is kept for good. Postgres would call it infinity, which Python has no date for."""
KEPT_PARTITION = "spans_kept"
REMAINDER = "spans_default"
"""Where spans of a day are that has no partition of its own."""
DAYS_AHEAD = 7
TRIES = 20
PAUSE_S = 0.25

_MAKE = text("SELECT make_span_partitions(:days_ahead)")
_DROP = text("SELECT drop_span_partition(:day)")


def name_of(day: date) -> str:
    """The name that the partition of a day has, if there is one."""
    return KEPT_PARTITION if day == KEPT else f"spans_{day:%Y%m%d}"


def existing(names: list[str]) -> Question:
    """Which of these partitions there are."""
    return "SELECT name FROM unnest(%(names)b::text[]) AS wanted(name) WHERE to_regclass(name) IS NOT NULL", {"names": names}


async def partition_of(connection: psycopg.AsyncConnection[Any], day: date) -> str:
    """The partition that takes the spans of a day.

    Spans are copied into partitions by name: ``COPY`` does not go together with row-level security, which the table has. Its
    partitions let nobody read, and a constraint holds their rows to the bound workspace.
    """
    name = name_of(day)
    if await _exists(connection, name):
        return name
    # Nobody can make the partition while this is held; somebody may have while this was waited for.
    await connection.execute(f"LOCK TABLE {REMAINDER} IN ROW EXCLUSIVE MODE")
    return name if await _exists(connection, name) else REMAINDER


async def _exists(connection: psycopg.AsyncConnection[Any], name: str) -> bool:
    (found,) = await ask(connection, existing([name]))
    return bool(found)


async def make_partitions(database: Database) -> None:
    """Make the partitions of today and the next days, as far as they are missing."""
    made = await _when_it_is_quiet(database, _MAKE, {"days_ahead": DAYS_AHEAD})
    if made:
        logger.info("span_partitions_made", partitions=made)


async def drop_partition(database: Database, day: date) -> bool:
    """Drop the partition of a day of which no workspace has a trace any more. Whether that was so."""
    return bool(await _when_it_is_quiet(database, _DROP, {"day": day}))


async def _when_it_is_quiet(database: Database, statement: TextClause, values: Mapping[str, object]) -> Any:
    """Run what locks everybody out: it waits for that a moment only, and comes again later, so that nobody waits long."""
    for remaining in reversed(range(TRIES)):
        try:
            async with database.transaction() as session:
                await session.execute(text("SET LOCAL statement_timeout = '5s'"))
                return await session.scalar(statement, values)
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable) or not remaining:
                raise
            await asyncio.sleep(PAUSE_S)
    return None
