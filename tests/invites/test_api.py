"""Invites: one token, one person, for a while; and joining an account with one."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from spectral_api.app import create_app
from spectral_platform.accounts.models import Account, AccountStatus
from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.invites.models import Invite
from spectral_platform.portability.commands import delete_account
from tests.fixtures.callers import PASSWORD, Person, joined
from tests.fixtures.database import somebody_waits

INVITES = "/api/v1/account/invites"


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rsplit("/", 1)[-1]


def new_email() -> str:
    return f"{uuid4().hex}@example.com"


async def invite(owner: Person, *, email: str | None = None, **body: Any) -> dict[str, Any]:
    """A new invite as its answer shows it."""
    answer = await owner.client.post(INVITES, json={"email": email or new_email(), **body})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def join(client: httpx.AsyncClient, invited: dict[str, Any], **body: Any) -> httpx.Response:
    """Register with an invite's token."""
    request = {"email": invited["email"], "password": PASSWORD, "invite_token": invited["token"], **body}
    return await client.post("/api/v1/auth/register", json=request)


async def shown(owner: Person, invited: dict[str, Any]) -> str:
    """What the invite's status is shown as."""
    return str((await owner.client.get(f"{INVITES}/{invited['id']}")).json()["status"])


async def expire(database: Database, owner: Person, invited: dict[str, Any]) -> None:
    """Let the invite's time be over."""
    async with database.transaction(account_id=owner.account_id) as session:
        over = clock.now() - timedelta(seconds=1)
        await session.execute(update(Invite).where(Invite.id == UUID(invited["id"])).values(expires_at=over))


async def test_an_invite_shows_its_token_once_and_stores_only_a_digest(database: Database, owner: Person) -> None:
    invited = await invite(owner, workspaces=[{"workspace_id": str(owner.workspace_id), "role": "observer"}])

    assert invited["id"] == invited["invite_id"]
    assert (invited["status"], invited["account_role"]) == ("pending", "member")
    listed = (await owner.client.get(INVITES)).json()["results"]
    assert [each["id"] for each in listed] == [invited["id"]]
    assert "token" not in listed[0]
    async with database.transaction(account_id=owner.account_id) as session:
        row = (await session.scalars(select(Invite))).one()
        stored = [str(value) for value in vars(row).values()]
    assert not any(invited["token"] in value for value in stored)


async def test_an_invited_person_joins_with_the_roles_of_the_invite(client: httpx.AsyncClient, owner: Person) -> None:
    invited = await invite(owner, workspaces=[{"workspace_id": str(owner.workspace_id), "role": "contributor"}])

    joined = await join(client, invited, email=invited["email"].upper(), tenant_name="Ignored")

    assert joined.status_code == 201, joined.text
    assert joined.json()["account_id"] == str(owner.account_id)
    assert joined.json()["workspace_id"] == str(owner.workspace_id)
    me = (await client.get("/api/v1/auth/me", headers=owner.bearing(joined.json()["access_token"]))).json()
    assert (me["account"]["name"], me["account"]["role"]) == ("Test", "member")
    assert [(each["id"], each["role"]) for each in me["workspaces"]] == [(str(owner.workspace_id), "contributor")]
    accepted = (await owner.client.get(f"{INVITES}/{invited['id']}")).json()
    assert (accepted["status"], accepted["accepted_by"]) == ("accepted", me["user_id"])


async def test_an_invited_owner_reaches_the_oldest_workspace_and_a_member_without_one_none(
    client: httpx.AsyncClient, owner: Person
) -> None:
    as_owner = await join(client, await invite(owner, account_role="owner"))
    as_member = await join(client, await invite(owner))

    assert as_owner.json()["workspace_id"] == str(owner.workspace_id)
    assert as_member.json()["workspace_id"] is None
    headers = owner.bearing(as_member.json()["access_token"])
    assert (await client.get("/api/v1/account", headers=headers)).status_code == 200
    assert (await client.get(owner.w, headers=headers)).status_code == 404


