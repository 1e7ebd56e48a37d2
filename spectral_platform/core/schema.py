"""The database schema's version: upgrading to it, telling whether it is there, and the policies that tables get."""

import importlib.util
import time
from functools import cache
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg.errors import UndefinedTable
from sqlalchemy import Connection, create_engine, make_url, pool, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.database import APPLICATION_ROLE, driver_url

logger = structlog.get_logger(__name__)

MIGRATION_LOCK = 0x5EC7_0001
LOCK_SECONDS = 0.1
"""How long to wait before the lock is asked for again."""


def _migrations() -> Path:
    """Where the migrations are: inside the installed package, or beside it in a checkout."""
    package = importlib.util.find_spec("spectral_platform")
    assert package is not None
    assert package.origin is not None
    root = Path(package.origin).parent
    packaged = root / "migrations"
    return packaged if packaged.is_dir() else root.parent / "migrations"


def configure(connection: Connection | None = None) -> Config:
    """Alembic over these migrations, on a connection if it is to touch a database."""
    configuration = Config()
    configuration.set_main_option("script_location", str(_migrations()))
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["connection"] = connection
    return configuration


@cache
def head() -> str:
    """The revision that this code needs. Finding it out reads every migration, so it is done once."""
    revision = ScriptDirectory.from_config(configure()).get_current_head()
    assert revision is not None
    return revision


def upgrade(url: str) -> None:
    """Bring the database to ``head``. An advisory lock lets several replicas try at once; the others wait and find it done.

    The URL's own role does this: it needs the right to create tables and, the first time, the application role.
    """
    engine = create_engine(driver_url(url), poolclass=pool.NullPool)
    try:
        with engine.connect() as guard:
            # Asked again and again: a statement that waits for the lock is itself waited for by indexes made concurrently.
            is_told = False
            while not guard.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": MIGRATION_LOCK}):
                guard.commit()
                if not is_told:
                    logger.info("another_process_migrates")
                    is_told = True
                time.sleep(LOCK_SECONDS)
            guard.commit()
            try:
                with engine.connect() as connection:
                    command.upgrade(configure(connection), "head")
            finally:
                guard.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
    finally:
        engine.dispose()


def application_login(url: str) -> str:
    """The URL on which the application role logs in by itself, on a server that is ours alone and trusts its socket.

    Such a session can go back to nobody: ``SET ROLE NONE`` leaves it what it is.
    """
    engine = create_engine(driver_url(url), poolclass=pool.NullPool)
    try:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER ROLE {APPLICATION_ROLE} LOGIN"))
    finally:
        engine.dispose()
    return make_url(url).set(username=APPLICATION_ROLE).render_as_string(hide_password=False)


async def current(session: AsyncSession) -> str | None:
    """The revision that the database is at; None before the first migration, which also ends what the transaction can do."""
    try:
        revision: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    except ProgrammingError as error:
        if isinstance(error.orig, UndefinedTable):
            return None
        raise
    return revision


def tenant_policy(table: str, *, column: str = "workspace_id", setting: str = "spectral.workspace_id") -> list[str]:
    """The statements that confine a table to the bound tenant, for the application role; used by migrations and never changed."""
    condition = f"{column} = nullif(current_setting('{setting}', true), '')::uuid"
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} TO {APPLICATION_ROLE} USING ({condition}) WITH CHECK ({condition})",
    ]
