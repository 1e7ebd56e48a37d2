"""Engine, sessions and tenancy: how every other module reaches Postgres.

Runtime connections act as the role ``spectral_app``, which owns nothing and cannot bypass row-level security. A transaction sees
only the tenant that was bound to it with ``bind_tenant``; an unbound one sees no tenant's rows at all.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from typing import Any, Self, cast
from uuid import UUID

import orjson
import psycopg
from psycopg.pq import PipelineStatus
from sqlalchemy import MetaData, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import QueuePool

from spectral_platform.core.errors import SpectralError

APPLICATION_ROLE = "spectral_app"
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
VANISHED = {"keepalives_idle": 10, "keepalives_interval": 10, "keepalives_count": 2, "tcp_user_timeout": 30_000}
"""libpq's parameters, in seconds and milliseconds, by which a server that went without a word is found within half a minute.

By those too who only listen: without them a statement would wait a quarter of an hour, and who listens two hours."""
BeforeCommit = Callable[[AsyncSession], Awaitable[None]]
Driver = psycopg.AsyncConnection[Any]
Question = tuple[str, Mapping[str, Any]]
"""A statement in the driver's own form, with ``%(name)b`` where a value goes, and the values."""


class Base(DeclarativeBase):
    """The base of every row class; constraints are named by one convention."""

    metadata = MetaData(naming_convention=NAMING)


def driver_url(url: str) -> str:
    """The same database through psycopg 3, whatever Postgres URL the operator wrote."""
    parsed = make_url(url)
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise ValueError(f"SPECTRAL_DATABASE_URL must be a Postgres URL, not {parsed.drivername}.")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def connection_string(url: str) -> str:
    """The libpq form of a URL, for libraries that speak psycopg themselves."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def connecting(url: str) -> dict[str, Any]:
    """How the application connects through psycopg: in its own role, and patient for so long, unless the URL says otherwise."""
    patience = {"connect_timeout": 10} | VANISHED
    said = make_url(url).query
    return {"options": f"-c role={APPLICATION_ROLE}"} | {name: value for name, value in patience.items() if name not in said}


class Database:
    """One engine and its sessions; a process has one."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = driver_url(url)
        self.connections_most = 2 * pool_size
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            # None beyond the pool's own: those would be opened and closed again with every wave of requests. The last used
            # is lent first, so that few are warm instead of all being lukewarm.
            pool_size=self.connections_most,
            max_overflow=0,
            pool_use_lifo=True,
            pool_timeout=10,
            # Postgres writes 1e300 out as 301 digits; this reads numbers beyond 64 bits as the floats that they were.
            json_deserializer=orjson.loads,
            hide_parameters=True,  # errors reach the log, and parameters are the tenants' content
            connect_args=connecting(url),
        )
        event.listen(self.engine.sync_engine, "handle_error", _leave_rows_out)
        event.listen(self.engine.sync_engine, "checkout", _require_living)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._before_commit: BeforeCommit | None = None

    def checked(self, before_commit: BeforeCommit) -> Self:
        """The same database; what ``before_commit`` raises about a transaction rolls that back."""
        other = copy(self)
        other._before_commit = before_commit
        return other

    @asynccontextmanager
    async def transaction(
        self, *, account_id: UUID | None = None, workspace_id: UUID | None = None
    ) -> AsyncIterator[AsyncSession]:
        """A session in a transaction that commits at the end, bound to the tenant if one is given."""
        try:
            async with self._sessions() as session, session.begin():
                if account_id is not None:
                    await bind_tenant(session, account_id=account_id, workspace_id=workspace_id)
                yield session
                if self._before_commit is not None and session.in_transaction():
                    await self._before_commit(session)
        except psycopg.Error as error:  # of what the driver was asked directly, of which no listener hears
            _leave_rows_out_of(error)
            raise

    async def ask(self, *questions: Question, account_id: UUID, workspace_id: UUID) -> list[Sequence[Any]]:
        """The answers to questions that are a transaction by themselves, bound to the tenant, on one way there and back."""
        async with self.engine.connect() as lent:
            await lent.execution_options(isolation_level="AUTOCOMMIT")  # or the way would be three
            raw = await lent.get_raw_connection()
            _, *answers = await ask(cast("Driver", raw.driver_connection), tenant(account_id, workspace_id), *questions)
        return answers

    def connections_in_use(self) -> int:
        """How many connections are lent out."""
        return self._pool.checkedout()

    def connections_idle(self) -> int:
        """How many connections wait to be lent."""
        return self._pool.checkedin()

    @property
    def _pool(self) -> QueuePool:
        pool = self.engine.pool
        assert isinstance(pool, QueuePool)
        return pool

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def _require_living(connection: Any, *_: object) -> None:
    """Lend no connection that Postgres has ended, nor one that was broken off within a pipeline; the pool then opens another.

    An end stands unread at the connection, behind what Postgres said of it, so that looking twice finds it. A question of its own
    would find no more and costs as much as those that callers ask.
    """
    wire = connection.driver_connection.pgconn
    try:
        for _look in range(2):
            wire.consume_input()
    except psycopg.OperationalError as ended:
        raise DisconnectionError from ended
    if wire.pipeline_status != PipelineStatus.OFF:
        raise DisconnectionError


