"""The account and its members: who may see and change whom, and what ends at once."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from spectral_platform.accounts.errors import LastOwner
from spectral_platform.core.access import AccountRole, WorkspaceRole
from spectral_platform.core.database import Database
from spectral_platform.members.commands import update_member
from tests.fixtures.callers import PASSWORD, Person, joined
from tests.fixtures.database import run_sql

ACCOUNT = "/api/v1/account"
MEMBERS = f"{ACCOUNT}/members"


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rsplit("/", 1)[-1]


async def actions(owner: Person) -> list[str]:
    """What the account's log tells, newest first."""
    answer = await owner.client.get(f"{ACCOUNT}/audit-log")
    return [entry["action"] for entry in answer.json()["results"]]


async def roles(person: Person) -> dict[UUID, str]:
    """Who is in the account, and as what."""
    answer = await person.client.get(MEMBERS, params={"limit": 200})
    assert answer.status_code == 200, answer.text
    return {UUID(each["user_id"]): each["role"] for each in answer.json()["results"]}


@pytest.fixture
async def member(client: httpx.AsyncClient, database: Database, owner: Person) -> Person:
    return await joined(client, database, owner, workspace_role=WorkspaceRole.CONTRIBUTOR)


@pytest.fixture
async def second(client: httpx.AsyncClient, database: Database, owner: Person) -> Person:
    """A second owner of the account."""
    return await joined(client, database, owner, role=AccountRole.OWNER)


@pytest.fixture
async def staff(client: httpx.AsyncClient, database: Database, owner: Person) -> Person:
    """Operations staff who belong to the owner's account."""
    return await joined(client, database, owner, role=AccountRole.OPERATIONS)


async def test_every_member_sees_the_account_and_only_an_owner_renames_it(owner: Person, member: Person) -> None:
    seen = (await member.client.get(ACCOUNT)).json()
    refused = await member.client.patch(ACCOUNT, json={"name": "Mine"})
    renamed = await owner.client.patch(ACCOUNT, json={"name": "Acme"})

    assert seen["id"] == seen["account_id"] == str(owner.account_id)
    assert (seen["name"], seen["status"]) == ("Test", "active")
    assert (refused.status_code, slug(refused)) == (403, "missing-scope")
    assert renamed.json()["name"] == (await member.client.get(ACCOUNT)).json()["name"] == "Acme"
    assert "account.updated" in await actions(owner)


async def test_every_member_sees_the_members_of_their_account_and_of_no_other(
    owner: Person, member: Person, stranger: Person
) -> None:
    listed = (await member.client.get(MEMBERS)).json()["results"]

    assert await roles(owner) == {owner.user_id: "owner", member.user_id: "member"}
    assert await roles(stranger) == {stranger.user_id: "owner"}
    assert {each["email"] for each in listed} == {owner.email, member.email}
    assert {each["status"] for each in listed} == {"active"}


async def test_an_api_key_sees_neither_the_account_nor_its_members(client: httpx.AsyncClient, owner: Person) -> None:
    headers = owner.bearing(await owner.key("read:workspace"))

    for path in (ACCOUNT, MEMBERS):
        assert (await client.get(path, headers=headers)).status_code == 403


async def test_a_new_role_holds_from_the_next_request_on(owner: Person, member: Person) -> None:
    assert (await member.client.get(f"{ACCOUNT}/audit-log")).status_code == 403

    promoted = await owner.client.patch(f"{MEMBERS}/{member.user_id}", json={"role": "owner"})
    assert promoted.status_code == 200
    assert promoted.json()["role"] == "owner"
    assert (await member.client.get(f"{ACCOUNT}/audit-log")).status_code == 200

    await owner.client.patch(f"{MEMBERS}/{member.user_id}", json={"role": "member"})
    assert (await member.client.get(f"{ACCOUNT}/audit-log")).status_code == 403


async def test_a_revoked_member_is_refused_at_once_and_old_sessions_stay_ended(
    client: httpx.AsyncClient, owner: Person, member: Person
) -> None:
    revoked = await owner.client.patch(f"{MEMBERS}/{member.user_id}", json={"status": "revoked"})
    assert revoked.json()["status"] == "revoked"

    login = {"email": member.email, "password": PASSWORD}
    refused = await member.client.get("/api/v1/auth/me")
    assert (refused.status_code, slug(refused)) == (401, "token-revoked")
    assert (await member.client.get(member.w)).status_code == 401
    refreshed = await client.post("/api/v1/auth/refresh", json={"refresh_token": member.tokens["refresh_token"]})
    assert refreshed.status_code == 401
    assert (await client.post("/api/v1/auth/login", json=login)).status_code == 401

    restored = await owner.client.patch(f"{MEMBERS}/{member.user_id}", json={"status": "active"})
    assert restored.json()["status"] == "active"
    assert (await member.client.get("/api/v1/auth/me")).status_code == 401
    assert (await client.post("/api/v1/auth/login", json=login)).status_code == 200


async def test_the_keys_of_somebody_who_was_revoked_keep_working(
    client: httpx.AsyncClient, database: Database, owner: Person
) -> None:
    admin = await joined(client, database, owner, workspace_role=WorkspaceRole.ADMIN)
    headers = admin.bearing(await admin.key())

    assert (await owner.client.patch(f"{MEMBERS}/{admin.user_id}", json={"status": "revoked"})).status_code == 200
    assert (await client.get(f"{admin.w}/agents", headers=headers)).status_code == 200
    assert (await owner.client.delete(f"{MEMBERS}/{admin.user_id}")).status_code == 204
    assert (await client.get(f"{admin.w}/agents", headers=headers)).status_code == 200


