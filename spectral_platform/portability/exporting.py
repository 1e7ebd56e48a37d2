"""An account as lines of JSON: a heading, every row as Postgres itself writes it, and a last line that says that it was all.

The rows are read in one snapshot through a cursor of the server's, so that an export is consistent and takes the same memory
whatever its size. Numbers, times and bytes keep the form that Postgres reads back exactly; nothing passes through Python's types.
"""

from collections.abc import AsyncIterator
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock, schema
from spectral_platform.core.database import Database, bind_tenant
from spectral_platform.core.sealing import Seal
from spectral_platform.core.settings import Settings
from spectral_platform.portability.inventory import SEALED, Holding, Owner, exported, exported_columns
from spectral_platform.worlds.readings import Reading, confine

FORMAT = 1
ROWS_AT_ONCE = 200
SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def seal_of(settings: Settings) -> Seal:
    """What closes the rows of an export that only a server may read."""
    return Seal(settings.secrets, context="export")


async def export_account(database: Database, account_id: UUID, seal: Seal) -> AsyncIterator[bytes]:
    """Every line of an account's export, each with its line break."""
    rows = 0
    async with database.transaction() as session:
        await session.execute(SNAPSHOT)
        await bind_tenant(session, account_id=account_id)
        yield _line(
            {
                "spectral_export": FORMAT,
                "revision": await schema.current(session),
                "account_id": str(account_id),
                "exported_at": clock.now().isoformat(),
            }
        )
        found = await session.execute(
            text("SELECT id FROM workspaces WHERE account_id = :account_id ORDER BY id"), {"account_id": account_id}
        )
        workspace_ids = [row.id for row in found]
        tables = exported()
        for holding in tables:
            if holding.owner is not Owner.WORKSPACE:
                async for line in _rows(session, holding, seal, account_id=account_id):
                    yield line
                    rows += 1
        for workspace_id in workspace_ids:
            await bind_tenant(session, account_id=account_id, workspace_id=workspace_id)
            await confine(session, Reading.REGISTRY)
            for holding in tables:
                if holding.owner is Owner.WORKSPACE:
                    async for line in _rows(session, holding, seal, workspace_id=workspace_id):
                        yield line
                        rows += 1
    yield _line({"complete": True, "rows": rows})


async def _rows(session: AsyncSession, holding: Holding, seal: Seal, **owner: UUID) -> AsyncIterator[bytes]:
    name = holding.table.name
    columns = ", ".join(f'"{column}"' for column in exported_columns(holding.table))
    order = ", ".join(f'"{column}"' for column in holding.key)
    statement = text(
        f'SELECT row_to_json(r)::text FROM (SELECT {columns} FROM "{name}" WHERE {holding.condition} ORDER BY {order}) AS r'
    )
    found = await session.stream(statement, owner, execution_options={"yield_per": ROWS_AT_ONCE})
    async for (row,) in found:
        if name in SEALED:
            yield _line({"table": name, "sealed": seal.close(row)})
        else:
            yield row_heading(name) + row.encode() + b"}\n"


def row_heading(table: str) -> bytes:
    """How a line begins that holds a row of this table."""
    return b'{"table":' + orjson.dumps(table) + b',"row":'


def _line(document: dict[str, object]) -> bytes:
    return orjson.dumps(document) + b"\n"
