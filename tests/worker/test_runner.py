"""The worker: what it does with orders that succeed, fail, cannot be read, or are interrupted."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import psycopg
import pytest
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status
from psycopg.errors import UndefinedFunction
from sqlalchemy import make_url, text

from spectral_platform.core import clock
from spectral_platform.core.database import Database, connection_string
from spectral_platform.core.errors import UnavailableError
from spectral_platform.core.jobs import JobContext, Lane, Work, enqueue, job, registry
from spectral_platform.core.settings import Settings
from spectral_platform.worker import runner
from spectral_platform.worker.queue import open_queue
from spectral_platform.worker.runner import run_worker
from spectral_platform.worker.schedule import WorkerContext, rescue_jobs
from tests.fixtures.callers import Person

pytestmark = pytest.mark.own_database


class Errand(Work):
    """An order of the tests."""

    job: ClassVar[str] = "tests.errand"

    what: str


@dataclass
class Office:
    """What has become of the errands; ``ailment`` is what the next one meets with."""

    database: Database
    owner: Person
    settings: Settings
    url: str
    started: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    ailment: Exception | None = None
    ending_ailment: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    worker: asyncio.Task[None] | None = None

    async def carry_out(self, context: JobContext, work: Errand) -> None:
        self.started.append(work.what)
        await self.gate.wait()
        if self.ailment is not None:
            raise self.ailment
        self.done.append(work.what)

    async def give_up(self, context: JobContext, work: Errand) -> None:
        if self.ending_ailment is not None:
            raise self.ending_ailment
        self.given_up.append(work.what)

    async def order(self, what: str) -> None:
        async with self.database.transaction(account_id=self.owner.account_id) as session:
            await enqueue(session, Errand(account_id=self.owner.account_id, workspace_id=self.owner.workspace_id, what=what))

    async def work(self) -> None:
        await run_worker(self.settings, self.url, until_idle=True)

    async def stop(self) -> None:
        """Tell the worker to stop, as an operator does, and wait until it has."""
        if self.worker is not None:
            os.kill(os.getpid(), signal.SIGTERM)
            await self.worker
            self.worker = None

    async def sql(self, statement: str, **values: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(text(statement), values)

    async def is_empty(self) -> bool:
        """Whether no order waits or is under way."""
        return not await self.rows()

    async def has_done(self, *errands: str) -> bool:
        """Whether just these were done, in this order."""
        return self.done == list(errands)

    async def hears_of_the_worker(self) -> bool:
        """Whether a worker gave a sign of life within the last second."""
        async with self.database.transaction() as session:
            age = await session.scalar(text("SELECT now() - max(last_heartbeat) FROM procrastinate_workers"))
        return age is not None and age < timedelta(seconds=1)

    async def rescue(self, queue: App) -> None:
        await rescue_jobs(WorkerContext(database=self.database, settings=self.settings, queue=queue))

    async def rows(self) -> list[tuple[str, int, bool]]:
        """Status and tries of every order in the queue, and whether it may be taken up right now."""
        async with self.database.transaction() as session:
            statement = "SELECT status::text, attempts, coalesce(scheduled_at <= now(), true) FROM procrastinate_jobs ORDER BY id"
            return [(row[0], row[1], row[2]) for row in await session.execute(text(statement))]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Come back once it holds."""
    async with asyncio.timeout(30):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def office(database: Database, owner: Person, settings: Settings, database_url: str) -> Iterator[Office]:
    made = Office(database, owner, settings, database_url)
    made.gate.set()
    job(Errand, on_failure=made.give_up)(made.carry_out)
    yield made
    del registry[Errand.job]


