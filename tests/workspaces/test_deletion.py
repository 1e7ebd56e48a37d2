"""Workspaces that are deleted, restored and erased."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.access import WorkspaceRole
from spectral_platform.core.database import Database
from spectral_platform.workspaces.commands import delete_workspace
from spectral_platform.workspaces.models import RESTORABLE_FOR
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import make_scannable
from tests.workspaces.people import join

SENT = {"traces": [{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "input": "a", "output": "b"}]}


async def actions(owner: Person) -> list[str]:
    answer = await owner.client.get("/api/v1/account/audit-log")
    return [entry["action"] for entry in answer.json()["results"]]


async def test_a_deleted_workspace_and_everything_under_it_is_gone_for_everybody(
    client: httpx.AsyncClient, owner: Person, database: Database
) -> None:
    key = owner.bearing(await owner.key())
    admin = await join(client, database, owner, workspace_role=WorkspaceRole.ADMIN)

    assert (await owner.client.delete(owner.w)).status_code == 204

    for path in ("", "/agents", "/traces", "/keys", "/scans", "/masking"):
        for headers in ({}, admin, key):
            assert (await owner.client.get(f"{owner.w}{path}", headers=headers)).status_code == 404, path
    assert (await client.post("/otel/v1/traces", json={"resourceSpans": []}, headers=key)).status_code == 404
    assert (await client.post(f"{owner.w}/traces", json=SENT, headers=key)).status_code == 404
    assert (await owner.client.delete(owner.w)).status_code == 404
    assert (await owner.client.get("/api/v1/workspaces")).json()["results"] == []
    assert (await owner.client.get("/api/v1/auth/me")).json()["workspaces"] == []


async def test_a_restored_workspace_is_as_it_was(client: httpx.AsyncClient, owner: Person) -> None:
    key = owner.bearing(await owner.key())
    await client.post(f"{owner.w}/traces", json=SENT, headers=key)
    before = (await owner.client.get(f"{owner.w}/traces")).json()
    await owner.client.delete(owner.w)
    listed = (await owner.client.get("/api/v1/workspaces", params={"deleted": True})).json()["results"]
    assert [each["id"] for each in listed] == [str(owner.workspace_id)]
    assert listed[0]["deleted_at"] is not None

    answer = await owner.client.post(f"{owner.w}/restore")

    assert answer.status_code == 200
    assert answer.json()["deleted_at"] is None
    assert (await owner.client.get(f"{owner.w}/traces")).json() == before
    assert (await client.post("/otel/v1/traces", json={"resourceSpans": []}, headers=key)).status_code == 200
    assert (await actions(owner))[:2] == ["workspace.restored", "workspace.deleted"]


async def test_restoring_what_is_not_deleted_changes_nothing(owner: Person) -> None:
    before = await actions(owner)

    assert (await owner.client.post(f"{owner.w}/restore")).status_code == 200
    assert await actions(owner) == before


async def test_those_who_administered_a_workspace_may_restore_it_and_others_may_not(
    client: httpx.AsyncClient, owner: Person, stranger: Person, database: Database
) -> None:
    admin = await join(client, database, owner, workspace_role=WorkspaceRole.ADMIN)
    observer = await join(client, database, owner, workspace_role=WorkspaceRole.OBSERVER)
    nobody = await join(client, database, owner)
    await owner.client.delete(owner.w)

    for headers, status, listed in ((observer, 403, 0), (nobody, 404, 0), (admin, 200, 1)):
        answer = await client.get("/api/v1/workspaces", params={"deleted": True}, headers=headers)
        assert len(answer.json()["results"]) == listed
        assert (await client.post(f"{owner.w}/restore", headers=headers)).status_code == status
    assert (await stranger.client.post(f"{owner.w}/restore")).status_code == 404


async def test_after_thirty_days_nothing_restores_a_workspace(
    owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = clock.now() - RESTORABLE_FOR - timedelta(seconds=1)
    with monkeypatch.context() as then:
        then.setattr(clock, "now", lambda: long_ago)
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            await delete_workspace(session, owner.caller())

    assert (await owner.client.post(f"{owner.w}/restore")).status_code == 404
    assert (await owner.client.get("/api/v1/workspaces", params={"deleted": True})).json()["results"] == []


async def test_scans_of_a_deleted_workspace_are_cancelled(owner: Person, database: Database, work: Drain) -> None:
    scan = await (await make_scannable(owner, database, samples=0)).start()
    await owner.client.delete(owner.w)
    await work()

    await owner.client.post(f"{owner.w}/restore")

    assert (await owner.client.get(f"{owner.w}/scans/{scan['scan_id']}")).json()["status"] == "cancelled"


@pytest.mark.parametrize("status", ["scheduled", "running"])
async def test_a_scan_that_was_begun_while_its_workspace_was_deleted_is_not_run(
    owner: Person, database: Database, work: Drain, status: str
) -> None:
    scan = await (await make_scannable(owner, database, samples=0)).start()
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(text("UPDATE workspaces SET deleted_at = now()"))
        await session.execute(text("UPDATE scans SET status = :status"), {"status": status})
    await work()
    await owner.client.post(f"{owner.w}/restore")

    found = (await owner.client.get(f"{owner.w}/scans/{scan['scan_id']}")).json()
    assert (found["status"], found["cost_usd"]) == ("cancelled", "0")
