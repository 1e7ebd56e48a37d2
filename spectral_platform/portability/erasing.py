"""Erasing for good, in small transactions, so that nothing waits long; each try goes on where the last ended."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import CursorResult, TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.database import Database
from spectral_platform.portability.inventory import MEMBERS, Owner, holdings
from spectral_platform.portability.queries import Expiry, Place, list_cited_traces

ROWS_AT_ONCE = 5_000
TRACES_AT_ONCE = 500

_DELETE_TRACES = text(
    """
    WITH expired AS (
        DELETE FROM traces WHERE workspace_id = :workspace_id AND trace_id = ANY(ARRAY(
            SELECT trace_id FROM traces
            WHERE workspace_id = :workspace_id AND started_at < :before AND trace_id <> ALL(CAST(:cited AS text[]))
            ORDER BY started_at LIMIT :most FOR UPDATE SKIP LOCKED
        ))
        RETURNING day, trace_id
    ), emptied AS (
        DELETE FROM spans USING expired
        WHERE spans.workspace_id = :workspace_id AND spans.day = expired.day AND spans.trace_id = expired.trace_id
    )
    SELECT count(*) FROM expired
    """
)
_FORGET_SAMPLES = text(
    "UPDATE ingest_counts SET sample = NULL WHERE workspace_id = :workspace_id AND period < :before AND sample IS NOT NULL"
)
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
        if table in permitted:
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


async def expire_traces(database: Database, expiry: Expiry) -> int:
    """Delete the traces that are older than their workspace keeps them, but for those that are cited. Returns how many.

    What was refused so long ago is only counted any more.
    """
    place = expiry.place
    async with database.transaction(account_id=place.account_id, workspace_id=place.workspace_id) as session:
        await session.execute(_FORGET_SAMPLES, {"workspace_id": place.workspace_id, "before": expiry.before})
        cited = list(await list_cited_traces(session, place.workspace_id))
    values = {"workspace_id": place.workspace_id, "before": expiry.before, "cited": cited, "most": TRACES_AT_ONCE}
    expired, deleted = 0, TRACES_AT_ONCE
    while deleted:
        async with database.transaction(account_id=place.account_id, workspace_id=place.workspace_id) as session:
            deleted = await session.scalar(_DELETE_TRACES, values) or 0
        expired += deleted
    return expired


async def erase_account_rows(session: AsyncSession, account_id: UUID) -> None:
    """Delete what is left of an account whose workspaces are erased; its audit log goes with its row."""
    await session.execute(text(_DELETE_ORDERS % "account_id"), {"owner": str(account_id)})
    await session.execute(text(f"DELETE FROM users WHERE id IN ({MEMBERS})"), {"account_id": account_id})
    await session.execute(text("DELETE FROM accounts WHERE id = :id"), {"id": account_id})


async def _count(session: AsyncSession, statement: TextClause, values: Mapping[str, object]) -> int:
    result = await session.execute(statement, values)
    assert isinstance(result, CursorResult)
    return result.rowcount
