"""Taking in spans: requests that wait share a commit, none suffers for another, and memory is bounded."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import SQLAlchemyError

from spectral_platform.core.database import Database
from spectral_platform.traces import intake as taking_in
from spectral_platform.traces.errors import Busy
from spectral_platform.traces.intake import SPANS_APART, Intake
from spectral_platform.traces.models import Trace
from spectral_platform.traces.spans import Rejection
from tests.fixtures.callers import Person
from tests.fixtures.database import somebody_waits
from tests.traces.factories import draft, new_trace_id, store, trace_of


@contextmanager
def commits(database: Database) -> Iterator[list[None]]:
    """What is committed meanwhile, counted."""
    counted: list[None] = []

    def count(_: object) -> None:
        counted.append(None)

    event.listen(database.engine.sync_engine, "commit", count)
    yield counted
    event.remove(database.engine.sync_engine, "commit", count)


async def test_requests_that_wait_at_the_same_time_are_committed_together(database: Database, owner: Person) -> None:
    intake, traces = Intake(database, most_bytes=1), [new_trace_id() for _ in range(40)]

    with commits(database) as counted:
        await asyncio.gather(*(intake.take(owner.caller(), drafts=[draft(each, 1)], size_bytes=1) for each in traces))

    assert len(counted) <= 2
    assert [(await trace_of(database, owner, each)).span_count for each in traces] == [1] * 40


async def test_a_lone_request_is_committed_before_it_returns(database: Database, owner: Person) -> None:
    intake, trace_id = Intake(database, most_bytes=1), new_trace_id()

    await intake.take(owner.caller(), drafts=[draft(trace_id, 1)], size_bytes=1)

    assert (await trace_of(database, owner, trace_id)).span_count == 1


async def test_what_comes_as_soon_as_another_is_told_is_committed_too(database: Database, owner: Person) -> None:
    intake, traces = Intake(database, most_bytes=1), [new_trace_id() for _ in range(2)]

    async with asyncio.timeout(30):
        for trace_id in traces:
            await intake.take(owner.caller(), drafts=[draft(trace_id, 1)], size_bytes=1)

    assert [(await trace_of(database, owner, each)).span_count for each in traces] == [1, 1]


async def test_what_cannot_be_stored_costs_no_other_request(database: Database, owner: Person) -> None:
    intake, traces = Intake(database, most_bytes=1), [new_trace_id() for _ in range(5)]
    impossible = intake.take(owner.caller(), drafts=[draft("longer" * 10, 1)], size_bytes=1)

    requests = [intake.take(owner.caller(), drafts=[draft(each, 1)], size_bytes=1) for each in traces]
    answers = await asyncio.gather(*requests[:2], impossible, *requests[2:], return_exceptions=True)

    assert [answer for answer in answers if answer is not None] == [answers[2]]
    assert isinstance(answers[2], Exception)
    for trace_id in traces:
        assert (await trace_of(database, owner, trace_id)).span_count == 1


async def test_what_is_tried_again_is_masked_once(database: Database, owner: Person) -> None:
    rule = {"name": "number", "pattern": "[0-9]+", "replacement": "[n1]"}
    assert (await owner.client.put(f"{owner.w}/masking", json={"rules": [rule]})).status_code == 200
    intake, trace_id = Intake(database, most_bytes=1), new_trace_id()

    requests = [[draft("longer" * 10, 1)], [draft(trace_id, 1, name="order 7", input="8")]]
    waiting = (intake.take(owner.caller(), drafts=drafts, size_bytes=1) for drafts in requests)
    await asyncio.gather(*waiting, return_exceptions=True)

    trace = await trace_of(database, owner, trace_id)
    assert (trace.name, trace.input) == ("order [n1]", "[n1]")


async def test_a_request_that_a_deadlock_broke_off_is_stored_after_all(database: Database, owner: Person) -> None:
    intake, (first, last) = Intake(database, most_bytes=1), sorted([new_trace_id(), new_trace_id()])
    await store(database, owner, [draft(trace_id, 1) for trace_id in (first, last)])

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(select(Trace).where(Trace.trace_id == last).with_for_update())
        drafts = [draft(trace_id, 2) for trace_id in (first, last)]
        taken = asyncio.create_task(intake.take(owner.caller(), drafts=drafts, size_bytes=1))
        await somebody_waits(database)
        await session.execute(select(Trace).where(Trace.trace_id == first).with_for_update())
    await taken

    assert [(await trace_of(database, owner, each)).span_count for each in (first, last)] == [2, 2]


async def test_much_that_waits_is_committed_beside_what_is_under_way_unless_they_share_a_trace(
    database: Database, owner: Person
) -> None:
    """Also behind more than a commit takes that have to wait for the same trace."""
    intake, (held, other) = Intake(database, most_bytes=1), (new_trace_id() for _ in range(2))
    await store(database, owner, [draft(held, 1)])
    locked = select(Trace.trace_id).where(Trace.trace_id == held)

    def take(trace_id: str, first: int) -> "asyncio.Task[None]":
        drafts = [draft(trace_id, number) for number in range(first, first + SPANS_APART)]
        return asyncio.create_task(intake.take(owner.caller(), drafts=drafts, size_bytes=1))

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(locked.with_for_update())
        waiting = [take(held, 1)]
        await somebody_waits(database)
        waiting += [take(held, number * SPANS_APART) for number in range(1, 7)]
        async with asyncio.timeout(10):
            await take(other, 1)
        assert database.connections_in_use() == 2  # the one here, and the one that waits for it
        assert not any(request.done() for request in waiting)
    await asyncio.gather(*waiting)

    assert (await trace_of(database, owner, held)).span_count == 7 * SPANS_APART - 1
    assert (await trace_of(database, owner, other)).span_count == SPANS_APART


async def test_little_that_waits_does_not_wait_for_the_lock_that_another_waits_for(
    database: Database, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking_in, "LONG_S", 0.02)
    intake, (held, other) = Intake(database, most_bytes=1), (new_trace_id() for _ in range(2))
    await store(database, owner, [draft(held, 1)])

    def take(trace_id: str, number: int) -> "asyncio.Task[None]":
        return asyncio.create_task(intake.take(owner.caller(), drafts=[draft(trace_id, number)], size_bytes=1))

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(select(Trace.trace_id).where(Trace.trace_id == held).with_for_update())
        waiting = [take(held, 2)]
        await somebody_waits(database)
        waiting.append(take(held, 3))
        async with asyncio.timeout(30):
            await take(other, 1)
            await take(other, 2)
        assert not any(request.done() for request in waiting)
    await asyncio.gather(*waiting)

    assert [(await trace_of(database, owner, each)).span_count for each in (held, other)] == [3, 2]


async def test_requests_of_several_workspaces_each_go_to_their_own(database: Database, owner: Person, stranger: Person) -> None:
    intake, trace_id = Intake(database, most_bytes=1), new_trace_id()

    await asyncio.gather(
        *(
            intake.take(person.caller(), drafts=[draft(trace_id, number)], size_bytes=1)
            for person in (owner, stranger)
            for number in range(1, 6)
        ),
        intake.take(owner.caller(), drafts=[draft(trace_id, 6)], rejections=[Rejection("why", "which")], size_bytes=1),
    )

    assert (await trace_of(database, owner, trace_id)).span_count == 6
    assert (await trace_of(database, stranger, trace_id)).span_count == 5


async def test_all_that_is_taken_in_is_drained(database: Database, owner: Person) -> None:
    intake, traces = Intake(database, most_bytes=1), [new_trace_id() for _ in range(5)]
    waiting = [asyncio.ensure_future(intake.take(owner.caller(), drafts=[draft(each, 1)], size_bytes=1)) for each in traces]
    await asyncio.sleep(0)

    await intake.drain()

    assert all(request.done() for request in waiting)


async def test_bodies_are_held_up_to_a_bound_and_one_alone_always(database: Database) -> None:
    intake = Intake(database, most_bytes=100)

    with intake.hold(1_000), pytest.raises(Busy), intake.hold(1):
        pass
    with intake.hold(60), intake.hold(40), pytest.raises(Busy), intake.hold(1):
        pass
    assert intake.held_bytes == 0


async def test_a_database_that_is_down_is_asked_once_and_told_to_everybody_who_waits(owner: Person) -> None:
    database = Database("postgresql://localhost:1/nowhere")
    asked: list[None] = []
    event.listen(database.engine.sync_engine, "do_connect", lambda *_: asked.append(None))
    intake = Intake(database, most_bytes=1)

    answers = await asyncio.gather(
        *(intake.take(owner.caller(), drafts=[draft(new_trace_id(), 1)], size_bytes=1) for _ in range(5)), return_exceptions=True
    )

    assert all(isinstance(answer, SQLAlchemyError) for answer in answers)
    assert len(asked) == 1
