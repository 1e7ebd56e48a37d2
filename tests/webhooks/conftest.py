"""A workspace whose webhooks lead to a local receiver."""

from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from tests.changesets.factories import proposed
from tests.fixtures.callers import Person
from tests.fixtures.receiver import Receiver
from tests.fixtures.worker import Drain

Json = dict[str, Any]


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings under which calls may go to one local address."""
    return Settings(
        database_url=database_url,
        data_dir=tmp_path,
        workers=0,
        outbound_allowed_networks=(IPv4Network("127.0.0.1/32"),),
    )


@dataclass
class Hooks:
    """A workspace, its webhooks, and the worker that delivers to them."""

    owner: Person
    database: Database
    work: Drain

    async def create(self, receiver: Receiver, **body: Any) -> Json:
        """A webhook that leads to the receiver; the answer holds its secret."""
        answer = await self.owner.client.post(f"{self.owner.w}/webhooks", json={"url": receiver.url} | body)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def get(self, webhook: Json) -> Json:
        """The webhook as it is now."""
        answer = await self.owner.client.get(f"{self.owner.w}/webhooks/{webhook['id']}")
        found: Json = answer.json()
        return found

    async def deliveries(self, webhook: Json, **filter: str) -> list[Json]:
        """The webhook's log, oldest first."""
        path = f"{self.owner.w}/webhooks/{webhook['id']}/deliveries"
        answer = await self.owner.client.get(path, params={"sort": "created_at"} | filter)
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.json()["results"]
        return found

    async def test(self, webhook: Json) -> Json:
        """Order a test message and return its delivery."""
        answer = await self.owner.client.post(f"{self.owner.w}/webhooks/{webhook['id']}/test")
        assert answer.status_code == 202, answer.text
        made: Json = answer.json()
        return made

    async def happen(self) -> str:
        """Make something happen in the workspace: a changeset is proposed. Its id."""
        return str((await proposed(self.database, self.owner))[1])

    async def come_due(self) -> None:
        """Let the time pass until the next tries are due."""
        async with self.database.transaction() as session:
            await session.execute(
                text(
                    "UPDATE procrastinate_jobs SET scheduled_at = now()"
                    " WHERE status = 'todo' AND task_name = 'webhooks.deliver' AND args->'work'->>'workspace_id' = :workspace_id"
                ),
                {"workspace_id": str(self.owner.workspace_id)},
            )

    async def audit_actions(self) -> list[str]:
        """What the account's log says of webhooks, oldest first."""
        answer = await self.owner.client.get("/api/v1/account/audit-log", params={"resource": "webhook", "sort": "created_at"})
        return [entry["action"] for entry in answer.json()["results"]]


@pytest.fixture
def hooks(owner: Person, database: Database, work: Drain) -> Hooks:
    """The owner's webhooks."""
    return Hooks(owner, database, work)
