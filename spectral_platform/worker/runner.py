"""Runs the queue's workers: validates each order, binds log context, tells faults that a retry may mend from others.

A process has one worker for each lane, so that orders that take hours take no place from those that take seconds.
"""

import asyncio
import logging
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from procrastinate import App
from procrastinate import JobContext as QueueContext
from prometheus_client import start_http_server
from structlog.contextvars import bound_contextvars
from threadpoolctl import threadpool_limits

from spectral_platform.core.database import Database
from spectral_platform.core.jobs import Job, JobContext, Lane, Work
from spectral_platform.core.metrics import JOBS, REGISTRY, measure_pool
from spectral_platform.core.settings import Settings
from spectral_platform.worker.catalogue import list_jobs
from spectral_platform.worker.queue import MENDABLE, FairJobs, Persistence, Unended, is_last_try, open_queue
from spectral_platform.worker.schedule import DEAD_AFTER, SCHEDULE, Periodic, WorkerContext

logger = structlog.get_logger(__name__)
logging.getLogger("procrastinate.worker").setLevel(logging.CRITICAL)  # it tells of orders with all that is in them

CONCURRENCY = {Lane.LONG: 4, Lane.SHORT: 32}
HEARTBEAT_S = 2.0
POLL_S = 1.0
GRACE_S = 5.0
"""How long running orders may go on when the process is told to stop; then they are handed on to the next worker."""
FOREVER_S = 86_400.0


async def run_worker(settings: Settings, url: str, *, until_idle: bool = False) -> None:
    """Carry out jobs until the process is told to stop, or, with ``until_idle``, until the queue is empty."""
    database = Database(url, pool_size=settings.database_pool_size)
    app = open_queue(url, long_orders_each=settings.scans_per_workspace)
    context = WorkerContext(database=database, settings=settings, queue=app)
    for known in list_jobs():
        _register(app, known, context)
    # Matrices here are small: threads of linear algebra wait for each other longer than they work, on everybody's processors.
    with threadpool_limits(limits=1, user_api="blas"):
        try:
            async with app.open_async():
                if until_idle:
                    # One after the other, because an order may give rise to the next, or hold the lock that the next one needs.
                    await _work(app, list(Lane), 1, until_idle=True)
                else:
                    with _told_to_prometheus(context):
                        await _work_until_told(context)
        finally:
            await database.close()


@contextmanager
def _told_to_prometheus(context: JobContext) -> Iterator[None]:
    """Answer at a port of the worker's own, if the operator wants it to: a worker has no other way in."""
    settings = context.settings
    if not settings.metrics or settings.worker_metrics_port is None:
        yield
        return
    measure_pool(context.database)
    server, thread = start_http_server(settings.worker_metrics_port, settings.host, registry=REGISTRY)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def _work_until_told(context: WorkerContext) -> None:
    """Work in every lane, and do what is done regularly, until a signal or a fault ends it all."""
    tasks: list[asyncio.Task[Any]] = [
        asyncio.create_task(_work(context.queue, [lane], places)) for lane, places in CONCURRENCY.items()
    ]
    tasks += [asyncio.create_task(_repeat(context, periodic)) for periodic in SCHEDULE]
    manager = context.queue.job_manager
    assert isinstance(manager, FairJobs)
    tasks.append(asyncio.create_task(manager.fault()))
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, told.set)
    tasks.append(asyncio.create_task(told.wait()))
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        manager.is_ending = True
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        await task


async def _work(app: App, lanes: Sequence[Lane], places: int, *, until_idle: bool = False) -> None:
    await app.run_worker_async(
        queues=[str(lane) for lane in lanes],
        concurrency=places,
        wait=not until_idle,
        fetch_job_polling_interval=POLL_S,
        shutdown_graceful_timeout=FOREVER_S if until_idle else GRACE_S,
        update_heartbeat_interval=HEARTBEAT_S,
        stalled_worker_timeout=DEAD_AFTER.total_seconds(),
        install_signal_handlers=False,
        delete_jobs="successful",
    )


def _register(app: App, known: Job[Any], context: JobContext) -> None:
    async def carry_out(queue: QueueContext, work: dict[str, Any], request_id: str | None = None) -> None:
        order: Work = known.work.model_validate(work)
        with bound_contextvars(**_log_context(order, request_id)), _measured(order.job):
            try:
                await known.run(context, order)
            except Exception as error:
                if isinstance(error, MENDABLE) and not is_last_try(queue.job, order.most_tries):
                    logger.warning("job_comes_back", exc_info=error)
                    raise
                logger.exception("job_failed")
                await _give_up(context, known, order)
                raise

    app.task(name=known.work.job, queue=known.work.lane, pass_context=True, retry=Persistence(known.work.most_tries))(carry_out)


@contextmanager
def _measured(job: str) -> Iterator[None]:
    outcome, started = "failed", time.perf_counter()
    try:
        yield
        outcome = "succeeded"
    except asyncio.CancelledError:
        outcome = "interrupted"
        raise
    finally:
        JOBS.labels(job, outcome).observe(time.perf_counter() - started)


def _log_context(order: Work, request_id: str | None) -> dict[str, str]:
    """What every log line of an order says: whose it is, and which request it goes back to."""
    context = {"job": order.job, "account_id": order.account_id, "workspace_id": order.workspace_id, "request_id": request_id}
    return {name: str(value) for name, value in context.items() if value is not None}


async def _give_up(context: JobContext, known: Job[Any], order: Work) -> None:
    if known.on_failure is None:
        return
    try:
        await known.on_failure(context, order)
    except MENDABLE as fault:
        raise Unended from fault


async def _repeat(context: WorkerContext, periodic: Periodic) -> None:
    while True:
        try:
            await periodic.run(context)
        except MENDABLE as fault:
            logger.warning("periodic_failed", work=periodic.run.__name__, exc_info=fault)
        await asyncio.sleep(periodic.every.total_seconds())
