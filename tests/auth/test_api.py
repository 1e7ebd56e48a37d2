"""Registration, login, refresh and logout over HTTP."""

import asyncio

import httpx
import pytest

from spectral_platform.accounts.commands import create_account
from spectral_platform.auth.commands import find_entrance
from spectral_platform.auth.errors import RegistrationClosed
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from tests.fixtures.callers import PASSWORD, Person
from tests.fixtures.database import somebody_waits


async def test_registering_gives_an_account_a_workspace_and_a_login(client: httpx.AsyncClient, owner: Person) -> None:
    profile = (await owner.client.get("/api/v1/auth/me")).json()

    assert profile["email"] == owner.email
    assert profile["account"] == {"id": str(owner.account_id), "name": "Test", "role": "owner"}
    assert [workspace["name"] for workspace in profile["workspaces"]] == ["Default"]
    assert profile["scopes"] == ["admin:account"]
    assert "approve:agents" in profile["workspaces"][0]["scopes"]


async def test_the_printed_development_credentials_work(client: httpx.AsyncClient) -> None:
    body = {"email": "dev@test.com", "password": "devpass", "tenant_name": "Dev"}
    assert (await client.post("/api/v1/auth/register", json=body)).status_code == 201

    login = await client.post("/api/v1/auth/login", json={"email": "DEV@test.com", "password": "devpass"})

    assert login.status_code == 200
    assert login.json()["token_type"] == "bearer"


async def test_registering_an_email_twice_is_refused(client: httpx.AsyncClient, owner: Person) -> None:
    body = {"email": owner.email.upper(), "password": PASSWORD, "tenant_name": "Again"}

    answer = await client.post("/api/v1/auth/register", json=body)

    assert answer.status_code == 400
    assert answer.json()["type"] == "https://spectral.dev/errors/business-rule-violation"


async def test_unknown_email_and_wrong_password_look_alike(client: httpx.AsyncClient, owner: Person) -> None:
    wrong = await client.post("/api/v1/auth/login", json={"email": owner.email, "password": "wrong password"})
    unknown = await client.post("/api/v1/auth/login", json={"email": "nobody@example.com", "password": "wrong password"})

    assert wrong.status_code == unknown.status_code == 401
    assert {**wrong.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert wrong.json()["type"].endswith("/invalid-credentials")


async def test_logout_ends_access_and_refresh_tokens(client: httpx.AsyncClient, owner: Person) -> None:
    assert (await owner.client.post("/api/v1/auth/logout")).status_code == 204

    after = await owner.client.get("/api/v1/auth/me")
    refreshed = await client.post("/api/v1/auth/refresh", json={"refresh_token": owner.tokens["refresh_token"]})

    assert after.status_code == 401
    assert after.json()["type"].endswith("/token-revoked")
    assert refreshed.status_code == 401


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session(client: httpx.AsyncClient, owner: Person) -> None:
    spent = {"refresh_token": owner.tokens["refresh_token"]}
    first = await client.post("/api/v1/auth/refresh", json=spent)
    assert first.status_code == 200
    fresh = owner.bearing(first.json()["access_token"])
    assert (await client.get("/api/v1/auth/me", headers=fresh)).status_code == 200

    again = await client.post("/api/v1/auth/refresh", json=spent)

    assert again.status_code == 401
    assert (await client.get("/api/v1/auth/me", headers=fresh)).status_code == 401
    newest = {"refresh_token": first.json()["refresh_token"]}
    assert (await client.post("/api/v1/auth/refresh", json=newest)).status_code == 401


async def test_an_api_key_has_no_profile(client: httpx.AsyncClient, owner: Person) -> None:
    answer = await client.get("/api/v1/auth/me", headers=owner.bearing(await owner.key()))

    assert answer.status_code == 403


@pytest.mark.own_database
async def test_of_two_who_want_to_be_the_first_one_is(database: Database, settings: Settings) -> None:
    by_invite = settings.model_copy(update={"registration": "invite"})

    async def come_second() -> None:
        async with database.transaction() as session:
            await find_entrance(session, by_invite, invite_token=None, email="second@example.com")

    async with database.transaction() as session:
        assert await find_entrance(session, by_invite, invite_token=None, email="first@example.com") is None
        second = asyncio.create_task(come_second())
        await somebody_waits(database)
        await create_account(session, name="First", email="first@example.com", password_hash=None)

    with pytest.raises(RegistrationClosed):
        await second
