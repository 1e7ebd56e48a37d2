"""Work for later and news: typed orders that ride in the caller's transaction, and the queue that carries them.

A room declares an order as a ``Work`` class in its ``work.py`` and carries it out in its ``jobs.py`` under ``@job(ThatWork)``.
Commands import only the order, so a process that enqueues never imports the engine behind it. The queue is procrastinate; a job
row is plumbing, the room's own rows are the truth.

News goes the other way: a room says what has happened as a ``News`` class in its ``news.py``, and the worker's catalogue says
which rooms hear it. Work goes down the staircase by ``enqueue``, news goes up by ``publish``.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from procrastinate import App, PsycopgConnector
from pydantic import JsonValue
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.contextvars import get_contextvars

from spectral_platform.core import clock
from spectral_platform.core.database import Database, connecting, connection_string
from spectral_platform.core.settings import Settings
from spectral_platform.core.values import Value

WORKER_SILENCE_S = 30
"""A worker of which nothing was heard for longer is not well."""
_STATE = text(
    """
    SELECT (SELECT extract(epoch FROM clock_timestamp() - max(last_heartbeat))::float8 FROM procrastinate_workers),
           (SELECT extract(epoch FROM clock_timestamp() - min(e.at))::float8 FROM procrastinate_jobs j
            JOIN procrastinate_events e ON e.job_id = j.id AND e.type = 'deferred'
            WHERE j.status = 'todo' AND (j.scheduled_at IS NULL OR j.scheduled_at <= now()))
    """
)
PRIORITY_EPOCH = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


class Lane(StrEnum):
    """The queue that an order waits in: what may take hours has its own, so that it never holds up what takes seconds."""

    LONG = "spectral"
    SHORT = "spectral-short"


class Work(Value):
    """One order to carry out later in an account, or in one of its workspaces.

    Subclasses name their job and add typed arguments.
    """

    job: ClassVar[str]
    lane: ClassVar[Lane] = Lane.SHORT
    most_tries: ClassVar[int] = 8
    """How often it is taken up before a fault that may pass is its end; being handed from worker to worker counts too."""

    account_id: UUID
    workspace_id: UUID | None = None

    @property
    def lock(self) -> str | None:
        """Orders with the same lock never run at the same time."""
        return None


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job is given beside its order."""

    database: Database
    settings: Settings


W = TypeVar("W", bound=Work)
Handler = Callable[[JobContext, W], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Job(Generic[W]):
    """How an order is carried out, and what is done when the last try has failed."""

    work: type[W]
    run: Handler[W]
    on_failure: Handler[W] | None


registry: dict[str, Job[Any]] = {}


def job(work: type[W], *, on_failure: Handler[W] | None = None) -> Callable[[Handler[W]], Handler[W]]:
    """Register the function that carries out an order. ``on_failure`` runs after a fault that no further try can mend."""

    def register(function: Handler[W]) -> Handler[W]:
        registry[work.job] = Job(work, function, on_failure)
        return function

    return register


def queue_app(url: str | None = None) -> App:
    """The queue library's application; without a URL it can only enqueue on connections that it is handed."""
    if url is None:
        return App(connector=PsycopgConnector())
    return App(connector=PsycopgConnector(conninfo=connection_string(url), kwargs=connecting(url)))


_enqueuing = queue_app()


async def enqueue(session: AsyncSession, *works: Work, at: datetime | None = None) -> None:
    """Add orders to the queue in the caller's transaction and one statement, to be carried out at once or at a time.

    They exist if and only if that transaction commits. The one that is due first is taken up first, also among those that share a
    lock: in the order of arrival, one that is due tomorrow would hold up all that come after it.
    """
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    request_id = get_contextvars().get("request_id")
    orders = [
        _enqueuing.configure_task(
            work.job,
            queue=work.lane,
            lock=work.lock,
            priority=PRIORITY_EPOCH - int((at or clock.now()).timestamp()),
            schedule_at=at,
        ).make_new_job(work=work.model_dump(mode="json"), request_id=request_id)
        for work in works
    ]
    await _enqueuing.job_manager.batch_defer_jobs_async(orders, connection=raw.driver_connection)


class News(Value):
    """Something that has happened in a workspace. Subclasses name the event and add facts.

    Facts are ids, statuses and figures, never content: news may leave the server.
    """

    account_id: UUID
    workspace_id: UUID

    @property
    def event(self) -> str:
        """The event's name, as in ``scan.completed``."""
        raise NotImplementedError


class Heard(Work):
    """An order to take note of news. A room that listens names its job in a subclass; it may hear the same news twice."""

    event: str
    news_id: UUID
    happened_at: datetime
    facts: dict[str, JsonValue]


class Announce(Heard):
    """Tell the news to everybody who listens."""

    job: ClassVar[str] = "news.announce"


async def publish(session: AsyncSession, *news: News) -> None:
    """Say that something has happened, in the transaction in which it does; the worker tells those who listen."""
    told = [
        Announce(
            account_id=each.account_id,
            workspace_id=each.workspace_id,
            event=each.event,
            news_id=clock.new_id(),
            happened_at=clock.now(),
            facts=each.model_dump(mode="json", exclude={"account_id", "workspace_id"}),
        )
        for each in news
    ]
    await enqueue(session, *told)


class QueueState(NamedTuple):
    """Seconds since the last sign of a worker, and since the oldest job that could be taken up was added; None without."""

    silence_s: float | None
    waiting_s: float | None


async def queue_state(session: AsyncSession) -> QueueState:
    """How the queue stands now."""
    return QueueState(*(await session.execute(_STATE)).one())
