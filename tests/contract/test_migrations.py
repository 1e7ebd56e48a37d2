"""Migrations: one line of them, from nothing to what the rows say."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from alembic import command
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, make_url, text

from spectral_platform.core import schema
from spectral_platform.core.database import APPLICATION_ROLE, Database
from tests.fixtures.database import clone, on_database, run_sql

WAITS_TO_DROP = text(
    """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND starts_with(query, 'DROP INDEX')
    """
)


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


def test_an_index_is_exchanged_behind_whoever_reads_for_long_and_may_break_off_anywhere(postgres: str) -> None:
    url = clone(postgres)
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        command.downgrade(schema.configure(connection), "0047")
    run_sql(url, "ALTER INDEX ix_traces_failed RENAME TO ix_traces_failed_new")  # as if it had broken off between the two

    with engine.connect() as reader, ThreadPoolExecutor() as threads, engine.connect() as observer:
        reader.execute(text("SELECT FROM traces"))
        upgraded = threads.submit(schema.upgrade, url)
        while not observer.scalar(WAITS_TO_DROP):
            assert not upgraded.done(), upgraded.result()
            observer.rollback()
        observer.rollback()
        with engine.begin() as writer:
            writer.execute(text("SET LOCAL lock_timeout = '1s'"))
            writer.execute(text("LOCK TABLE traces IN ROW EXCLUSIVE MODE"))  # nobody who stores traces is held up
        reader.rollback()
        upgraded.result()
        command.check(schema.configure(observer))

    assert revision_of(url) == schema.head()
