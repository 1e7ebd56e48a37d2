"""Migrations: one line of them, from nothing to what the rows say."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text

from spectral_platform.core import schema
from spectral_platform.core.database import APPLICATION_ROLE, Database
from tests.fixtures.database import on_database, run_sql


@pytest.fixture
def empty_database(postgres: str) -> str:
    """The URL of a database without a schema."""
    name = f"empty_{uuid4().hex}"
    run_sql(postgres, f"CREATE DATABASE {name}")
    return on_database(postgres, name)


@pytest.fixture
def modest_url(postgres: str) -> str:
    """The URL of an empty database as a role that owns it, holds the application's role and has no other right."""
    name = f"modest_{uuid4().hex}"
    run_sql(postgres, f"CREATE ROLE {name} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB")
    run_sql(postgres, f"GRANT {APPLICATION_ROLE} TO {name}")
    run_sql(postgres, f"CREATE DATABASE {name} OWNER {name}")
    return make_url(on_database(postgres, name)).set(username=name).render_as_string(hide_password=False)


def revision_of(url: str) -> str | None:
    engine = create_engine(url)
    with engine.connect() as connection:
        revision = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return revision


def test_the_migrations_are_one_line() -> None:
    script = ScriptDirectory.from_config(schema.configure())

    assert len(script.get_heads()) == len(script.get_bases()) == 1
    assert all(not revision.is_branch_point for revision in script.walk_revisions())


def test_two_servers_may_migrate_an_empty_database_at_once(empty_database: str) -> None:
    assert revision_of(empty_database) is None

    with ThreadPoolExecutor() as threads:
        list(threads.map(schema.upgrade, [empty_database, empty_database]))

    assert revision_of(empty_database) == schema.head()


def test_migrating_again_changes_nothing(shared_database_url: str) -> None:
    schema.upgrade(shared_database_url)

    assert revision_of(shared_database_url) == schema.head()


def test_the_migrated_database_is_what_the_rows_say(shared_database_url: str) -> None:
    engine = create_engine(shared_database_url)
    with engine.connect() as connection:
        command.check(schema.configure(connection))
    engine.dispose()


async def test_a_role_that_owns_nothing_but_its_database_is_enough(modest_url: str) -> None:
    await asyncio.to_thread(schema.upgrade, modest_url)

    database = Database(modest_url)
    async with database.transaction() as session:
        assert await schema.current(session) == schema.head()
        assert await session.scalar(text("SELECT current_user")) == APPLICATION_ROLE
    await database.close()