async def test_twenty_who_hold_one_token_bring_in_one_person(client: httpx.AsyncClient, owner: Person) -> None:
    invited = await invite(owner)

    answers = await asyncio.gather(*(join(client, invited) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [201, *[400] * 19]
    assert {slug(answer) for answer in answers if answer.status_code == 400} == {"business-rule-violation"}
    members = (await owner.client.get("/api/v1/account/members")).json()
    assert members["pagination"]["total"] == 2


@pytest.mark.parametrize("state", ["pending", "expired", "accepted", "revoked"])
async def test_what_can_be_done_with_an_invite_in_each_state(
    state: str, client: httpx.AsyncClient, database: Database, owner: Person
) -> None:
    async def made() -> dict[str, Any]:
        invited = await invite(owner)
        if state == "expired":
            await expire(database, owner, invited)
        elif state == "accepted":
            assert (await join(client, invited)).status_code == 201
        elif state == "revoked":
            assert (await owner.client.delete(f"{INVITES}/{invited['id']}")).status_code == 204
        assert await shown(owner, invited) == state
        return invited

    taken, resent, revoked = await made(), await made(), await made()
    answers = (
        await join(client, taken),
        await owner.client.post(f"{INVITES}/{resent['id']}/resend"),
        await owner.client.delete(f"{INVITES}/{revoked['id']}"),
    )

    waits = state in {"pending", "expired"}
    assert answers[0].status_code == (201 if state == "pending" else 400)
    assert answers[1].status_code == (200 if waits else 400)
    assert answers[2].status_code == (204 if waits else 400)
    if not waits:
        assert [slug(answer) for answer in answers] == ["business-rule-violation", "invalid-transition", "invalid-transition"]
    assert await shown(owner, resent) == ("pending" if waits else state)
    assert await shown(owner, revoked) == ("revoked" if waits else state)


async def test_an_invite_sent_again_has_a_new_token_and_time_and_the_old_token_is_void(
    client: httpx.AsyncClient, database: Database, owner: Person
) -> None:
    invited = await invite(owner)
    await expire(database, owner, invited)

    again = (await owner.client.post(f"{INVITES}/{invited['id']}/resend")).json()

    assert again["token"] != invited["token"]
    assert again["expires_at"] >= invited["expires_at"]
    assert (await join(client, invited)).status_code == 400
    assert (await join(client, again)).status_code == 201


async def test_a_token_is_for_the_invited_address_alone(client: httpx.AsyncClient, owner: Person) -> None:
    invited = await invite(owner)

    other = await join(client, invited, email=new_email())
    made_up = await join(client, invited, invite_token="invite_nonsense")

    assert (other.status_code, slug(other)) == (400, "business-rule-violation")
    assert (made_up.status_code, slug(made_up)) == (400, "business-rule-violation")
    assert (await join(client, invited)).status_code == 201


async def test_whoever_has_an_account_cannot_join_another(client: httpx.AsyncClient, owner: Person, stranger: Person) -> None:
    invited = await invite(owner, email=stranger.email)

    assert (await join(client, invited)).status_code == 400
    assert await shown(owner, invited) == "pending"


async def test_an_address_is_invited_once_and_not_when_it_is_in_the_account(owner: Person) -> None:
    invited = await invite(owner)

    for email in (invited["email"].upper(), owner.email):
        answer = await owner.client.post(INVITES, json={"email": email})
        assert (answer.status_code, slug(answer)) == (400, "business-rule-violation")
    await owner.client.delete(f"{INVITES}/{invited['id']}")
    await invite(owner, email=invited["email"])


async def test_an_invite_gives_neither_operations_nor_workspaces_of_others(owner: Person, stranger: Person) -> None:
    elsewhere = {"workspace_id": str(stranger.workspace_id), "role": "admin"}
    own = {"workspace_id": str(owner.workspace_id), "role": "admin"}

    async def refused(**body: Any) -> int:
        return (await owner.client.post(INVITES, json={"email": new_email(), **body})).status_code

    assert await refused(account_role="operations") == 422
    assert await refused(workspaces=[elsewhere]) == 400
    assert await refused(workspaces=[own, own]) == 422


async def test_only_an_owner_invites(client: httpx.AsyncClient, database: Database, owner: Person, stranger: Person) -> None:
    member = await joined(client, database, owner)
    invited = await invite(owner)

    assert (await member.client.post(INVITES, json={"email": new_email()})).status_code == 403
    assert (await member.client.get(INVITES)).status_code == 403
    assert (await stranger.client.delete(f"{INVITES}/{invited['id']}")).status_code == 404
    assert (await stranger.client.post(f"{INVITES}/{invited['id']}/resend")).status_code == 404
    assert (await stranger.client.get(INVITES)).json()["results"] == []


async def test_an_invite_into_a_suspended_account_lets_nobody_in(
    client: httpx.AsyncClient, database: Database, owner: Person
) -> None:
    invited = await invite(owner)
    async with database.transaction(account_id=owner.account_id) as session:
        await session.execute(update(Account).values(status=AccountStatus.SUSPENDED))

    refused = await join(client, invited)

    assert (refused.status_code, slug(refused)) == (403, "account-suspended")


async def test_a_new_account_needs_a_name_and_an_invited_person_does_not(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/auth/register", json={"email": new_email(), "password": PASSWORD})

    assert answer.status_code == 422
    assert [mistake["location"] for mistake in answer.json()["errors"]] == [["body", "tenant_name"]]


async def test_where_registration_is_by_invite_only_the_invited_come_in(
    app: FastAPI, database: Database, owner: Person, settings: Settings
) -> None:
    closed = create_app(settings.model_copy(update={"registration": "invite"}), database)
    transport = httpx.ASGITransport(app=closed, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        invited = await invite(owner)
        body = {"email": new_email(), "password": PASSWORD, "tenant_name": "Own"}

        assert (await client.post("/api/v1/auth/register", json=body)).status_code == 400
        assert (await join(client, invited)).status_code == 201


async def test_the_audit_log_tells_of_invites_without_addresses_or_tokens(client: httpx.AsyncClient, owner: Person) -> None:
    invited = await invite(owner)
    await owner.client.post(f"{INVITES}/{invited['id']}/resend")
    await owner.client.delete(f"{INVITES}/{invited['id']}")
    assert (await join(client, await invite(owner))).status_code == 201

    log = await owner.client.get("/api/v1/account/audit-log")

    actions = [entry["action"] for entry in log.json()["results"]]
    assert actions[:5] == ["invite.accepted", "invite.created", "invite.revoked", "invite.resent", "invite.created"]
    assert "@" not in log.text
    assert "invite_" not in log.text.replace("invite_id", "")


async def test_who_joins_while_the_account_is_deleted_stays_outside(
    client: httpx.AsyncClient, owner: Person, database: Database
) -> None:
    invited = await invite(owner)
    async with database.transaction(account_id=owner.account_id) as session:
        await delete_account(session, owner.caller())
        joining = asyncio.create_task(join(client, invited))
        await somebody_waits(database)

    refused = await joining
    assert (refused.status_code, slug(refused)) == (403, "account-suspended")
