"""Taking in an export: all of it in one transaction, or nothing."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.queries import verify_audit_log
from spectral_platform.core import schema
from spectral_platform.core.access import system_caller
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.sealing import Seal, SealBroken
from spectral_platform.portability.errors import ImportRefused
from spectral_platform.portability.exporting import FORMAT, row_heading
from spectral_platform.portability.inventory import MEMBERS, SEALED, exported, exported_columns, forward_references

ROWS_PER_STATEMENT = 500
BYTES_PER_STATEMENT = 8_000_000
_GUARDED = text(
    "SELECT DISTINCT c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    " WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'procrastinate%'"
)
_FOREIGN = text(
    f"""
    SELECT EXISTS (SELECT FROM accounts WHERE id <> :account_id) OR EXISTS (SELECT FROM users WHERE id NOT IN ({MEMBERS}))
    """
)
# Days so long ago, or yet to come, that they must not have partitions of their own go to the default one.
_MAKE_PARTITIONS = text(
    """
    SELECT make_span_partition(day) FROM (
        SELECT DISTINCT CAST(row ->> 'day' AS date) AS day FROM json_array_elements(CAST(:rows AS json)) AS row
    ) AS days
    WHERE day BETWEEN current_date - 400 AND current_date + 7
    """
)
_AWAIT_WORDS = text("INSERT INTO trace_words_due (workspace_id, trace_id) SELECT workspace_id, trace_id FROM traces")
# Operations staff reach every account of a server: that is granted by who runs it, and by no file.
_DEMOTIONS = (
    text("UPDATE account_members SET role = 'owner' WHERE role = 'operations'"),
    text("UPDATE invites SET account_role = 'member' WHERE account_role = 'operations'"),
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of one table, each as JSON."""

    table: str
    rows: list[str]


async def import_account(session: AsyncSession, lines: Iterable[bytes], seal: Seal) -> tuple[UUID, int]:
    """Store every row of an export under the same ids. Returns the account and how many rows there were.

    The session must be the database owner's, on a server without accounts. Raises ``ImportRefused``; the transaction must then
    not be committed.
    """
    remaining = iter(lines)
    account_id = await _check(session, next(remaining, b""))
    columns = {holding.table.name: exported_columns(holding.table) for holding in exported()}
    stored = 0
    try:
        async with _laid_open(session):
            for batch in _batches(remaining, set(columns), seal):
                rows = {"rows": f"[{','.join(batch.rows)}]"}
                if batch.table == "spans":
                    await session.execute(_MAKE_PARTITIONS, rows)
                names = ", ".join(f'"{column}"' for column in columns[batch.table])
                await session.execute(
                    text(
                        f'INSERT INTO "{batch.table}" ({names})'
                        f' SELECT {names} FROM json_populate_recordset(NULL::"{batch.table}", CAST(:rows AS json))'
                    ),
                    rows,
                )
                stored += len(batch.rows)
    except (DataError, IntegrityError) as error:
        reason = getattr(getattr(error.orig, "diag", None), "message_primary", None) or type(error).__name__
        raise ImportRefused(f"The file has rows that cannot be stored: {reason}.") from None  # a traceback would show them
    if await session.scalar(_FOREIGN, {"account_id": account_id}):
        raise ImportRefused("The file has accounts or people besides those of the account that it says it is of.")
    for statement in (*_DEMOTIONS, _AWAIT_WORDS):
        await session.execute(statement)
    await bind_tenant(session, account_id=account_id)
    verification = await verify_audit_log(session, system_caller(account_id))
    if not verification.valid:
        raise ImportRefused(f"The audit log in the file was tampered with: entry {verification.first_broken} does not fit.")
    return account_id, stored


async def _check(session: AsyncSession, heading: bytes) -> UUID:
    """The account of a file with this first line, if its rows fit in here."""
    document = _parse(heading, 1)
    if document.get("spectral_export") != FORMAT:
        raise ImportRefused("The file is not an export of an account: its first line says nothing of it.")
    current = await schema.current(session)
    if document.get("revision") != current:
        raise ImportRefused(
            f"The file is of schema revision {document.get('revision')} and this database is at {current}; "
            "export and import with the same version of Spectral."
        )
    if await session.scalar(text("SELECT EXISTS (SELECT FROM accounts)")):
        raise ImportRefused("This server has an account already; import into an empty one.")
    try:
        return UUID(str(document.get("account_id")))
    except ValueError:
        raise ImportRefused("The file's first line does not say which account it is of.") from None


def _batches(lines: Iterator[bytes], known: set[str], seal: Seal) -> Iterator[Batch]:
    """The rows in groups of one table. Raises ``ImportRefused`` unless the last line says that it is the last."""
    batch, size = Batch("", []), 0
    for number, line in enumerate(lines, start=2):
        document = _parse(line, number)
        if document.get("complete") is True:
            if document.get("rows") != number - 2:
                raise ImportRefused(f"The file has {number - 2} rows and says that they are {document.get('rows')}.")
            if next(lines, b"").strip():
                raise ImportRefused(f"The file goes on after line {number}, which says that it is the last.")
            if batch.rows:
                yield batch
            return
        table = str(document.get("table"))
        if table not in known:
            raise ImportRefused(f"Line {number} is a row of {table!r}, which no export has.")
        row = _row(line, document, table, number, seal)
        if batch.rows and (table != batch.table or len(batch.rows) >= ROWS_PER_STATEMENT or size >= BYTES_PER_STATEMENT):
            yield batch
            batch, size = Batch(table, []), 0
        elif not batch.rows:
            batch = Batch(table, [])
        batch.rows.append(row)
        size += len(row)
    raise ImportRefused("The file is incomplete: its last line does not say that it was all. Export again.")


def _row(line: bytes, document: dict[str, object], table: str, number: int, seal: Seal) -> str:
    if table not in SEALED:
        # As it was written, to the last digit: parsing and writing it again would round numbers that are longer than a float.
        heading = row_heading(table)
        if not line.startswith(heading):
            raise ImportRefused(f"Line {number} is not written as exports are.")
        return line.rstrip()[len(heading) : -1].decode()
    try:
        return seal.open(str(document.get("sealed")))
    except SealBroken as broken:
        raise ImportRefused(
            f"Line {number} is sealed under another server's secret. Add that to SPECTRAL_PREVIOUS_SECRET_KEYS and try again."
        ) from broken


def _parse(line: bytes, number: int) -> dict[str, object]:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ImportRefused(f"Line {number} is not whole JSON; the file is incomplete or damaged.") from error
    if not isinstance(document, dict):
        raise ImportRefused(f"Line {number} is not a line of an export.")
    return document


@asynccontextmanager
async def _laid_open(session: AsyncSession) -> AsyncIterator[None]:
    """Let rows refer to others that come later, and check at the end that those came; let no trigger judge what is history.

    Both hold for this transaction alone, and nobody else sees these tables meanwhile.
    """
    guarded = (await session.scalars(_GUARDED)).all()
    for table in guarded:
        await session.execute(text(f'ALTER TABLE "{table}" DISABLE TRIGGER USER'))
    keys = [(key.table.name, str(key.name)) for key in forward_references()]
    for table, name in keys:
        await session.execute(text(f'ALTER TABLE "{table}" ALTER CONSTRAINT "{name}" DEFERRABLE INITIALLY DEFERRED'))
    yield
    await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    for table, name in keys:
        await session.execute(text(f'ALTER TABLE "{table}" ALTER CONSTRAINT "{name}" NOT DEFERRABLE'))
    for table in guarded:
        await session.execute(text(f'ALTER TABLE "{table}" ENABLE TRIGGER USER'))