def _leave_rows_out(context: ExceptionContext) -> None:
    original = context.original_exception
    primary = _leave_rows_out_of(original)
    if primary is not None and context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.args = (f"({type(original).__name__}) {primary}",)


def _leave_rows_out_of(error: BaseException) -> str | None:
    """Take out of an error what Postgres shows of the rows concerned: errors reach the log, as parameters would.

    Returns what is left of what Postgres said.
    """
    primary: str | None = getattr(getattr(error, "diag", None), "message_primary", None)
    if primary is not None:
        error.args = (primary,)
    return primary


_TENANT = "SELECT set_config('spectral.account_id', {account}, true), set_config('spectral.workspace_id', {workspace}, true)"
_BIND_TENANT = text(_TENANT.format(account=":account", workspace=":workspace"))


def tenant(account_id: UUID, workspace_id: UUID | None) -> Question:
    """The question that does what ``bind_tenant`` does."""
    values = {"account": str(account_id), "workspace": str(workspace_id) if workspace_id else ""}
    return _TENANT.format(account="%(account)s", workspace="%(workspace)s"), values


async def bind_tenant(session: AsyncSession, *, account_id: UUID, workspace_id: UUID | None = None) -> None:
    """Let this transaction see the rows of one account, and of one of its workspaces if given."""
    _, values = tenant(account_id, workspace_id)
    await session.execute(_BIND_TENANT, values)


async def driver_of(session: AsyncSession) -> Driver:
    """The driver's connection beneath a session, in the session's transaction; what the session still held back is written."""
    await session.flush()
    return cast("Driver", (await (await session.connection()).get_raw_connection()).driver_connection)


async def ask(driver: Driver, *questions: Question) -> list[Sequence[Any]]:
    """The answers to questions that are carried out one after the other, on one way to the database and back."""
    try:
        async with driver.pipeline():
            asked = [
                await driver.execute(statement.encode(), values if "%(" in statement else None) for statement, values in questions
            ]
    except psycopg.Error as error:
        _leave_rows_out_of(error)
        raise
    return [await cursor.fetchall() if cursor.description else () for cursor in asked]


async def bind_user(session: AsyncSession, user_id: UUID) -> None:
    """Let this transaction see a person's own memberships, before it is known which account they come in for."""
    await session.execute(text("SELECT set_config('spectral.user_id', :user_id, true)"), {"user_id": str(user_id)})


async def bind_upkeep(session: AsyncSession) -> None:
    """Let this transaction see, of every tenant, what regular work has to find: what is deleted, and which traces expire."""
    await session.execute(text("SELECT set_config('spectral.upkeep', 'on', true)"))


@contextmanager
def conflict_as(constraint: str, error: SpectralError) -> Iterator[None]:
    """Raise ``error`` when the flush inside breaks the named constraint; any other violation passes through."""
    try:
        yield
    except IntegrityError as violation:
        diagnostics = getattr(violation.orig, "diag", None)
        if getattr(diagnostics, "constraint_name", None) == constraint:
            raise error from violation
        raise
