"""Erasing for good, in small transactions, so that nothing waits long; each try goes on where the last ended."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.database import Database
from spectral_platform.portability.inventory import MEMBERS, Owner, holdings
from spectral_platform.portability.queries import Expiry, Place, list_cited_traces
from spectral_platform.traces.partitions import KEPT

ROWS_AT_ONCE = 5_000
TRACES_AT_ONCE = 500

_KEEP_TRACES = text(
    """
    UPDATE traces SET day = :kept FROM (
        SELECT trace_id, day FROM traces
        WHERE workspace_id = :workspace_id AND day < :before AND trace_id = ANY(CAST(:cited AS text[]))
        LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    ) AS moving
    WHERE traces.workspace_id = :workspace_id AND traces.trace_id = moving.trace_id
    RETURNING moving.day, moving.trace_id
    """
)
_DELETE_TRACES = text(
    """
    DELETE FROM traces WHERE workspace_id = :workspace_id AND trace_id = ANY(ARRAY(
        SELECT trace_id FROM traces
        WHERE workspace_id = :workspace_id AND trace_id <> ALL(CAST(:cited AS text[]))
          AND (day < :before OR (day = :kept AND created_at < :before))
        LIMIT :most FOR UPDATE SKIP LOCKED
    ))
    RETURNING day, trace_id
    """
)
_KEEP_SPANS = text(
    "UPDATE spans SET day = :kept WHERE workspace_id = :workspace_id AND day = :day AND trace_id = ANY(:trace_ids)"
)
_DELETE_SPANS = text("DELETE FROM spans WHERE workspace_id = :workspace_id AND day = :day AND trace_id = ANY(:trace_ids)")
# Rows are told apart by where they lie, which is only clear within one partition.
_DAY_OF_SPANS = text("SELECT day FROM spans WHERE workspace_id = :workspace_id LIMIT 1")
_EMPTY_DAY = text(
    """
    DELETE FROM spans WHERE workspace_id = :workspace_id AND day = :day AND ctid = ANY(ARRAY(
        SELECT ctid FROM spans WHERE workspace_id = :workspace_id AND day = :day LIMIT :most
    ))
    """
)
_FORGET_SAMPLES = text(
    "UPDATE ingest_counts SET sample = NULL WHERE workspace_id = :workspace_id AND period < :before AND sample IS NOT NULL"
)
_FORGET_ERASED = text("DELETE FROM erased_traces WHERE workspace_id = :workspace_id AND erased_at < :before")
_DELETE_ORDERS = "DELETE FROM procrastinate_jobs WHERE status <> 'doing' AND args #>> '{work,%s}' = :owner"


async def empty_workspace(database: Database, place: Place) -> None:
    """Delete every row of a workspace but its own, and but those that nobody may delete: they go with what they belong to."""
    tables = [holding.table.name for holding in reversed(holdings()) if holding.owner is Owner.WORKSPACE]
    async with database.transaction() as session:
        deletable = await session.scalars(
            text("SELECT name FROM unnest(CAST(:tables AS text[])) AS name WHERE has_table_privilege(name, 'DELETE')"),
            {"tables": tables},
        )
        permitted = set(deletable)
    for table in tables:
        if table == "spans":
            await _empty_spans(database, place)
        elif table in permitted:
            await _empty(database, place, table)


async def erase_workspace_row(session: AsyncSession, place: Place) -> bool:
    """Delete the row of a workspace that is empty, and its orders. Whether it was there: of two workers only one deletes it."""
    await session.execute(text(_DELETE_ORDERS % "workspace_id"), {"owner": str(place.workspace_id)})
    return await _count(session, text("DELETE FROM workspaces WHERE id = :id"), {"id": place.workspace_id}) > 0


async def _empty(database: Database, place: Place, table: str) -> None:
    statement = text(
        f'DELETE FROM "{table}" WHERE ctid = ANY(ARRAY('
        f'SELECT ctid FROM "{table}" WHERE workspace_id = :workspace_id LIMIT :most))'
    )
    deleted = ROWS_AT_ONCE
    while deleted:
        async with database.transaction(account_id=place.account_id, workspace_id=place.workspace_id) as session:
            values = {"workspace_id": place.workspace_id, "most": ROWS_AT_ONCE}
            deleted = await _count(session, statement, values)


async def _empty_spans(database: Database, place: Place) -> None:
    values = {"workspace_id": place.workspace_id}
    are_more = True
    while are_more:
        async with database.transaction(account_id=place.account_id, workspace_id=place.workspace_id) as session:
            day = await session.scalar(_DAY_OF_SPANS, values)
            are_more = day is not None
            if are_more:
                await session.execute(_EMPTY_DAY, values | {"day": day, "most": ROWS_AT_ONCE})


async def keep_cited_traces(database: Database, expiry: Expiry, cited: Sequence[str]) -> None:
    """Move cited traces that would expire to where nothing is dropped, with their spans."""
    place, values = expiry.place, _values(expiry, cited)
    are_more = bool(cited)
    while are_more:
        async with database.transaction(account_id=place.account_id, workspace_id=place.workspace_id) as session:
            moving = (await session.execute(_KEEP_TRACES, values)).all()
            for day, trace_ids in _by_day(moving):
                await session.execute(_KEEP_SPANS, {**values, "day": day, "trace_ids": trace_ids})
        are_more = bool(moving)


async def expire_traces(database: Database, expiry: Expiry, *, dropped: Collection[date] = ()) -> int:
    """Delete the traces that are older than their workspace keeps them, but for those that are cited. Returns how many.

    Their spans go with them, but for those of days whose partitions are ``dropped`` as a whole afterwards. What was kept because
    it was cited, and no longer is, goes too. What was refused so long ago is only counted any more.
    """
    place = expiry.place
    async with database.transaction(account_id=place.account_id, workspace_id=place.workspace_id) as session:
        await session.execute(_FORGET_SAMPLES, {"workspace_id": place.workspace_id, "before": expiry.before})
        await session.execute(_FORGET_ERASED, {"workspace_id": place.workspace_id, "before": expiry.before})
        cited = await list_cited_traces(session, place.workspace_id)
    await keep_cited_traces(database, expiry, cited)
    values = _values(expiry, cited)
    expired, are_more = 0, True
    while are_more:
        async with database.transaction(account_id=place.account_id, workspace_id=place.workspace_id) as session:
            deleted = (await session.execute(_DELETE_TRACES, values)).all()
            for day, trace_ids in _by_day(deleted):
                if day not in dropped:
                    await session.execute(_DELETE_SPANS, {**values, "day": day, "trace_ids": trace_ids})
        expired += len(deleted)
        are_more = bool(deleted)
    return expired


def _values(expiry: Expiry, cited: Sequence[str]) -> dict[str, Any]:
    return {
        "workspace_id": expiry.place.workspace_id,
        "before": expiry.before,
        "cited": list(cited),
        "kept": KEPT,
        "most": TRACES_AT_ONCE,
    }


def _by_day(traces: Iterable[Row[Any]]) -> Iterable[tuple[date, list[str]]]:
    days: dict[date, list[str]] = defaultdict(list)
    for each in traces:
        days[each.day].append(each.trace_id)
    return days.items()


async def erase_account_rows(session: AsyncSession, account_id: UUID) -> None:
    """Delete what is left of an account whose workspaces are erased; its audit log goes with its row."""
    await session.execute(text(_DELETE_ORDERS % "account_id"), {"owner": str(account_id)})
    await session.execute(text(f"DELETE FROM users WHERE id IN ({MEMBERS})"), {"account_id": account_id})
    await session.execute(text("DELETE FROM accounts WHERE id = :id"), {"id": account_id})


async def _count(session: AsyncSession, statement: TextClause, values: Mapping[str, object]) -> int:
    result = await session.execute(statement, values)
    assert isinstance(result, CursorResult)
    return result.rowcount
