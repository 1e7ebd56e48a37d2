"""The queue as workers use it: an order belongs to the try that took it up, and comes back until it has found an end."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from procrastinate import App, BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager, NotificationCallback
from psycopg import DataError, NotSupportedError, ProgrammingError
from psycopg import Error as DriverError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from spectral_platform.core import clock
from spectral_platform.core.errors import UnavailableError
from spectral_platform.core.jobs import Lane, queue_app

logger = structlog.get_logger(__name__)
T = TypeVar("T")

LONGEST_WAIT_S = 60
MENDABLE = (UnavailableError, DBAPIError, DriverError, PoolTimeout, ConnectorException)
"""Faults that may be gone on the next try."""
BROKEN = (DataError, NotSupportedError, ProgrammingError)
"""What the database says of a statement that it would refuse on every other day too.

Not that it does not go with other rows, for those change: a worker that stood still is known again from its next sign of life.
"""

_OWN = """
WITH own AS (
    SELECT id FROM procrastinate_jobs WHERE id = %(job_id)s AND attempts = %(attempts)s AND status = 'doing' FOR UPDATE
)
"""
_FINISH = f"{_OWN} SELECT procrastinate_finish_job_v1(id, %(status)s, %(delete_job)s) FROM own"
_RETRY = f"{_OWN} SELECT procrastinate_retry_job_v2(id, now() + %(wait)s, NULL, NULL, NULL) FROM own"
_TAKE_IN_TURN = "SELECT * FROM queue_take_in_turn(%(lane)s, %(worker_id)s, %(most)s)"
_BEAT = """
INSERT INTO procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE VALUES (%(worker_id)s, now())
ON CONFLICT (id) DO UPDATE SET last_heartbeat = excluded.last_heartbeat
"""
"""Another worker may have forgotten one that stood still, which could take up nothing then."""
_TAKEN = "SELECT * FROM procrastinate_jobs WHERE worker_id = %(worker_id)s AND status = 'doing' ORDER BY id"
AGAIN_S = 1.0
KEEP_TURNS_HOURS = 24
_FORGET_TURNS = "DELETE FROM queue_turns WHERE taken_at < now() - make_interval(hours => %(hours)s)"


class Unended(Exception):
    """An order failed for good, and so did the attempt to say so; it has to come back."""


class FairJobs(JobManager):
    """Takes long orders in turn, and moves an order only for the try that holds it.

    Whoever runs the fewest of them comes first, then whoever was served longest ago: many orders of one workspace take no place
    from another one's only order. The database decides that for all workers together, one after the other.

    A worker that was thought dead, and whose order another one has taken up, would else end the order for that one too: should
    the other die then, nobody would take the order up again.

    An outage of the database is sat out, until the worker ``is_ending``. The library lets go at the first fault: of the sign of
    life, so that a worker's orders are taken from it for ever after, and of an order's end, so that a living worker holds it
    for good. A statement that is ``BROKEN`` is no outage: it fails, and so does who waits for ``fault``, who ends the worker, so
    that its orders find another one.
    """

    def __init__(self, app: App, *, long_orders_each: int) -> None:
        super().__init__(app.connector)
        self._long_orders_each = long_orders_each
        self._held: set[tuple[int | None, int]] = set()
        self._faults: asyncio.Queue[ConnectorException] = asyncio.Queue()
        self.is_ending = False

    async def _sit_out(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask()
            except ConnectorException as fault:
                self._expect_outage(fault)
                if self.is_ending:
                    raise
                logger.warning("queue_out_of_reach", exc_info=fault)
                await asyncio.sleep(AGAIN_S)

    async def fault(self) -> None:
        """Raise what the database has against a statement of the queue, as soon as it has."""
        raise await self._faults.get()

    def _expect_outage(self, fault: ConnectorException) -> None:
        """Raise a fault that no waiting mends."""
        if isinstance(fault.__cause__, BROKEN):
            self._faults.put_nowait(fault)
            raise fault

    async def update_heartbeat(self, worker_id: int) -> None:
        """Give a sign of life."""
        await self._sit_out(lambda: self.connector.execute_query_async(query=_BEAT, worker_id=worker_id))

    async def listen_for_jobs(self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None) -> None:
        """Hear of new orders."""
        hear = super().listen_for_jobs
        await self._sit_out(lambda: hear(on_notification=on_notification, queues=queues))

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """The next order of these lanes; a workspace that runs as many long ones as it may has to wait."""
        try:
            job = await self._fetch(queues, worker_id)
        except ConnectorException as fault:
            self._expect_outage(fault)
            job = await self._sit_out(lambda: self._find_taken(worker_id))
        if job is not None:
            self._held.add((job.id, job.attempts))
        return job

    async def _find_taken(self, worker_id: int) -> Job | None:
        """An order that the worker took when the outage began and never heard of: while it lives, nobody else takes that up.

        A worker takes up one after the other, so that it is none of those that it held before: they may end while it asks.
        """
        held = self._held.copy()
        rows = await self.connector.execute_query_all_async(query=_TAKEN, worker_id=worker_id)
        return next((Job.from_row(row) for row in rows if (row["id"], row["attempts"]) not in held), None)

    async def _fetch(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        if queues is None or list(queues) != [Lane.LONG]:
            return await super().fetch_job(queues, worker_id)
        row = await self.connector.execute_query_one_async(
            query=_TAKE_IN_TURN, lane=Lane.LONG.value, worker_id=worker_id, most=self._long_orders_each
        )
        return None if row["id"] is None else Job.from_row(row)

    async def forget_turns(self) -> None:
        """Forget whose turn it was so long ago that it tells nothing any more."""
        await self.connector.execute_query_async(query=_FORGET_TURNS, hours=KEEP_TURNS_HOURS)

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """End the order, unless another try has it."""
        await self._sit_out(
            lambda: self.connector.execute_query_async(
                query=_FINISH, job_id=job.id, attempts=job.attempts, status=status.value, delete_job=delete_job
            )
        )
        self._held.discard((job.id, job.attempts))

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Give the order back to the queue, unless another try has it. Priority, queue and lock stay as they are.

        It waits by the database's clock, by which orders are taken up: that of this host may be an hour ahead.
        """
        wait = retry_at - clock.now() if retry_at is not None else timedelta(0)
        await self._sit_out(
            lambda: self.connector.execute_query_async(query=_RETRY, job_id=job.id, attempts=job.attempts, wait=wait)
        )
        self._held.discard((job.id, job.attempts))


class Persistence(BaseRetryStrategy):
    """When an order comes back: at once from a worker that stops, later after a fault that may pass, else never."""

    def __init__(self, tries: int) -> None:
        self._tries = tries

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """Whether and when the order is tried again."""
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_at=clock.now())
        if isinstance(exception, Unended) or (isinstance(exception, MENDABLE) and not is_last_try(job, self._tries)):
            return RetryDecision(retry_in={"seconds": min(LONGEST_WAIT_S, 2 ** (job.attempts + 1))})
        return None


def is_last_try(job: Job, tries: int) -> bool:
    """Whether a fault that may pass is the end of the order all the same."""
    return job.attempts + 1 >= tries


def open_queue(url: str, *, long_orders_each: int) -> App:
    """The queue of a database, where each workspace runs so many long orders at once; it has to be opened before use."""
    app = queue_app(url)
    app.job_manager = FairJobs(app, long_orders_each=long_orders_each)
    return app
