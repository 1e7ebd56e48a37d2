"""Columns that hold sealed secrets, and renewing everything that lies sealed in a database."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Dialect, MetaData, Text, bindparam, create_engine, pool, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from spectral_platform.core.database import driver_url
from spectral_platform.core.sealing import Seal, SealBroken, is_sealed


class Sealed(TypeDecorator[str]):
    """A secret that ``Settings.seal`` has closed. All that tables hold sealed is in such columns, so that it can be renewed."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse what was not closed: a secret in the clear is a mistake of ours."""
        if value is not None and not is_sealed(value):
            raise ValueError("a value for a sealed column has not been sealed")
        return value


@dataclass(frozen=True, slots=True)
class Renewal:
    """How many secrets were renewed, and where some are that none of the server's secrets opens."""

    renewed: int
    unreadable: tuple[str, ...]


def sealed_columns(metadata: MetaData) -> Iterator[Column[Any]]:
    """Every column that holds sealed secrets."""
    for table in metadata.sorted_tables:
        yield from (column for column in table.columns if isinstance(column.type, Sealed))


def renew_sealed(url: str, metadata: MetaData, seal: Seal) -> Renewal:
    """Close everything that is sealed, in tables and in waiting orders, under the first of the secrets; all of it or nothing.

    The URL's role has to see every tenant's rows; Postgres refuses the work of one that does not, instead of hiding them.
    """
    engine = create_engine(driver_url(url), poolclass=pool.NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL row_security = off"))
            outcomes = [_renew_column(connection, column, seal) for column in sealed_columns(metadata)]
            outcomes.append(_renew_orders(connection, seal))
    finally:
        engine.dispose()
    unreadable = tuple(place for outcome in outcomes for place in outcome.unreadable)
    return Renewal(sum(outcome.renewed for outcome in outcomes), unreadable)


def _renew_column(connection: Connection, column: Column[Any], seal: Seal) -> Renewal:
    table = column.table
    (key,) = table.primary_key.columns
    renewed, unreadable = [], []
    for identity, sealed in connection.execute(select(key, column).where(column.is_not(None)).with_for_update()):
        try:
            renewed.append({"identity": identity, "value": seal.renew(sealed)})
        except SealBroken:
            unreadable.append(f"{table.name}.{column.name} of {identity}")
    if renewed:
        statement = update(table).where(key == bindparam("identity")).values({column: bindparam("value")})
        connection.execute(statement, renewed)
    return Renewal(len(renewed), tuple(unreadable))


def _renew_orders(connection: Connection, seal: Seal) -> Renewal:
    """Renew what waiting orders carry; an order is a document, and what is sealed in it shows by how it begins."""
    waiting = text(
        "SELECT id, args FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND args::text LIKE '%gAAAA%' FOR UPDATE"
    )
    statement = text("UPDATE procrastinate_jobs SET args = :args WHERE id = :id").bindparams(bindparam("args", type_=JSONB))
    renewed, unreadable = 0, []
    for identity, document in connection.execute(waiting).all():
        try:
            connection.execute(statement, {"id": identity, "args": _renewed(document, seal)})
            renewed += 1
        except SealBroken:
            unreadable.append(f"order {identity}")
    return Renewal(renewed, tuple(unreadable))


def _renewed(part: Any, seal: Seal) -> Any:
    match part:
        case str() if is_sealed(part):
            return seal.renew(part)
        case dict():
            return {name: _renewed(each, seal) for name, each in part.items()}
        case list():
            return [_renewed(each, seal) for each in part]
    return part