@pytest.fixture
async def busy(office: Office, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    """An office whose errand hangs in a worker that answers to SIGTERM."""
    monkeypatch.setattr(runner, "GRACE_S", 0.05)
    monkeypatch.setattr(runner, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr("spectral_platform.worker.queue.AGAIN_S", 0.1)
    office.gate.clear()
    await office.order("hanging")
    office.worker = asyncio.create_task(run_worker(office.settings, office.url))
    while not office.started:
        assert not office.worker.done(), office.worker
        await asyncio.sleep(0.01)
    yield office
    await office.stop()


async def test_an_order_is_carried_out_once_and_leaves_no_row(office: Office) -> None:
    await office.order("post the letter")

    await office.work()

    assert office.done == ["post the letter"]
    assert await office.rows() == []


async def test_an_order_that_cannot_be_read_is_not_carried_out_and_does_not_come_back(office: Office) -> None:
    await office.order("post the letter")
    await office.sql('UPDATE procrastinate_jobs SET args = \'{"work": {"what": 7}}\'')

    await office.work()

    assert office.started == []
    assert await office.rows() == [("failed", 1, True)]


async def test_a_fault_that_may_pass_is_tried_again_later(office: Office) -> None:
    office.ailment = UnavailableError("Closed for lunch.")
    await office.order("post the letter")

    await office.work()

    assert await office.rows() == [("todo", 1, False)]
    assert office.given_up == []
    office.ailment = None
    await office.sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await office.work()
    assert office.done == ["post the letter"]


async def test_after_the_last_try_the_order_is_given_up_once(office: Office) -> None:
    office.ailment = UnavailableError("Closed for good.")
    await office.order("post the letter")
    for _ in range(Errand.most_tries):
        await office.sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
        await office.work()

    assert office.started == ["post the letter"] * Errand.most_tries
    assert office.given_up == ["post the letter"]
    assert await office.rows() == [("failed", Errand.most_tries, True)]


async def test_a_fault_that_no_try_mends_is_given_up_at_once(office: Office) -> None:
    office.ailment = ZeroDivisionError("a mistake of ours")
    await office.order("post the letter")

    await office.work()

    assert (office.started, office.given_up) == (["post the letter"], ["post the letter"])
    assert await office.rows() == [("failed", 1, True)]


async def test_an_order_that_cannot_even_be_given_up_comes_back(office: Office) -> None:
    office.ailment = ZeroDivisionError("a mistake of ours")
    office.ending_ailment = UnavailableError("Closed.")
    await office.order("post the letter")
    await office.sql("UPDATE procrastinate_jobs SET attempts = :tries", tries=Errand.most_tries + 3)

    await office.work()

    assert [row[0] for row in await office.rows()] == ["todo"]
    office.ending_ailment = None
    await office.sql("UPDATE procrastinate_jobs SET scheduled_at = now()")
    await office.work()
    assert office.given_up == ["post the letter"]


async def test_a_worker_that_is_told_to_stop_hands_its_order_on_at_once(busy: Office) -> None:
    await busy.stop()

    assert await busy.rows() == [("todo", 1, True)]
    busy.gate.set()
    await busy.work()
    assert busy.done == ["hanging"]
    assert busy.given_up == []


async def test_orders_come_back_by_the_clock_of_the_database(busy: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = clock.now() + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: ahead)

    await busy.stop()

    assert await busy.rows() == [("todo", 1, True)]


async def test_the_orders_of_a_dead_worker_go_back_to_the_queue_however_many_look_after_them(office: Office) -> None:
    for what in ("first", "second"):
        await office.order(what)
    await office.sql("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute')")
    await office.sql("UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers)")

    queues = [open_queue(office.url, long_orders_each=1) for _ in range(3)]
    for queue in queues:
        await queue.open_async()
    await asyncio.gather(*(office.rescue(queue) for queue in queues))
    for queue in queues:
        await queue.close_async()

    assert await office.rows() == [("todo", 1, True), ("todo", 1, True)]
    await office.work()
    assert sorted(office.done) == ["first", "second"]


async def test_the_orders_of_a_living_worker_stay_with_it(busy: Office) -> None:
    async with open_queue(busy.url, long_orders_each=1).open_async() as queue:
        await busy.rescue(queue)

    assert await busy.rows() == [("doing", 0, True)]


async def test_an_outage_costs_a_worker_neither_its_sign_of_life_nor_the_end_of_its_order(busy: Office, postgres: str) -> None:
    name = make_url(busy.url).database
    disconnect = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'".encode()
    asked = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND query LIKE %s".encode()
    with psycopg.connect(connection_string(postgres), autocommit=True) as operator:

        async def is_asked(for_what: str) -> bool:
            return operator.execute(asked, [f"%{for_what}%"]).fetchone() != (0,)

        operator.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())  # a standby answers
        operator.execute(disconnect)
        busy.gate.set()
        await until(lambda: is_asked("procrastinate_workers"))
        await until(lambda: is_asked("procrastinate_finish_job"))
        operator.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
        operator.execute(disconnect)
    await until(busy.is_empty)
    await until(busy.hears_of_the_worker)
    await busy.order("the next one")
    await until(busy.is_empty)

    assert busy.done == ["hanging", "the next one"]


@pytest.mark.parametrize("lost", ["procrastinate_finish_job_v1", "queue_take_in_turn"])
async def test_a_statement_that_the_database_refuses_ends_the_worker_and_its_order_comes_back(
    busy: Office, superuser: psycopg.Connection, lost: str
) -> None:
    superuser.execute(f"ALTER FUNCTION {lost} RENAME TO mislaid".encode())
    busy.gate.set()
    assert busy.worker is not None
    with pytest.raises(ConnectorException) as failure:
        await asyncio.wait_for(busy.worker, 30)
    busy.worker = None
    assert isinstance(failure.value.__cause__, UndefinedFunction)

    superuser.execute(f"ALTER FUNCTION mislaid RENAME TO {lost}".encode())
    await busy.order("the next one")
    async with open_queue(busy.url, long_orders_each=1).open_async() as queue:
        await busy.rescue(queue)
    await busy.work()
    assert await busy.is_empty()
    assert set(busy.done) == {"hanging", "the next one"}


async def test_a_worker_that_stood_still_until_it_was_forgotten_takes_orders_up_again(office: Office) -> None:
    await office.order("post the letter")
    async with open_queue(office.url, long_orders_each=1).open_async() as queue:
        worker_id = await queue.job_manager.register_worker()
        await queue.job_manager.prune_stalled_workers(-1)  # as another worker does when it begins

        assert await queue.job_manager.fetch_job([Lane.SHORT], worker_id) is None
        await queue.job_manager.update_heartbeat(worker_id)
        taken = await queue.job_manager.fetch_job([Lane.SHORT], worker_id)

    assert taken is not None


async def test_an_order_that_was_taken_up_when_an_outage_began_is_carried_out(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.order("post the letter")
    async with open_queue(office.url, long_orders_each=1).open_async() as queue:
        take = queue.connector.execute_query_one_async

        async def takes_without_hearing_of_it(**asked: Any) -> dict[str, Any]:
            await take(**asked)
            monkeypatch.undo()
            raise ConnectorException

        worker_id = await queue.job_manager.register_worker()
        monkeypatch.setattr(queue.connector, "execute_query_one_async", takes_without_hearing_of_it)
        taken = await queue.job_manager.fetch_job([Lane.SHORT], worker_id)
        assert taken is not None
        assert await office.rows() == [("doing", 0, True)]
        assert await queue.job_manager.fetch_job([Lane.SHORT], worker_id) is None


async def test_an_order_that_ends_while_a_worker_asks_what_it_took_is_not_carried_out_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.order("post the letter")
    async with open_queue(office.url, long_orders_each=1).open_async() as queue:
        worker_id = await queue.job_manager.register_worker()
        taken = await queue.job_manager.fetch_job([Lane.SHORT], worker_id)
        assert taken is not None
        find = queue.connector.execute_query_all_async

        async def is_away(**asked: Any) -> dict[str, Any]:
            raise ConnectorException

        async def finds_what_ends_meanwhile(**asked: Any) -> list[dict[str, Any]]:
            rows = await find(**asked)
            await queue.job_manager.finish_job(taken, Status.SUCCEEDED, delete_job=True)
            return rows

        monkeypatch.setattr(queue.connector, "execute_query_one_async", is_away)
        monkeypatch.setattr(queue.connector, "execute_query_all_async", finds_what_ends_meanwhile)
        assert await queue.job_manager.fetch_job([Lane.SHORT], worker_id) is None


async def test_a_worker_that_was_forgotten_while_it_stood_still_goes_on(busy: Office) -> None:
    await busy.sql("DELETE FROM procrastinate_workers")

    busy.gate.set()
    await busy.order("the next one")
    await until(lambda: busy.has_done("hanging", "the next one"))

    assert busy.done == ["hanging", "the next one"]


async def test_a_worker_that_lost_its_order_does_not_end_it_for_the_one_who_has_it(busy: Office) -> None:
    await busy.sql("UPDATE procrastinate_jobs SET attempts = attempts + 1")  # taken away, and taken up by another

    busy.gate.set()
    await busy.stop()

    assert busy.done == ["hanging"]
    assert await busy.rows() == [("doing", 1, True)]
