"""Partitions of spans: made ahead, and dropped when nobody keeps anything in them any more."""

from collections.abc import AsyncIterator
from datetime import UTC, date, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.database import Database, connection_string
from spectral_platform.core.jobs import JobContext
from spectral_platform.core.settings import Settings
from spectral_platform.portability.commands import expire_traces
from spectral_platform.traces import partitions
from spectral_platform.traces.partitions import REMAINDER, drop_partition, make_partitions, name_of
from tests.fixtures.callers import Person
from tests.traces.factories import draft, new_trace_id, store, trace_of

pytestmark = pytest.mark.own_database

ARRIVED = """
INSERT INTO traces (workspace_id, trace_id, day, name, started_at, duration_ms, status, span_count, unpriced_spans, models, tags,
                    feedback_count, created_at, updated_at)
SELECT %(workspace)s, md5(concat(%(day)s::date, number)), %(day)s, 'trace', now(), 1, 'ok', %(spans)s, 0, '{}', '{}', 0,
       now(), now()
FROM generate_series(1, %(traces)s) AS number
"""
ARRIVED_SPANS = """
INSERT INTO spans (workspace_id, trace_id, span_id, day, name, kind, started_at, ended_at, status, dialect, tags, attributes,
                   events, links, resource, scope, otlp, fullness, digest, received_at)
SELECT workspace_id, trace_id, to_char(number, 'FM0000000000000000'), day, 'span', 'llm', now(), now(), 'ok', 'plain', '{}',
       '{"gen_ai.request.model": "gpt-4o-mini"}', '[]', '[]', '{}', '{}', '{}', 0, 0, now()
FROM traces, generate_series(1, %(spans)s) AS number WHERE day = %(day)s AND workspace_id = %(workspace)s
"""


def today() -> date:
    return clock.now().astimezone(UTC).date()


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """The test's database as its owner sees it."""
    async with await psycopg.AsyncConnection.connect(connection_string(database_url), autocommit=True) as connection:
        yield connection


@pytest.fixture
def context(database: Database, settings: Settings) -> JobContext:
    return JobContext(database=database, settings=settings)


async def rows(server: psycopg.AsyncConnection[Any], table: str) -> int:
    (count,) = (await (await server.execute(f"SELECT count(*) FROM {table}".encode())).fetchall())[0]
    return int(count)


async def exists(server: psycopg.AsyncConnection[Any], day: date) -> bool:
    cursor = await server.execute("SELECT to_regclass(%s) IS NOT NULL", [name_of(day)])
    return bool((await cursor.fetchall())[0][0])


async def written_bytes(server: psycopg.AsyncConnection[Any]) -> int:
    """How much the server has written to its log since it was made: what a statement takes, however busy the machine is."""
    cursor = await server.execute("SELECT pg_current_wal_insert_lsn() - '0/0'")
    return int((await cursor.fetchall())[0][0])


async def have_arrived(server: psycopg.AsyncConnection[Any], person: Person, day: date, *, traces: int, spans: int = 1) -> None:
    """Give a workspace so many traces of so many spans that arrived on a day, in a partition of that day."""
    await server.execute("SELECT make_span_partition(%s)", [day])
    values = {"workspace": person.workspace_id, "day": day, "traces": traces, "spans": spans}
    await server.execute(ARRIVED, values)
    await server.execute(ARRIVED_SPANS, values)


async def keep_for(person: Person, days: int) -> None:
    assert (await person.client.put(f"{person.w}/retention", json={"traces_days": days})).status_code == 200


async def test_partitions_are_made_ahead_and_making_them_again_does_nothing(
    database: Database, server: psycopg.AsyncConnection[Any], owner: Person
) -> None:
    for ahead in range(8):
        await server.execute(f"DROP TABLE IF EXISTS {name_of(today() + timedelta(days=ahead))}".encode())

    await make_partitions(database)
    await make_partitions(database)

    assert [await exists(server, today() + timedelta(days=ahead)) for ahead in range(9)] == [True] * 8 + [False]
    await store(database, owner, [draft(new_trace_id(), 1)])
    assert await rows(server, name_of(today())) == 1
    cursor = await server.execute(
        "SELECT DISTINCT reloptions FROM pg_class JOIN pg_inherits ON inhrelid = oid WHERE relkind = 'r'"
    )
    assert await cursor.fetchall() == [(["toast_tuple_target=4080"],)]


