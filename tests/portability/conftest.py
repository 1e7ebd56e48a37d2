"""An account in which every room has left something."""

import httpx
import pytest

from spectral_platform.core.access import WorkspaceRole
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import JobContext
from spectral_platform.core.settings import Settings
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import make_scannable
from tests.traces.factories import index
from tests.workspaces.people import join

REPORT = {"input": "Where is my order?", "output": "On its way \U0001f69a", "agent": "support-agent", "model": "sim/standard"}


@pytest.fixture
def context(database: Database, settings: Settings) -> JobContext:
    return JobContext(database=database, settings=settings)


@pytest.fixture
async def furnished(client: httpx.AsyncClient, owner: Person, database: Database, work: Drain) -> Person:
    """The owner of an account with people, keys, policies, traces, feedback, samples, and a scan that led to a decision."""
    await join(client, database, owner, workspace_role=WorkspaceRole.OBSERVER)
    await owner.key()
    scannable = await make_scannable(owner, database)
    for kind, body in (
        ("masking", {"detectors": ["email"]}),
        ("prices", {"prices": [{"model": "acme", "input_usd": "0.123456789", "output_usd": "3"}]}),
    ):
        assert (await owner.client.put(f"{owner.w}/{kind}", json=body)).status_code == 200
    sent = (await owner.client.post(f"{owner.w}/traces", json={"traces": [REPORT] * 3})).json()["trace_ids"]
    await index(database)
    await owner.client.post(f"{owner.w}/traces/{sent[0]}/feedback", json={"score": 0.1, "source": "human", "comment": "ok"})
    started = await scannable.start()
    await work()
    scan = await scannable.get(f"scans/{started['scan_id']}")
    if scan["verdict"]["outcome"] == "improve":
        path = f"{owner.w}/changesets/{scan['changeset_id']}"
        for decision in ("accept", "apply"):
            assert (await owner.client.post(f"{path}/{decision}")).status_code == 200
    return owner
