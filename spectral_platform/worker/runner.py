"""Runs the queue's worker: validates each order, binds log context, tells faults that a retry may mend from others."""

import asyncio
from typing import Any

import structlog
from procrastinate import App
from procrastinate import JobContext as QueueContext
from structlog.contextvars import bound_contextvars

from spectral_platform.core.database import Database
from spectral_platform.core.jobs import QUEUE, Job, JobContext, Work
from spectral_platform.core.settings import Settings
from spectral_platform.worker.catalogue import list_jobs
from spectral_platform.worker.queue import MENDABLE, Persistence, Unended, is_last_try, open_queue
from spectral_platform.worker.schedule import DEAD_AFTER, SCHEDULE, Periodic

logger = structlog.get_logger(__name__)

CONCURRENCY = 4
HEARTBEAT_S = 2.0
POLL_S = 1.0
GRACE_S = 5.0
"""How long running orders may go on when the process is told to stop; then they are handed on to the next worker."""
FOREVER_S = 86_400.0


async def run_worker(settings: Settings, url: str, *, until_idle: bool = False) -> None:
    """Carry out jobs until the process is told to stop, or, with ``until_idle``, until the queue is empty."""
    database = Database(url, pool_size=settings.database_pool_size)
    app = open_queue(url)
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
        with bound_contextvars(job=known.work.job, workspace_id=str(order.workspace_id or "")):
            try:
                await known.run(context, order)
            except Exception as error:
                if isinstance(error, MENDABLE) and not is_last_try(queue.job):
                    raise
                logger.exception("job_failed")
                await _give_up(context, known, order)
                raise

    app.task(name=known.work.job, queue=QUEUE, pass_context=True, retry=Persistence())(carry_out)


async def _give_up(context: JobContext, known: Job[Any], order: Work) -> None:
    if known.on_failure is None:
        return
    try:
        await known.on_failure(context, order)
    except MENDABLE as fault:
        raise Unended from fault


async def _repeat(app: App, periodic: Periodic) -> None:
    while True:
        try:
            await periodic.run(app)
        except MENDABLE as fault:
            logger.warning("periodic_failed", work=periodic.run.__name__, exc_info=fault)
        await asyncio.sleep(periodic.every.total_seconds())
