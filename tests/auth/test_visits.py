"""Operations staff in workspaces of other accounts: they reach everything, and each account's own log tells of it."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text, update

from spectral_platform.accounts.models import Account, AccountStatus
from spectral_platform.auth.models import Visit
from spectral_platform.core.access import AccountRole, WorkspaceRole
from spectral_platform.core.database import Database
from tests.fixtures.callers import PASSWORD, Person, joined


@pytest.fixture
async def staff(client: httpx.AsyncClient, database: Database, stranger: Person) -> Person:
    """Operations staff of another account than the owner's."""
    return await joined(client, database, stranger, role=AccountRole.OPERATIONS)


async def visits(owner: Person) -> list[dict[str, Any]]:
    """The visits that the owner's log tells of."""
    answer = await owner.client.get("/api/v1/account/audit-log", params={"action": "account.visited"})
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


async def test_operations_staff_reach_everything_in_a_workspace_of_another_account(owner: Person, staff: Person) -> None:
    assert (await staff.client.get(owner.w)).json()["account_id"] == str(owner.account_id)
    assert (await staff.client.get(f"{owner.w}/members")).status_code == 200
    key = await staff.client.post(f"{owner.w}/keys", json={"name": "support"})

    assert key.status_code == 201
    assert [each["name"] for each in (await owner.client.get(f"{owner.w}/keys")).json()["results"]] == ["support"]


async def test_a_visit_is_told_in_the_visited_account_and_before_what_was_done_there(
    owner: Person, stranger: Person, staff: Person
) -> None:
    for _ in range(3):
        assert (await staff.client.get(owner.w)).status_code == 200
    assert (await staff.client.patch(owner.w, json={"name": "Renamed"})).status_code == 200

    (visit,) = await visits(owner)
    log = (await owner.client.get("/api/v1/account/audit-log")).json()["results"]
    assert (visit["actor_id"], visit["workspace_id"]) == (str(staff.user_id), str(owner.workspace_id))
    assert [entry["action"] for entry in log[:2]] == ["workspace.updated", "account.visited"]
    assert log[0]["actor_id"] == str(staff.user_id)
    assert await visits(stranger) == []
    assert (await owner.client.get("/api/v1/account/audit-log/verify")).json()["valid"] is True


async def test_a_request_that_changes_as_the_first_of_a_visit_leaves_both_entries(owner: Person, staff: Person) -> None:
    assert (await staff.client.patch(owner.w, json={"name": "Renamed"})).status_code == 200

    log = (await owner.client.get("/api/v1/account/audit-log")).json()["results"]
    assert [entry["action"] for entry in log[:2]] == ["workspace.updated", "account.visited"]


async def test_an_ingestion_as_the_first_of_a_visit_is_told_too(owner: Person, staff: Person) -> None:
    headers = {"X-Workspace-Id": str(owner.workspace_id)}
    sent = await staff.client.post("/otel/v1/traces", json={"resourceSpans": []}, headers=headers)

    assert sent.status_code == 200, sent.text
    assert len(await visits(owner)) == 1


async def test_twenty_requests_at_once_are_one_visit_and_another_session_is_another(
    client: httpx.AsyncClient, owner: Person, staff: Person
) -> None:
    answers = await asyncio.gather(*(staff.client.get(owner.w) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await visits(owner)) == 1

    again = await client.post("/api/v1/auth/login", json={"email": staff.email, "password": PASSWORD})
    assert (await client.get(owner.w, headers=staff.bearing(again.json()["access_token"]))).status_code == 200
    assert len(await visits(owner)) == 2


async def test_a_visit_that_goes_on_is_told_every_hour(database: Database, owner: Person, staff: Person) -> None:
    await staff.client.get(owner.w)
    async with database.transaction(account_id=owner.account_id) as session:
        await session.execute(update(Visit).values(noted_at=Visit.noted_at - timedelta(hours=1)))

    await staff.client.get(owner.w)

    assert len(await visits(owner)) == 2


async def test_in_their_own_account_staff_are_no_visitors(stranger: Person, staff: Person) -> None:
    assert (await staff.client.get(stranger.w)).status_code == 200

    assert await visits(stranger) == []


async def test_staff_reach_a_suspended_account_whose_own_people_do_not(database: Database, owner: Person, staff: Person) -> None:
    async with database.transaction(account_id=owner.account_id) as session:
        await session.execute(update(Account).values(status=AccountStatus.SUSPENDED))

    assert (await owner.client.get(owner.w)).status_code == 403
    assert (await staff.client.get(owner.w)).status_code == 200


@pytest.mark.parametrize("role", [AccountRole.OWNER, AccountRole.MEMBER])
async def test_nobody_else_visits(
    role: AccountRole, client: httpx.AsyncClient, database: Database, owner: Person, stranger: Person
) -> None:
    other = await joined(client, database, stranger, role=role, workspace_role=WorkspaceRole.ADMIN)

    assert (await other.client.get(owner.w)).status_code == 404
    assert await visits(owner) == []


async def test_who_is_no_longer_staff_visits_no_longer(
    client: httpx.AsyncClient, database: Database, owner: Person, stranger: Person, staff: Person
) -> None:
    colleague = await joined(client, database, stranger, role=AccountRole.OPERATIONS)
    assert (await staff.client.get(owner.w)).status_code == 200

    path = f"/api/v1/account/members/{staff.user_id}"
    assert (await colleague.client.patch(path, json={"role": "member"})).status_code == 200

    assert (await staff.client.get(owner.w)).status_code == 404


async def test_naming_a_workspace_shows_its_row_and_lets_nobody_change_it(database: Database, owner: Person) -> None:
    async with database.transaction() as session:
        setting = {"id": str(owner.workspace_id)}
        await session.execute(text("SELECT set_config('spectral.visited_workspace_id', :id, true)"), setting)
        seen = await session.scalars(text("SELECT id FROM workspaces"))
        assert seen.all() == [owner.workspace_id]
        changed = await session.scalars(text("UPDATE workspaces SET name = 'mine' RETURNING id"))
        assert changed.all() == []
