"""Everything that the worker does regularly, with its interval."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from procrastinate import App

from spectral_platform.core import clock
from spectral_platform.core.jobs import JobContext
from spectral_platform.idempotency.commands import prune_kept_answers
from spectral_platform.portability.commands import erase_deleted, expire_traces
from spectral_platform.ratelimits.commands import prune_rate_windows
from spectral_platform.scans.schedules.dispatching import dispatch_schedules, forget_runs
from spectral_platform.traces.commands import fold_counts, index_words, prune_erased
from spectral_platform.traces.partitions import make_partitions
from spectral_platform.webhooks.commands import prune_deliveries
from spectral_platform.worker.queue import FairJobs

DEAD_AFTER = timedelta(seconds=8)
KEEP_FINISHED_HOURS = 24


@dataclass(frozen=True, slots=True)
class WorkerContext(JobContext):
    """What regular work is given: what jobs are given, and the queue itself."""

    queue: App


@dataclass(frozen=True, slots=True)
class Periodic:
    """Something to do again and again."""

    every: timedelta
    run: Callable[[WorkerContext], Awaitable[None]]


async def rescue_jobs(context: WorkerContext) -> None:
    """Give the jobs of workers that died back to the queue."""
    stalled = await context.queue.job_manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER.total_seconds())
    for job in stalled:
        await context.queue.job_manager.retry_job(job, retry_at=clock.now())


async def prune_jobs(context: WorkerContext) -> None:
    """Forget jobs that ended long ago; the rooms' own rows are the record."""
    await context.queue.job_manager.delete_old_jobs(
        nb_hours=KEEP_FINISHED_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
    )
    if isinstance(context.queue.job_manager, FairJobs):
        await context.queue.job_manager.forget_turns()


async def forget_answers(context: WorkerContext) -> None:
    """Forget answers that are not replayed any more, and windows of rate limits that are over."""
    async with context.database.transaction() as session:
        await prune_kept_answers(session)
        await prune_rate_windows(session)


async def forget_erased_traces(context: WorkerContext) -> None:
    """Forget which traces were erased so long ago that nothing of them is under way any more."""
    async with context.database.transaction() as session:
        await prune_erased(session)


async def forget_deliveries(context: WorkerContext) -> None:
    """Forget what webhooks were told long ago, also where nothing has happened since."""
    are_more = True
    while are_more:
        async with context.database.transaction() as session:
            are_more = await prune_deliveries(session)


async def prepare_partitions(context: WorkerContext) -> None:
    """Have a partition ready for the spans of every one of the next days."""
    await make_partitions(context.database)


async def add_up_counts(context: WorkerContext) -> None:
    """Keep what was counted of ingestion long ago by the hour, and then by the day."""
    are_more = True
    while are_more:
        async with context.database.transaction() as session:
            are_more = await fold_counts(session)


async def index_traces(context: JobContext) -> None:
    """Make what traces say searchable, some seconds after it was stored."""
    are_more = True
    while are_more:
        async with context.database.transaction() as session:
            are_more = await index_words(session)


SCHEDULE = (
    Periodic(every=timedelta(seconds=2), run=rescue_jobs),
    Periodic(every=timedelta(seconds=2), run=index_traces),
    Periodic(every=timedelta(seconds=2), run=dispatch_schedules),
    Periodic(every=timedelta(hours=1), run=forget_runs),
    Periodic(every=timedelta(hours=1), run=prune_jobs),
    Periodic(every=timedelta(hours=1), run=forget_answers),
    Periodic(every=timedelta(hours=1), run=forget_deliveries),
    Periodic(every=timedelta(hours=1), run=add_up_counts),
    Periodic(every=timedelta(minutes=1), run=erase_deleted),
    Periodic(every=timedelta(hours=1), run=forget_erased_traces),
    Periodic(every=timedelta(hours=1), run=prepare_partitions),
    Periodic(every=timedelta(hours=1), run=expire_traces),
)
