"""What keeps an order from being taken up, and what does not: lanes, locks and the time at which it is due."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

import pytest
import structlog
from structlog.contextvars import bound_contextvars
from structlog.testing import capture_logs

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import JobContext, Lane, Work, enqueue, job, registry
from spectral_platform.core.settings import Settings
from spectral_platform.worker.runner import CONCURRENCY, run_worker
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain

pytestmark = pytest.mark.own_database


class Haul(Work):
    """Something long."""

    job: ClassVar[str] = "tests.haul"
    lane: ClassVar[Lane] = Lane.LONG


class Note(Work):
    """Something short; those with one lock follow each other."""

    job: ClassVar[str] = "tests.note"

    text: str
    desk: str | None = None

    @property
    def lock(self) -> str | None:
        return self.desk


@dataclass
class Yard:
    """What was done, and a gate that long orders wait for."""

    hauls: int = 0
    notes: list[str] = field(default_factory=list)
    noted: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def haul(self, context: JobContext, work: Haul) -> None:
        self.hauls += 1
        await self.gate.wait()

    async def note(self, context: JobContext, work: Note) -> None:
        self.notes.append(work.text)
        self.noted.set()
        structlog.get_logger(__name__).info("noted")


@pytest.fixture
def yard() -> Iterator[Yard]:
    made = Yard()
    job(Haul)(made.haul)
    job(Note)(made.note)
    yield made
    del registry[Haul.job], registry[Note.job]


@pytest.fixture
async def working(settings: Settings, database_url: str) -> AsyncIterator[asyncio.Task[None]]:
    """A worker as operators run it."""
    worker = asyncio.create_task(run_worker(settings, database_url))
    yield worker
    os.kill(os.getpid(), signal.SIGTERM)
    await worker


async def test_orders_that_take_hours_do_not_hold_up_those_that_take_seconds(
    yard: Yard, database: Database, owner: Person, working: asyncio.Task[None]
) -> None:
    async with database.transaction() as session:
        for _ in range(CONCURRENCY[Lane.LONG] + 1):
            await enqueue(session, Haul(account_id=owner.account_id))
        await enqueue(session, Note(account_id=owner.account_id, text="short"))

    async with asyncio.timeout(20):
        await yard.noted.wait()

    assert yard.notes == ["short"]
    yard.gate.set()


async def test_an_order_that_is_due_later_does_not_hold_up_those_behind_the_same_lock(
    yard: Yard, database: Database, owner: Person, work: Drain
) -> None:
    async with database.transaction() as session:
        for text, days in (("tomorrow", 1), ("now", 0), ("in a week", 7), ("yesterday", -1)):
            at = clock.now() + timedelta(days=days)
            await enqueue(session, Note(account_id=owner.account_id, text=text, desk="one"), at=at)

    await work()

    assert yard.notes == ["yesterday", "now"]


async def test_the_log_of_an_order_names_the_request_that_it_goes_back_to_and_whose_it_is(
    yard: Yard, database: Database, owner: Person, work: Drain
) -> None:
    order = Note(account_id=owner.account_id, workspace_id=owner.workspace_id, text="short")
    with bound_contextvars(request_id="the-request"):
        async with database.transaction() as session:
            await enqueue(session, order)

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await work()

    assert [line for line in lines if line["event"] == "noted"] == [
        {
            "event": "noted",
            "log_level": "info",
            "job": Note.job,
            "account_id": str(owner.account_id),
            "workspace_id": str(owner.workspace_id),
            "request_id": "the-request",
        }
    ]
