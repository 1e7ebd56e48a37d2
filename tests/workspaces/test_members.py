"""Members of a workspace: who can be added, by whom, and that roles hold at once."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from spectral_platform.core.access import WorkspaceRole
from spectral_platform.core.database import Database
from spectral_platform.workspaces.models import WorkspaceMember
from tests.fixtures.callers import Person, joined


@pytest.fixture
async def colleague(client: httpx.AsyncClient, database: Database, owner: Person) -> Person:
    """Somebody in the owner's account with no role in any workspace."""
    return await joined(client, database, owner)


async def test_a_role_opens_the_workspace_at_once_and_its_end_closes_it(owner: Person, colleague: Person) -> None:
    assert (await colleague.client.get(owner.w)).status_code == 404

    added = await owner.client.post(f"{owner.w}/members", json={"email": colleague.email.upper(), "role": "observer"})
    assert added.status_code == 201, added.text
    path = added.headers["location"]
    assert added.json()["user_id"] == added.json()["id"] == str(colleague.user_id)
    assert (await colleague.client.get(owner.w)).status_code == 200
    assert (await colleague.client.get(f"{owner.w}/keys")).status_code == 403

    changed = await owner.client.patch(path, json={"role": "admin"})
    assert changed.json()["role"] == "admin"
    assert (await colleague.client.get(f"{owner.w}/keys")).status_code == 200

    assert (await owner.client.delete(path)).status_code == 204
    assert (await colleague.client.get(owner.w)).status_code == 404
    assert (await owner.client.delete(path)).status_code == 404


async def test_members_are_listed_to_whoever_may_read_the_workspace(owner: Person, colleague: Person) -> None:
    await owner.client.post(f"{owner.w}/members", json={"user_id": str(colleague.user_id), "role": "observer"})

    listed = (await colleague.client.get(f"{owner.w}/members")).json()["results"]

    assert [(each["email"], each["role"], each["status"]) for each in listed] == [(colleague.email, "observer", "active")]


async def test_only_an_admin_of_the_workspace_changes_its_members(owner: Person, colleague: Person) -> None:
    path = f"{owner.w}/members/{colleague.user_id}"
    await owner.client.post(f"{owner.w}/members", json={"user_id": str(colleague.user_id), "role": "contributor"})

    for answer in (
        await colleague.client.patch(path, json={"role": "admin"}),
        await colleague.client.delete(path),
        await colleague.client.post(f"{owner.w}/members", json={"user_id": str(owner.user_id), "role": "observer"}),
    ):
        assert (answer.status_code, answer.json()["required_scope"]) == (403, "admin:workspace")


async def test_nobody_outside_of_the_account_can_be_added_and_the_answer_tells_nothing(owner: Person, stranger: Person) -> None:
    elsewhere, nobody = [
        await owner.client.post(f"{owner.w}/members", json={"email": email, "role": "observer"})
        for email in (stranger.email, f"{uuid4().hex}@example.com")
    ]
    by_id = await owner.client.post(f"{owner.w}/members", json={"user_id": str(stranger.user_id), "role": "observer"})

    assert elsewhere.status_code == nobody.status_code == by_id.status_code == 400
    assert {**elsewhere.json(), "request_id": ""} == {**nobody.json(), "request_id": ""} == {**by_id.json(), "request_id": ""}
    assert (await stranger.client.get(owner.w)).status_code == 404


async def test_twenty_at_once_add_somebody_once(owner: Person, colleague: Person) -> None:
    body = {"user_id": str(colleague.user_id), "role": "observer"}

    answers = await asyncio.gather(*(owner.client.post(f"{owner.w}/members", json=body) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [201, *[400] * 19]


@pytest.mark.parametrize("names", [{}, {"user_id": str(uuid4()), "email": "a@example.com"}])
async def test_a_person_is_named_in_one_way(names: dict[str, Any], owner: Person) -> None:
    answer = await owner.client.post(f"{owner.w}/members", json={**names, "role": "observer"})

    assert answer.status_code == 422


async def test_a_membership_across_accounts_cannot_be_stored(database: Database, owner: Person, stranger: Person) -> None:
    ids = {"account_id": owner.account_id, "workspace_id": owner.workspace_id}
    async with database.transaction(**ids) as session:
        session.add(WorkspaceMember(**ids, user_id=stranger.user_id, role=WorkspaceRole.ADMIN))
        with pytest.raises(IntegrityError, match="fk_workspace_members_user_id"):
            await session.flush()
        await session.rollback()


async def test_inside_a_workspace_the_members_of_others_are_not_seen(
    database: Database, owner: Person, colleague: Person
) -> None:
    other = (await owner.client.post("/api/v1/workspaces", json={"name": "Other"})).json()["id"]
    for w in (owner.w, f"/api/v1/workspaces/{other}"):
        await owner.client.post(f"{w}/members", json={"user_id": str(colleague.user_id), "role": "observer"})

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        seen = await session.scalars(select(WorkspaceMember.workspace_id))
        assert seen.all() == [owner.workspace_id]