async def test_a_removed_member_is_refused_at_once_and_may_register_anew(
    client: httpx.AsyncClient, owner: Person, member: Person
) -> None:
    assert (await owner.client.delete(f"{MEMBERS}/{member.user_id}")).status_code == 204

    refused = await member.client.get("/api/v1/auth/me")
    login = await client.post("/api/v1/auth/login", json={"email": member.email, "password": PASSWORD})
    again = await client.post("/api/v1/auth/register", json={"email": member.email, "password": PASSWORD, "tenant_name": "Own"})

    assert (refused.status_code, slug(refused)) == (401, "token-revoked")
    assert login.status_code == 401
    assert again.status_code == 201
    assert again.json()["account_id"] != str(owner.account_id)
    assert await roles(owner) == {owner.user_id: "owner"}
    assert (await owner.client.get(f"{owner.w}/members")).json()["results"] == []
    assert "member.removed" in await actions(owner)


@pytest.mark.parametrize("change", [{"role": "member"}, {"status": "revoked"}, None])
async def test_the_last_owner_can_neither_leave_nor_be_demoted_nor_revoked(
    change: dict[str, str] | None, owner: Person, second: Person
) -> None:
    async def give_up(person: Person) -> httpx.Response:
        path = f"{MEMBERS}/{person.user_id}"
        return await (owner.client.patch(path, json=change) if change else owner.client.delete(path))

    assert (await give_up(second)).status_code in {200, 204}
    refused = await give_up(owner)

    assert (refused.status_code, slug(refused)) == (400, "business-rule-violation")
    assert (await owner.client.get(ACCOUNT)).status_code == 200


@pytest.mark.parametrize("change", [{"role": "member"}, {"status": "revoked"}, None])
async def test_operations_staff_leave_an_account_only_to_an_owner(
    change: dict[str, str] | None, database_url: str, owner: Person, member: Person
) -> None:
    run_sql(database_url, f"UPDATE account_members SET role = 'operations' WHERE user_id = '{owner.user_id}'")

    async def give_up() -> httpx.Response:
        path = f"{MEMBERS}/{owner.user_id}"
        return await (owner.client.patch(path, json=change) if change else owner.client.delete("/api/v1/auth/me"))

    assert (await give_up()).status_code == 400
    assert (await owner.client.patch(f"{MEMBERS}/{member.user_id}", json={"role": "owner"})).status_code == 200
    assert (await give_up()).status_code in {200, 204}


async def test_a_revoked_owner_does_not_count_as_one(owner: Person, second: Person) -> None:
    await owner.client.patch(f"{MEMBERS}/{second.user_id}", json={"status": "revoked"})

    assert (await owner.client.patch(f"{MEMBERS}/{owner.user_id}", json={"role": "member"})).status_code == 400
    assert (await owner.client.delete(f"{MEMBERS}/{second.user_id}")).status_code == 204


@pytest.mark.parametrize("change", [{"role": "member"}, {"status": "revoked"}, None])
async def test_of_two_owners_who_oust_each_other_at_once_one_stays(
    change: dict[str, Any] | None, client: httpx.AsyncClient, database: Database, owner: Person
) -> None:
    for _ in range(5):
        second = await joined(client, database, owner, role=AccountRole.OWNER)

        async def oust(one: Person, other: Person) -> httpx.Response:
            path = f"{MEMBERS}/{other.user_id}"
            return await (one.client.patch(path, json=change) if change else one.client.delete(path))

        answers = await asyncio.gather(oust(owner, second), oust(second, owner))

        assert sorted(answer.status_code in {200, 204} for answer in answers) == [False, True]
        if answers[1].status_code in {200, 204}:
            owner = second


async def test_two_owners_who_were_both_let_in_cannot_both_demote_each_other(
    database: Database, owner: Person, second: Person
) -> None:
    async def demote(one: Person, other: Person) -> None:
        async with database.transaction(account_id=owner.account_id) as session:
            await update_member(session, one.caller(), other.user_id, role=AccountRole.MEMBER)

    outcomes = await asyncio.gather(demote(owner, second), demote(second, owner), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes if outcome] == [LastOwner]


async def test_operations_staff_are_made_and_changed_by_no_owner(owner: Person, member: Person, staff: Person) -> None:
    given = await owner.client.patch(f"{MEMBERS}/{member.user_id}", json={"role": "operations"})
    assert given.status_code == 422

    path = f"{MEMBERS}/{staff.user_id}"
    for answer in (
        await owner.client.patch(path, json={"role": "member"}),
        await owner.client.patch(path, json={"status": "revoked"}),
        await owner.client.delete(path),
    ):
        assert (answer.status_code, answer.json()["required_scope"]) == (403, "admin:operations")
    assert (await staff.client.patch(path, json={"role": "member"})).status_code == 200
    assert (await roles(owner))[staff.user_id] == "member"


async def test_nobody_of_another_account_can_be_changed_or_removed(owner: Person, stranger: Person) -> None:
    for user_id in (stranger.user_id, uuid4()):
        path = f"{MEMBERS}/{user_id}"
        assert (await owner.client.patch(path, json={"role": "member"})).status_code == 404
        assert (await owner.client.delete(path)).status_code == 404
    assert (await stranger.client.get(ACCOUNT)).status_code == 200
