"""What reaches the log of errors of the database, and which connections are lent again."""

import traceback
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from spectral_platform.core.database import Database, connection_string
from tests.fixtures.callers import Person


async def test_errors_show_nothing_of_the_rows_that_they_are_about(owner: Person, database: Database) -> None:
    statement = "INSERT INTO webhooks (id, account_id, workspace_id, url) VALUES (gen_random_uuid(), :account, :workspace, :url)"
    values = {"account": owner.account_id, "workspace": owner.workspace_id, "url": "https://example.org/what-nobody-logs"}
    with pytest.raises(IntegrityError) as caught:
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            await session.execute(text(statement), values)

    told = "".join(traceback.format_exception(caught.value))
    assert "null value in column" in told
    assert "what-nobody-logs" not in told


@pytest.fixture
async def database_with_few(database_url: str) -> AsyncIterator[Database]:
    """A database that lends the connection again that it has lent before."""
    few = Database(database_url, pool_size=1)
    yield few
    await few.close()


async def driver_that_is_lent(database: Database) -> psycopg.AsyncConnection[Any]:
    """The connection that a transaction has just had."""
    async with database.transaction() as session:
        await session.execute(text("SELECT 1"))
        driver = (await (await session.connection()).get_raw_connection()).driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    return driver


async def test_a_connection_is_lent_again(database_with_few: Database) -> None:
    assert await driver_that_is_lent(database_with_few) is await driver_that_is_lent(database_with_few)


async def test_a_connection_that_postgres_has_ended_is_not_lent_again(database_with_few: Database) -> None:
    ended = await driver_that_is_lent(database_with_few)
    async with await psycopg.AsyncConnection.connect(connection_string(database_with_few.url), autocommit=True) as other:
        await other.execute("SELECT pg_terminate_backend(%s, 5000)", [ended.info.backend_pid])

    assert await driver_that_is_lent(database_with_few) is not ended


async def test_a_connection_that_was_left_within_a_pipeline_is_not_lent_again(database_with_few: Database) -> None:
    left = await driver_that_is_lent(database_with_few)
    left.pgconn.enter_pipeline_mode()

    assert await driver_that_is_lent(database_with_few) is not left