async def test_a_day_that_has_begun_in_the_default_partition_stays_there(
    database: Database, server: psycopg.AsyncConnection[Any], owner: Person
) -> None:
    await server.execute(f"DROP TABLE {name_of(today())}".encode())
    trace_id = new_trace_id()
    await store(database, owner, [draft(trace_id, 1)])

    await make_partitions(database)
    await store(database, owner, [draft(trace_id, 2)])

    assert not await exists(server, today())
    assert await rows(server, REMAINDER) == 2
    assert (await trace_of(database, owner, trace_id)).span_count == 2


async def test_a_partition_that_is_made_during_ingestion_waits_and_loses_nothing(
    database: Database, server: psycopg.AsyncConnection[Any], owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "TRIES", 2)
    await server.execute(f"DROP TABLE {name_of(today())}".encode())
    trace_id = new_trace_id()
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        connection = await (await session.connection()).get_raw_connection()
        driver: Any = connection.driver_connection
        assert await partitions.partition_of(driver, today()) == REMAINDER
        with pytest.raises(Exception, match="lock timeout"):
            await make_partitions(database)
    await make_partitions(database)
    await store(database, owner, [draft(trace_id, 1)])

    assert await rows(server, name_of(today())) == 1


async def test_the_partition_of_a_day_that_nobody_keeps_is_dropped_at_once(
    context: JobContext, server: psycopg.AsyncConnection[Any], owner: Person, stranger: Person
) -> None:
    long_ago, lately = today() - timedelta(days=40), today() - timedelta(days=20)
    await have_arrived(server, owner, long_ago, traces=2_000, spans=100)
    await have_arrived(server, owner, lately, traces=10)
    await have_arrived(server, stranger, lately, traces=20)
    await server.execute("ANALYZE traces")
    plan = await server.execute(
        "EXPLAIN SELECT trace_id FROM traces WHERE workspace_id = %s AND day < %s", [owner.workspace_id, long_ago]
    )
    assert "ix_traces_workspace_id_day" in str(await plan.fetchall())
    await keep_for(owner, 10)
    await keep_for(stranger, 30)
    assert await rows(server, name_of(long_ago)) == 200_000

    await server.execute("DELETE FROM traces WHERE day = %s", [long_ago])
    before = await written_bytes(server)
    assert await drop_partition(context.database, long_ago)
    dropping = await written_bytes(server) - before
    await expire_traces(context)

    assert dropping < 2_000_000  # twenty thousand, and what a vacuum writes beside it; deleting the rows writes eleven million
    assert not await exists(server, long_ago)
    assert await rows(server, name_of(lately)) == 20
    assert await rows(server, "traces") == 20
    await keep_for(stranger, 5)
    await expire_traces(context)
    assert not await exists(server, lately)


async def test_a_span_that_comes_while_its_day_expires_is_not_lost(
    context: JobContext, database: Database, server: psycopg.AsyncConnection[Any], owner: Person
) -> None:
    day = today() - timedelta(days=40)
    await have_arrived(server, owner, day, traces=2)
    (first, late) = [row[0] for row in await (await server.execute("SELECT trace_id FROM traces ORDER BY 1")).fetchall()]
    await keep_for(owner, 10)
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        held = text("SELECT FROM traces WHERE trace_id = :trace_id FOR NO KEY UPDATE")
        await session.execute(held, {"trace_id": late})
        await expire_traces(context)
        assert await exists(server, day)
    await store(database, owner, [draft(late, 5)])
    assert (await trace_of(database, owner, late)).span_count == 2

    await expire_traces(context)
    assert not await exists(server, day)
    await store(database, owner, [draft(first, 7), draft(late, 7)])

    for trace_id in (first, late):
        begun_anew = await trace_of(database, owner, trace_id)
        assert (begun_anew.day, begun_anew.span_count) == (today(), 1)
    assert await rows(server, "spans") == 2


async def test_what_is_cited_outlives_the_partition_of_its_day(
    context: JobContext, server: psycopg.AsyncConnection[Any], owner: Person
) -> None:
    day = today() - timedelta(days=40)
    await have_arrived(server, owner, day, traces=3, spans=4)
    cited = (await (await server.execute("SELECT trace_id FROM traces LIMIT 1")).fetchall())[0][0]
    sample_set = (await owner.client.post(f"{owner.w}/samples/sets", json={"name": "Cited"})).json()["id"]
    await owner.client.post(f"{owner.w}/samples/sets/{sample_set}/samples", json=[{"input": "Hello", "source_trace_id": cited}])
    await keep_for(owner, 10)

    await expire_traces(context)

    assert not await exists(server, day)
    assert await rows(server, "spans_kept") == 4
    detail = (await owner.client.get(f"{owner.w}/traces/{cited}")).json()
    assert detail["span_count"] == len(detail["spans"]) == 4
