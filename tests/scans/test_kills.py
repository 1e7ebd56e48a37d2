"""A scan whose worker is killed again and again: it ends as if nothing had happened, and pays for little twice."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.worker.queue import open_queue
from spectral_platform.worker.schedule import WorkerContext, rescue_jobs
from tests.fixtures.callers import Person
from tests.fixtures.forks import working
from tests.fixtures.llm import ModelServer
from tests.scans.workspaces import Scannable, make_scannable_on_endpoint

pytestmark = [pytest.mark.own_database, pytest.mark.long]

CONCURRENCY = 8
KILLS = 25
PHASES_WITHOUT_CALLS = frozenset({"cluster", "diagnose", "safety"})
PATIENCE_S = 120
POLL_S = 0.01
SEED = 20_261_122


@pytest.fixture
def settings(model_server: ModelServer, database_url: str, tmp_path: Path) -> Settings:
    return model_server.settings(database_url, tmp_path, log_level="error", model_concurrency=CONCURRENCY)


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    return await make_scannable_on_endpoint(owner, database)


@dataclass(frozen=True)
class Standing:
    """How far a scan is."""

    is_over: bool
    stored: int
    phases: frozenset[str]


class Watched:
    """A scan as its own rows tell of it."""

    def __init__(self, scannable: Scannable, database: Database, scan_id: str) -> None:
        self.scannable = scannable
        self.database = database
        self.scan_id = scan_id

    async def sql(self, statement: str) -> Any:
        owner = self.scannable.owner
        async with self.database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            return (await session.execute(text(statement), {"id": self.scan_id})).one()

    async def standing(self) -> Standing:
        status, stored, phases = await self.sql(
            "SELECT status, (SELECT count(*) FROM model_calls WHERE scan_id = :id),"
            " array(SELECT subject FROM scan_events WHERE scan_id = :id AND type = 'phase_started') FROM scans WHERE id = :id"
        )
        assert status in {"scheduled", "running", "completed"}
        return Standing(status == "completed", stored, frozenset(phases))

    async def until(self, condition: Callable[[Standing], bool]) -> None:
        """Wait until the scan has come so far, or to its end."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                standing = await self.standing()
                if standing.is_over or condition(standing):
                    return
                await asyncio.sleep(POLL_S)

    async def findings(self) -> dict[str, Any]:
        """The verdict and what the search came to, without how long the endpoint took to answer."""
        report = await self.scannable.get(f"scans/{self.scan_id}/report")
        verdict = report["scan"]["verdict"]
        for arm in ("baseline_means", "finalist_means"):
            del verdict["statistics"][arm]["latency_ms"]
        candidates = [{name: each[name] for name in ("key", "fate", "fate_detail")} for each in report["candidates"]]
        return {"verdict": verdict, "candidates": candidates}


async def lose_its_worker(database: Database, settings: Settings, url: str) -> None:
    """Let the time pass after which a worker that says nothing counts as dead, and let somebody notice."""
    async with database.transaction() as session:
        await session.execute(text("UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '1 hour'"))
    async with open_queue(url, long_orders_each=1).open_async() as queue:
        await rescue_jobs(WorkerContext(database=database, settings=settings, queue=queue))


async def test_a_worker_killed_twenty_five_times_costs_no_stored_call_and_changes_no_verdict(
    scannable: Scannable, settings: Settings, database: Database, database_url: str, model_server: ModelServer
) -> None:
    async def start() -> Watched:
        searches = {"strategies": ["reflective", "gepa"], "max_candidates": 3}
        started = await scannable.start(seed=1, **searches, budget={"max_model_calls": 6_000})
        return Watched(scannable, database, started["scan_id"])

    undisturbed = await start()
    with working(settings, database_url):
        await undisturbed.until(lambda standing: False)
    await lose_its_worker(database, settings, database_url)
    calls = (await undisturbed.standing()).stored
    assert model_server.received == calls
    model_server.bodies.clear()
    model_server.received = 0

    scan, draw, kills = await start(), random.Random(SEED), 0
    seen: frozenset[str] = frozenset()
    while not (standing := await scan.standing()).is_over:
        seen |= standing.phases
        ahead = (calls - standing.stored) // max(1, KILLS - kills)
        mark = standing.stored + draw.randint(1, max(1, ahead))
        is_time = partial(has_come, mark=mark if kills < KILLS else calls + 1, seen=seen)
        with working(settings, database_url) as worker:
            await scan.until(is_time)
            worker.kill()
            worker.join()
        kills += not (await scan.standing()).is_over
        await lose_its_worker(database, settings, database_url)

    stored = (await scan.standing()).stored
    bodies = Counter(json.dumps(body, sort_keys=True) for body in model_server.bodies)
    assert kills >= KILLS
    assert await scan.findings() == await undisturbed.findings()
    assert stored == len(bodies) == calls
    assert model_server.received - stored <= kills * CONCURRENCY
    attempt, reserved, spent = await scan.sql(
        "SELECT s.attempt, b.reserved_calls, b.spent_calls FROM scans s JOIN scan_budgets b ON b.scan_id = s.id WHERE s.id = :id"
    )
    assert (attempt, reserved) == (kills + 1, 0)
    assert model_server.received <= spent <= stored + kills * CONCURRENCY


def has_come(standing: Standing, *, mark: int, seen: frozenset[str]) -> bool:
    """Whether so many calls are stored, or a phase has begun that may make none."""
    return standing.stored >= mark or bool((standing.phases - seen) & PHASES_WITHOUT_CALLS)
