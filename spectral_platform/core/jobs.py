"""Work for later: typed orders that ride in the caller's transaction, and the queue that carries them.

A room declares an order as a ``Work`` class in its ``work.py`` and carries it out in its ``jobs.py`` under ``@job(ThatWork)``.
Commands import only the order, so a process that enqueues never imports the engine behind it. The queue is procrastinate; a job
row is plumbing, the room's own rows are the truth.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from procrastinate import App, PsycopgConnector
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.database import APPLICATION_ROLE, Database, connection_string
from spectral_platform.core.settings import Settings
from spectral_platform.core.values import Value

QUEUE = "spectral"


class Work(Value):
    """One order to carry out later in an account, or in one of its workspaces.

    Subclasses name their job and add typed arguments.
    """

    job: ClassVar[str]

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
    options = {"options": f"-c role={APPLICATION_ROLE}"}
    return App(connector=PsycopgConnector(conninfo=connection_string(url), kwargs=options))


_enqueuing = queue_app()


async def enqueue(session: AsyncSession, work: Work, *, at: datetime | None = None) -> None:
    """Add the order to the queue in the caller's transaction, to be carried out at once or at a time.

    It exists if and only if that transaction commits.
    """
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    order = _enqueuing.configure_task(work.job, queue=QUEUE, lock=work.lock, schedule_at=at, connection=raw.driver_connection)
    await order.defer_async(work=work.model_dump(mode="json"))
