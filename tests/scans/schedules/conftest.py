"""A workspace with schedules, and the clock's work on them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import JobContext
from spectral_platform.core.settings import Settings
from spectral_platform.scans.schedules.dispatching import order_runs, settle_slas, take_due
from spectral_platform.scans.schedules.jobs import start_run
from spectral_platform.scans.schedules.work import StartRun
from tests.fixtures.callers import Person
from tests.scans.workspaces import Scannable, make_scannable

Json = dict[str, Any]
DAILY = "0 0 * * *"


@dataclass
class Schedules:
    """The schedules of a person's workspace."""

    owner: Person
    database: Database
    settings: Settings

    @property
    def path(self) -> str:
        """Where they are."""
        return f"{self.owner.w}/scans/schedules"

    async def create(self, **body: Any) -> Json:
        """A schedule that is due at midnight; the answer holds its token."""
        answer = await self.owner.client.post(self.path, json={"name": "Nightly", "cron": DAILY} | body)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def get(self, schedule: Json, below: str = "") -> Json:
        """The schedule, or something of it, as it is now."""
        answer = await self.owner.client.get(f"{self.path}/{schedule['id']}{below}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def runs(self, schedule: Json) -> list[Json]:
        """What came of it so far, oldest first."""
        return list(reversed((await self.get(schedule, "/runs"))["results"]))

    async def orders(self, run: Json) -> int:
        """How many orders to start the run were given."""
        async with self.transaction() as session:
            counted = "SELECT count(*) FROM procrastinate_jobs WHERE args->'work'->>'run_id' = :id"
            return int(await session.scalar(text(counted), {"id": run["id"]}) or 0)

    async def change(self, schedule: Json, **changes: Any) -> Json:
        """Change it."""
        answer = await self.owner.client.patch(f"{self.path}/{schedule['id']}", json=changes)
        assert answer.status_code == 200, answer.text
        changed: Json = answer.json()
        return changed

    async def trigger(self, schedule: Json, **body: Any) -> httpx.Response:
        """Trigger it by hand."""
        return await self.owner.client.post(f"{self.path}/{schedule['id']}/trigger", json=body)

    async def set(self, table: str, id: Any, **values: datetime | None) -> None:
        """Move times of a row, as if time had passed."""
        named = ", ".join(f"{column} = :{column}" for column in values)
        async with self.transaction() as session:
            await session.execute(text(f"UPDATE {table} SET {named} WHERE id = :id"), {**values, "id": UUID(str(id))})

    async def come_due(self, schedule: Json, since: datetime) -> None:
        """Let it have been due since then, and do what the clock does about it."""
        await self.set("scan_schedules", schedule["id"], next_due_at=since)
        await self.tick(schedule)

    async def tick(self, schedule: Json) -> None:
        """What the clock's work does about one schedule: it is taken, and its waiting run ordered and started."""
        async with self.transaction() as session:
            await take_due(session, [UUID(schedule["id"])])
        for run in await self.runs(schedule):
            async with self.transaction() as session:
                await order_runs(session, [UUID(run["id"])])
            await self.start(run)
            async with self.transaction() as session:
                await settle_slas(session, [UUID(run["id"])])

    async def start(self, run: Json) -> None:
        """Carry out the order to start a run."""
        order = StartRun(account_id=self.owner.account_id, workspace_id=self.owner.workspace_id, run_id=run["id"])
        await start_run(self.context, order)

    @property
    def context(self) -> JobContext:
        """What the worker is given."""
        return JobContext(database=self.database, settings=self.settings)

    def transaction(self) -> Any:
        """A transaction in the owner's workspace."""
        return self.database.transaction(account_id=self.owner.account_id, workspace_id=self.owner.workspace_id)


@pytest.fixture
async def scannable(owner: Person, database: Database) -> AsyncIterator[Scannable]:
    """A workspace in which scans can start, and whose scans keep no other test's worker busy afterwards."""
    yield await make_scannable(owner, database, samples=0)
    async with database.transaction() as session:
        own = {"id": str(owner.workspace_id)}
        await session.execute(text("DELETE FROM procrastinate_jobs WHERE args->'work'->>'workspace_id' = :id"), own)


@pytest.fixture
def schedules(owner: Person, database: Database, settings: Settings) -> Schedules:
    """The owner's schedules, in a workspace that may have nothing else."""
    return Schedules(owner, database, settings)


HOUR = timedelta(hours=1)


def now() -> datetime:
    return clock.now().replace(second=0, microsecond=0)


def daily(moment: datetime) -> str:
    """A cron expression that is due then, every day in UTC."""
    return f"{moment.minute} {moment.hour} * * *"


def quiet_until(end: datetime) -> Json:
    """Quiet hours of UTC that have begun."""
    return {"start": f"{end - 3 * HOUR:%H:%M}", "end": f"{end:%H:%M}"}
