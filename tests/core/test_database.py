"""What reaches the log of errors of the database, and which connections are lent again."""

import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.database import VANISHED, Database, ask, connecting, connection_string, driver_of

# Not the rows of a tenant's table: Postgres shows nothing of those that row-level security guards.
INTO_USERS = "INSERT INTO users (id, email) VALUES (gen_random_uuid(), {})"


async def through_sqlalchemy(session: AsyncSession, values: dict[str, str]) -> None:
    await session.execute(text(INTO_USERS.format(":email")), values)


async def through_the_driver(session: AsyncSession, values: dict[str, str]) -> None:
    await ask(await driver_of(session), (INTO_USERS.format("%(email)s"), values))


@pytest.mark.parametrize("insert", [through_sqlalchemy, through_the_driver])
async def test_errors_show_nothing_of_the_rows_that_they_are_about(
    database: Database, insert: Callable[[AsyncSession, dict[str, str]], Awaitable[None]]
) -> None:
    values = {"email": "what-nobody-logs@example.org"}
    with pytest.raises((IntegrityError, psycopg.IntegrityError)) as caught:
        async with database.transaction() as session:
            await insert(session, values)

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


async def test_connections_find_out_that_postgres_has_gone_unless_the_url_says_otherwise(database: Database) -> None:
    driver = await driver_that_is_lent(database)
    asked = driver.info.get_parameters()

    assert {name: int(asked[name]) for name in VANISHED} == VANISHED
    assert "keepalives_idle" not in connecting("postgresql://db/spectral?keepalives_idle=60")
