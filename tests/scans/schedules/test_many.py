"""Many schedules due at once: each is ordered once, what waits longest first, and none holds up the others."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text

from spectral_platform.scans.schedules import queries
from spectral_platform.scans.schedules.dispatching import dispatch_schedules
from tests.fixtures.callers import Person
from tests.scans.schedules.conftest import Schedules, daily, now

OTHERS_LIKE_IT = """
INSERT INTO scan_schedules
SELECT (jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid(), 'name', 'No. ' || n, 'token_digest', n))).*
FROM scan_schedules s, generate_series(1, :more) n WHERE s.id = :id
"""
DISPATCHED = """
SELECT count(DISTINCT r.id), count(j.id)
FROM scan_schedules s LEFT JOIN scan_schedule_runs r ON r.schedule_id = s.id AND r.status = 'waiting' AND r.ordered_at IS NOT NULL
LEFT JOIN procrastinate_jobs j ON j.args->'work'->>'run_id' = r.id::text GROUP BY s.id
"""


@pytest.mark.own_database
@pytest.mark.parametrize("unreadable", ["timezone = 'Mars/Olympus'", "cron = '0 0 * * LAST'", "quiet_hours = '{}'"])
async def test_one_round_takes_all_that_is_due_and_stumbles_over_nothing(
    unreadable: str, schedules: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MOST_AT_ONCE", 2)
    made = [await schedules.create(name=f"Nightly {number}", cron=daily(now())) for number in range(7)]
    for number, each in enumerate(made):  # the unreadable ones are the first to be read, and more than are read at once
        await schedules.set("scan_schedules", each["id"], next_due_at=now() - timedelta(seconds=number))
    async with schedules.transaction() as session:
        broken = text(f"UPDATE scan_schedules SET {unreadable} WHERE id = ANY(:ids)")
        await session.execute(broken, {"ids": [UUID(each["id"]) for each in made[4:]]})

    async with asyncio.timeout(20):
        await dispatch_schedules(schedules.context)

    taken = [[(run["status"], await schedules.orders(run)) for run in await schedules.runs(each)] for each in made[:4]]
    assert taken == [[("waiting", 1)]] * 4
    async with schedules.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM scan_schedule_runs")) == 4


@pytest.mark.own_database
async def test_hundreds_that_are_due_at_once_are_each_ordered_once_in_few_statements(
    schedules: Schedules, stranger: Person
) -> None:
    everywhere = [schedules, Schedules(stranger, schedules.database, schedules.settings)]
    for workspace in everywhere:
        made = await workspace.create(cron=daily(now()))
        async with workspace.transaction() as session:
            await session.execute(text(OTHERS_LIKE_IT), {"id": UUID(made["id"]), "more": 149})
            await session.execute(text("UPDATE scan_schedules SET next_due_at = now()"))
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    engine = schedules.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await asyncio.gather(*(dispatch_schedules(schedules.context) for _ in range(2)))
    event.remove(engine, "before_cursor_execute", note)
    await dispatch_schedules(schedules.context)

    for workspace in everywhere:
        async with workspace.transaction() as session:
            assert (await session.execute(text(DISPATCHED))).all() == [(1, 1)] * 150
    assert len(statements) < 300


@pytest.mark.own_database
async def test_what_waits_longest_is_ordered_first(schedules: Schedules) -> None:
    moment = now()
    due = [moment - timedelta(minutes=number) for number in range(4)]
    made = [await schedules.create(name=f"Nightly {number}", cron=daily(at)) for number, at in enumerate(due)]
    for each, at in zip(made, due, strict=True):
        await schedules.set("scan_schedules", each["id"], next_due_at=at)

    await dispatch_schedules(schedules.context)

    runs = [run["id"] for each in made for run in await schedules.runs(each)]
    async with schedules.transaction() as session:
        ordered = "SELECT args->'work'->>'run_id' FROM procrastinate_jobs ORDER BY priority DESC, id"
        assert list(await session.scalars(text(ordered))) == runs[::-1]
