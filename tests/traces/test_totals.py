"""Totals of lists, and what lists read."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import delete, event
from sqlalchemy.engine import Connection

from spectral_platform.core.database import Database
from spectral_platform.traces.models import Trace
from tests.fixtures.callers import Person
from tests.traces.factories import draft, new_trace_id, store

RACERS = 20


async def total(person: Person, **query: str) -> int:
    page = (await person.client.get(f"{person.w}/traces", params={"limit": 1, **query})).json()
    return int(page["pagination"]["total"])


async def test_the_total_is_exact_while_traces_arrive_and_go(owner: Person, database: Database) -> None:
    async def race(number: int) -> int:
        own, again = [new_trace_id() for _ in range(3)], [draft(f"{number // 2:032x}", number + 1)]
        await store(database, owner, [*again, *(draft(trace_id, 1) for trace_id in own)])
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            gone = own[: number % 3]
            await session.execute(delete(Trace).where(Trace.workspace_id == owner.workspace_id, Trace.trace_id.in_(gone)))
        return 3 - len(gone)

    left = await asyncio.gather(*map(race, range(RACERS)))

    expected = sum(left) + RACERS // 2  # two racers each tell of a trace in common
    assert (await total(owner), await total(owner, status="ok")) == (expected, expected)


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """What is asked of the database from here on."""
    asked: list[str] = []

    def note(connection: Connection, cursor: object, statement: str, *rest: object) -> None:
        asked.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def test_lists_never_read_spans(owner: Person, database: Database, statements: list[str]) -> None:
    await store(database, owner, [draft(new_trace_id(), 1, input="Hello", session_id="s")])
    statements.clear()

    for query in ({}, {"search": "hello"}, {"status": "ok", "sort": "-cost_usd"}):
        await total(owner, **query)
    await owner.client.get(f"{owner.w}/traces/sessions")

    assert [statement for statement in statements if "traces.session_id" in statement] != []
    assert [statement for statement in statements if " spans" in statement] == []
