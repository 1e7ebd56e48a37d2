"""Runs the queue's worker: validates each order, binds log context, tells faults that a retry may mend from others."""

import asyncio
import contextlib
from typing import Any

import structlog
from procrastinate import App, RetryStrategy
from procrastinate import JobContext as QueueContext
from psycopg import OperationalError as DriverError
from sqlalchemy.exc import DBAPIError
from structlog.contextvars import bound_contextvars

from spectral_platform.core.database import Database
from spectral_platform.core.errors import UnavailableError
from spectral_platform.core.jobs import QUEUE, Job, JobContext, Work, queue_app
from spectral_platform.core.settings import Settings
from spectral_platform.worker.catalogue import list_jobs
from spectral_platform.worker.schedule import DEAD_AFTER, SCHEDULE, Periodic

logger = structlog.get_logger(__name__)

CONCURRENCY = 4
HEARTBEAT_S = 2.0
POLL_S = 1.0
TRIES = 5
GRACE_S = 10.0
FOREVER_S = 86_400.0
MENDABLE = (UnavailableError, DBAPIError, DriverError)


async def run_worker(settings: Settings, url: str, *, until_idle: bool = False) -> None:
    """Carry out jobs until the process is told to stop, or, with ``until_idle``, until the queue is empty."""
    database = Database(url, pool_size=settings.database_pool_size)
    app = queue_app(url)
    context = JobContext(database=database, settings=settings)
    for known in list_jobs():
        _register(app, known, context)
    try:
        async with app.open_async():
            regular = [] if until_idle else [asyncio.create_task(_repeat(app, periodic)) for periodic in SCHEDULE]
            try:
                await app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=CONCURRENCY,
                    wait=not until_idle,
                    fetch_job_polling_interval=POLL_S,
                    shutdown_graceful_timeout=FOREVER_S if until_idle else GRACE_S,
                    update_heartbeat_interval=HEARTBEAT_S,
                    stalled_worker_timeout=DEAD_AFTER.total_seconds(),
                    install_signal_handlers=not until_idle,
                    delete_jobs="successful",
                )
            finally:
                for task in regular:
                    task.cancel()
                await asyncio.gather(*regular, return_exceptions=True)
    finally:
        await database.close()


def _register(app: App, known: Job[Any], context: JobContext) -> None:
    async def carry_out(queue: QueueContext, work: dict[str, Any]) -> None:
        order: Work = known.work.model_validate(work)
        with bound_contextvars(job=known.work.job, workspace_id=str(order.workspace_id)):
            try:
                await known.run(context, order)
            except MENDABLE:
                if queue.job.attempts + 1 >= TRIES and known.on_failure is not None:
                    await known.on_failure(context, order)
                raise
            except Exception:
                logger.exception("job_failed")
                if known.on_failure is not None:
                    await known.on_failure(context, order)
                raise

    retry = RetryStrategy(max_attempts=TRIES, exponential_wait=2, retry_exceptions=list(MENDABLE))
    app.task(name=known.work.job, queue=QUEUE, pass_context=True, retry=retry)(carry_out)


async def _repeat(app: App, periodic: Periodic) -> None:
    while True:
        with contextlib.suppress(*MENDABLE):
            await periodic.run(app)
        await asyncio.sleep(periodic.every.total_seconds())
