"""Whose long order is taken up next, where several workspaces have some and several workers take them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import ClassVar
from uuid import UUID

import pytest
from procrastinate import App
from procrastinate.jobs import Job, Status

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import Lane, Work, enqueue
from spectral_platform.worker.queue import open_queue

pytestmark = pytest.mark.own_database
ACCOUNT = clock.new_id()
MOST_EACH = 3


class Haul(Work):
    """Something long."""

    job: ClassVar[str] = "tests.haul"
    lane: ClassVar[Lane] = Lane.LONG

    desk: str | None = None

    @property
    def lock(self) -> str | None:
        return self.desk


@pytest.fixture
async def workers(database_url: str) -> AsyncIterator[list[App]]:
    """The queue as five worker processes see it, on connections of their own."""
    queues = [open_queue(database_url, long_orders_each=MOST_EACH) for _ in range(5)]
    for queue in queues:
        await queue.open_async()
    yield queues
    for queue in queues:
        await queue.close_async()


async def order(database: Database, workspace_id: UUID | None, count: int = 1, *, desk: str | None = None) -> None:
    async with database.transaction() as session:
        for _ in range(count):
            await enqueue(session, Haul(account_id=ACCOUNT, workspace_id=workspace_id, desk=desk))


async def take(queue: App) -> Job | None:
    worker_id = await queue.job_manager.register_worker()
    return await queue.job_manager.fetch_job([Lane.LONG], worker_id)


def owner(job: Job | None) -> UUID | None:
    if job is None:
        return None
    work = Haul.model_validate(job.task_kwargs["work"])
    return work.workspace_id or work.account_id


async def end(queue: App, job: Job | None) -> None:
    assert job is not None
    await queue.job_manager.finish_job(job, Status.SUCCEEDED, delete_job=True)


async def test_one_order_does_not_wait_for_the_fifty_that_were_there_before(database: Database, workers: list[App]) -> None:
    many, one = clock.new_id(), clock.new_id()
    await order(database, many, 50)
    first = await take(workers[0])
    await order(database, one)

    second = await take(workers[1])

    assert (owner(first), owner(second)) == (many, one)


async def test_one_place_goes_round(database: Database, workers: list[App]) -> None:
    tenants = [clock.new_id() for _ in range(3)]
    for tenant in tenants:
        await order(database, tenant, 3)

    served = []
    for _ in range(9):
        job = await take(workers[0])
        served.append(owner(job))
        await end(workers[0], job)

    assert served == tenants * 3
    assert await take(workers[0]) is None


async def test_a_workspace_runs_no_more_than_its_share_however_many_take_at_once(database: Database, workers: list[App]) -> None:
    many, few = clock.new_id(), clock.new_id()
    await order(database, many, 20)
    await order(database, few, 2)

    jobs = await asyncio.gather(*(take(workers[number % 5]) for number in range(20)))

    assert Counter(map(owner, jobs)) == {many: MOST_EACH, few: 2, None: 15}
    running = [job for job in jobs if job is not None]
    assert len({job.id for job in running}) == 5
    await end(workers[0], next(job for job in running if owner(job) == many))
    assert [owner(await take(queue)) for queue in workers[:2]] == [many, None]


async def test_orders_of_an_account_have_their_turn_too(database: Database, workers: list[App]) -> None:
    workspace = clock.new_id()
    await order(database, workspace, 2)
    await order(database, None)

    assert [owner(await take(queue)) for queue in workers[:4]] == [workspace, ACCOUNT, workspace, None]


async def test_orders_with_one_lock_follow_each_other(database: Database, workers: list[App]) -> None:
    workspace = clock.new_id()
    await order(database, workspace, 2, desk="scan")

    first = await take(workers[0])
    assert await take(workers[1]) is None
    await end(workers[0], first)

    assert owner(await take(workers[1])) == workspace
