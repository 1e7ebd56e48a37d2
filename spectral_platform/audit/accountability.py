"""Holding every transaction that changes something to its one entry in the audit log.

Postgres itself tells what was written, so that no command can forget: until it ends, a transaction holds a ``ROW EXCLUSIVE`` lock
on each table that it inserted into, updated or deleted from. Locking rows (``FOR UPDATE``) is another mode and changes nothing.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

ENTRIES = "audit_entries"
"""Under this name a session counts the entries of its transaction."""

ARRIVAL = "audit_arrival"
"""Under this name a session knows that its transaction told of a visitor's arrival, beside what it tells of."""

ARRIVING = ("audit_entries", "audit_heads", "visits")
"""Tables that telling of an arrival writes to."""

BOOKKEEPING = {
    "oauth_logins": "A login that was begun with a provider is nobody's yet; the session that it ends in is recorded.",
    "failed_attempts": "An attempt that failed changed nothing, and the account that it was meant for may not exist.",
    "kept_answers": "The answer to a request is no change besides the one that the request makes.",
}
"""Tables that a transaction may write to without an entry, with the reason."""

WRITTEN = text(
    """
    SELECT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE pg_current_xact_id_if_assigned() IS NOT NULL
      AND pid = pg_backend_pid() AND locktype = 'relation' AND mode = 'RowExclusiveLock'
      AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> ALL (:bookkeeping)
    ORDER BY relname
    """
)


class ChangeUnaccounted(RuntimeError):
    """A transaction changed something and left no entry in the audit log, or more than one: a mistake in our own code."""

    def __init__(self, entries: int, written: list[str]) -> None:
        super().__init__(f"a transaction that owes the audit log one entry left {entries}; it wrote to {', '.join(written)}")
        self.entries = entries
        self.written = written


def count_entry(session: AsyncSession) -> None:
    """Remember that an entry was written in this session's transaction."""
    session.info[ENTRIES] = session.info.get(ENTRIES, 0) + 1


def forget_entries(session: AsyncSession) -> None:
    """The entries were undone, with everything else since the transaction's savepoint."""
    session.info.pop(ENTRIES, None)


def except_arrival(session: AsyncSession) -> None:
    """Remember that this session's transaction also tells of an arrival, which counts for nothing that is done there."""
    session.info[ARRIVAL] = True


async def require_one_entry(session: AsyncSession) -> None:
    """Raise ``ChangeUnaccounted``, before the commit, if the transaction changed something without leaving exactly one entry."""
    entries = session.info.get(ENTRIES, 0)
    if entries == 1:  # the usual case costs no question
        return
    await session.flush()
    arriving = ARRIVING if session.info.get(ARRIVAL) else ()
    written = list(await session.scalars(WRITTEN, {"bookkeeping": [*BOOKKEEPING, *arriving]}))
    if written:
        raise ChangeUnaccounted(entries, written)
