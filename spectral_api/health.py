"""Whether the server can do its work."""

from enum import StrEnum
from importlib.metadata import version

from fastapi import Request, Response
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from spectral_api.problems import problems
from spectral_api.routing import Router
from spectral_api.schemas import Output
from spectral_platform.core import schema
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import WORKER_SILENCE_S, queue_state
from spectral_platform.traces.space import Space

QUEUE_WAIT_S = 300

VERSION = version("spectral-api")

router = Router(tags=["Health"])


class CheckStatus(StrEnum):
    """How one part is doing."""

    OK = "ok"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


class Check(Output):
    """One part of the server."""

    status: CheckStatus = Field(description="How it is doing.")
    detail: str = Field(description="What was seen.")


class Checks(Output):
    """The parts that are looked at."""

    database: Check = Field(description="Postgres answers.")
    migrations: Check = Field(description="The database has the schema that this version needs.")
    worker: Check = Field(description="A worker process is alive.")
    queue: Check = Field(description="Jobs do not wait long.")
    storage: Check = Field(description="There is room for more spans; without it they are refused, and everything else works.")


class Health(Output):
    """The server's health."""

    status: CheckStatus = Field(description="The worst that matters: without a worker the server is degraded, not unavailable.")
    version: str = Field(description="Version of the server.", examples=["0.1.0"])
    checks: Checks = Field(description="Part by part.")


async def examine(database: Database, space: Space) -> Checks:
    """Look at every part."""
    storage = Check(status=CheckStatus.DEGRADED if space.is_full else CheckStatus.OK, detail=space.detail)
    unknown = Check(status=CheckStatus.UNAVAILABLE, detail="not looked at: the database does not answer")
    try:
        async with database.transaction() as session:
            current, head = await schema.current(session), schema.head()
            migrations = (
                Check(status=CheckStatus.OK, detail=f"at {head}")
                if current == head
                else Check(status=CheckStatus.UNAVAILABLE, detail=f"at {current}, needs {head}: run spectral migrate")
            )
            up = Check(status=CheckStatus.OK, detail="answers")
            if current is None:
                return Checks(database=up, migrations=migrations, worker=unknown, queue=unknown, storage=storage)
            silence, waiting = await queue_state(session)
    except (SQLAlchemyError, OSError):
        down = Check(status=CheckStatus.UNAVAILABLE, detail="does not answer")
        return Checks(database=down, migrations=unknown, worker=unknown, queue=unknown, storage=storage)
    return Checks(
        database=up,
        migrations=migrations,
        worker=_judge(silence, WORKER_SILENCE_S, never="no worker has started", detail="last heartbeat {:.0f} s ago"),
        queue=_judge(waiting or 0, QUEUE_WAIT_S, never="", detail="oldest job has waited {:.0f} s"),
        storage=storage,
    )


def _judge(seconds: float | None, limit: int, *, never: str, detail: str) -> Check:
    if seconds is None:
        return Check(status=CheckStatus.DEGRADED, detail=never)
    status = CheckStatus.OK if seconds <= limit else CheckStatus.DEGRADED
    return Check(status=status, detail=detail.format(seconds))


@router.get(
    "/api/v1/health",
    summary="Server health",
    responses={
        **problems(),
        503: {"model": Health, "description": "The database does not answer or lacks the schema."},
    },
)
@router.get("/api/health", include_in_schema=False)
async def get_health(request: Request, response: Response) -> Health:
    """Tell whether the server can do its work.

    `ok` and `degraded` answer 200, `unavailable` answers 503. Without a living worker the server is `degraded`: it takes traces
    and requests, and scans wait.
    """
    checks = await examine(request.app.state.database, request.app.state.space)
    states = [check.status for _, check in checks]
    if CheckStatus.UNAVAILABLE in states:
        status = CheckStatus.UNAVAILABLE
        response.status_code = 503
    else:
        status = CheckStatus.DEGRADED if CheckStatus.DEGRADED in states else CheckStatus.OK
    return Health(status=status, version=VERSION, checks=checks)
