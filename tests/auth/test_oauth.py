"""Logging in through an identity provider, over real HTTP with a real one."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import ValidationError
from sqlalchemy import select, text, update

from spectral_api.app import create_app
from spectral_platform.accounts.models import User
from spectral_platform.auth.oauth import protocol
from spectral_platform.auth.oauth.models import OAuthLogin
from spectral_platform.core import clock, crypto
from spectral_platform.core.database import Database
from spectral_platform.core.settings import OAuthClient, Settings
from tests.auth.oauth import CALLBACK, ME, OAUTH, begin, come_back, profile, refused, with_providers
from tests.fixtures.callers import PASSWORD, Person
from tests.fixtures.database import somebody_waits
from tests.fixtures.identity import CLIENT_ID, Claims, Gateway, Somebody


@pytest.fixture
def settings(settings: Settings, gateway: Gateway, other_gateway: Gateway) -> Settings:
    return with_providers(settings, gateway, other_gateway)


async def test_the_first_person_of_a_new_account_owns_it(client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody) -> None:
    told = await profile(client, await come_back(client, gateway, somebody[0]))

    assert told["email"] == somebody[1]
    assert told["account"]["role"] == "owner"
    assert told["account"]["name"] == "Anna"
    assert [workspace["name"] for workspace in told["workspaces"]] == ["Default"]


async def test_the_request_carries_pkce_state_nonce_and_the_configured_redirect(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    answer = await client.get(OAUTH, headers={"Host": "evil.example"})
    url = urlsplit(answer.json()["authorize_url"])
    query = {name: values[0] for name, values in parse_qs(url.query).items()}

    assert f"{url.scheme}://{url.netloc}" == gateway.url
    assert query["redirect_uri"] == "https://spectral.example/auth/callback/acme"
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert query["state"] == answer.json()["state"]
    assert len({query["state"], query["nonce"], query["code_challenge"]}) == 3
    assert all(len(query[name]) >= 43 for name in ("state", "nonce", "code_challenge"))


async def test_the_verifier_proves_the_code_and_another_does_not(
    client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody
) -> None:
    assert (await come_back(client, gateway, somebody[0])).status_code == 200
    [form] = gateway.forms
    assert len(form["code_verifier"]) == 43

    mine, theirs = await begin(client), await begin(client)
    stolen = await asyncio.to_thread(gateway.log_in, theirs["authorize_url"], somebody[0])
    injected = {"provider": "acme", "code": stolen["code"], "state": mine["state"]}

    assert refused(await client.post(CALLBACK, json=injected))


async def test_who_comes_again_is_the_same_person_even_with_another_address(
    client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody
) -> None:
    first = await profile(client, await come_back(client, gateway, somebody[0]))
    gateway.introduce(somebody[0], email=f"new-{somebody[1]}", email_verified=False)

    again = await profile(client, await come_back(client, gateway, somebody[0]))

    assert again["user_id"] == first["user_id"]
    assert again["email"] == somebody[1]


async def test_a_verified_address_is_the_person_who_has_it(client: httpx.AsyncClient, gateway: Gateway, owner: Person) -> None:
    gateway.introduce("verified", email=owner.email.upper(), email_verified=True)

    told = await profile(client, await come_back(client, gateway, "verified"))

    assert told["user_id"] == str(owner.user_id)
    assert told["account"]["id"] == str(owner.account_id)


async def test_where_anybody_may_register_a_password_from_before_the_proof_is_void(
    client: httpx.AsyncClient, gateway: Gateway, owner: Person
) -> None:
    gateway.introduce("hijacked", email=owner.email, email_verified=True)
    assert (await come_back(client, gateway, "hijacked")).status_code == 200

    login = await client.post("/api/v1/auth/login", json={"email": owner.email, "password": PASSWORD})

    assert login.status_code == 401
    assert (await owner.client.get(ME)).status_code == 401


async def test_where_only_the_invited_register_their_password_stays(
    settings: Settings, database: Database, gateway: Gateway, owner: Person
) -> None:
    gateway.introduce("linked", email=owner.email, email_verified=True)
    async with server_with(settings, database, registration="invite") as client:
        assert (await come_back(client, gateway, "linked")).status_code == 200
        login = await client.post("/api/v1/auth/login", json={"email": owner.email, "password": PASSWORD})

    assert login.status_code == 200


def server_with(settings: Settings, database: Database, **changes: Any) -> httpx.AsyncClient:
    """A client of a server with other settings."""
    app = create_app(settings.model_copy(update=changes), database)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://testserver")


@pytest.mark.parametrize("claims", [{"email_verified": False}, {}, {"email_verified": "true"}], ids=str)
async def test_an_unverified_address_lets_nobody_in(
    claims: Claims, client: httpx.AsyncClient, gateway: Gateway, owner: Person
) -> None:
    for email in (owner.email, f"{uuid4().hex}@example.com"):
        gateway.introduce(subject := uuid4().hex, email=email, **claims)
        answer = await come_back(client, gateway, subject)
        assert answer.status_code == 400
        assert "verified" in answer.json()["detail"]

    assert (await owner.client.get(ME)).status_code == 200


async def test_without_an_invite_nobody_registers_where_only_the_invited_may(
    settings: Settings, database: Database, gateway: Gateway, owner: Person, somebody: Somebody
) -> None:
    async with server_with(settings, database, registration="invite") as client:
        answer = await come_back(client, gateway, somebody[0])

    assert answer.status_code == 400
    assert "invitation" in answer.json()["detail"]


async def test_an_invite_lets_in_whom_it_is_for(
    settings: Settings, database: Database, gateway: Gateway, owner: Person, somebody: Somebody
) -> None:
    invite = (await owner.client.post("/api/v1/account/invites", json={"email": somebody[1]})).json()
    gateway.introduce("thief", email=f"{uuid4().hex}@example.com", email_verified=True)
    async with server_with(settings, database, registration="invite") as client:
        theft = await come_back(client, gateway, "thief", invite_token=invite["token"])
        told = await profile(client, await come_back(client, gateway, somebody[0], invite_token=invite["token"]))

    assert theft.status_code == 400
    assert told["account"]["id"] == str(owner.account_id)
    assert told["account"]["role"] == "member"


async def test_what_came_back_is_good_once(client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody) -> None:
    begun = await begin(client)
    sent = await asyncio.to_thread(gateway.log_in, begun["authorize_url"], somebody[0])
    body = {"provider": "acme", "code": sent["code"], "state": sent["state"]}
    answers = await asyncio.gather(*(client.post(CALLBACK, json=body) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [200] + 9 * [401]


async def test_a_login_that_failed_cannot_be_tried_again(client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody) -> None:
    begun = await begin(client)
    sent = await asyncio.to_thread(gateway.log_in, begun["authorize_url"], somebody[0])
    wrong = {"provider": "acme", "code": "guess", "state": sent["state"]}

    assert refused(await client.post(CALLBACK, json=wrong))
    assert refused(await client.post(CALLBACK, json=wrong | {"code": sent["code"]}))


async def test_a_state_that_was_not_given_out_is_refused_before_the_provider_is_asked(
    client: httpx.AsyncClient, gateway: Gateway
) -> None:
    assert refused(await client.post(CALLBACK, json={"provider": "acme", "code": "x", "state": "made up"}))
    assert gateway.asked == []


async def test_a_login_is_over_after_ten_minutes(
    client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody, database: Database
) -> None:
    begun = await begin(client)
    sent = await asyncio.to_thread(gateway.log_in, begun["authorize_url"], somebody[0])
    async with database.transaction() as session:
        expires_at = await session.scalar(
            update(OAuthLogin)
            .where(OAuthLogin.state_digest == crypto.digest_secret(sent["state"]))
            .values(expires_at=OAuthLogin.expires_at - timedelta(minutes=10))
            .returning(OAuthLogin.expires_at)
        )

    assert expires_at is not None
    assert abs(expires_at - clock.now()) < timedelta(minutes=1)
    assert refused(await client.post(CALLBACK, json={"provider": "acme", "code": sent["code"], "state": sent["state"]}))


async def test_the_answer_of_one_provider_does_not_pass_for_anothers(
    client: httpx.AsyncClient, gateway: Gateway, other_gateway: Gateway, somebody: Somebody
) -> None:
    begun = await begin(client)
    sent = await asyncio.to_thread(gateway.log_in, begun["authorize_url"], somebody[0])

    assert refused(await client.post(CALLBACK, json={"provider": "other", "code": sent["code"], "state": sent["state"]}))
    assert other_gateway.forms == [], "the code was shown to the wrong provider"


async def test_the_same_subject_of_another_issuer_is_somebody_else(
    client: httpx.AsyncClient, gateway: Gateway, other_gateway: Gateway, somebody: Somebody
) -> None:
    first = await profile(client, await come_back(client, gateway, somebody[0]))
    gateway.introduce(somebody[0], email=f"else-{somebody[1]}", email_verified=True)
    begun = await begin(client, "/api/v1/auth/oauth/other")
    sent = await asyncio.to_thread(other_gateway.log_in, begun["authorize_url"], somebody[0])
    body = {"provider": "other", "code": sent["code"], "state": sent["state"]}

    other = await profile(client, await client.post(CALLBACK, json=body))

    assert other["user_id"] != first["user_id"]


async def test_a_provider_that_is_away_is_unavailable(settings: Settings, database: Database) -> None:
    away = {"acme": OAuthClient(issuer="http://127.0.0.1:9", client_id=CLIENT_ID)}
    async with server_with(settings, database, oauth=away) as client:
        assert (await client.get(OAUTH)).status_code == 503


async def test_no_connection_is_held_while_the_provider_is_asked(
    client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_use: list[int] = []
    call = protocol._call

    async def watched(*arguments: Any, **options: Any) -> httpx.Response:
        pool: Any = database.engine.pool
        in_use.append(pool.checkedout())
        return await call(*arguments, **options)

    monkeypatch.setattr(protocol, "_call", watched)
    assert (await come_back(client, gateway, somebody[0])).status_code == 200

    assert in_use == [0, 0, 0]


async def test_a_login_by_redirect_is_bound_to_the_browser_that_began_it(
    client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody
) -> None:
    bodies = []
    for _ in range(2):
        begun = await client.get(OAUTH, params={"redirect": "true"})
        assert begun.status_code == 302
        kept = begun.headers["set-cookie"]
        assert all(part in kept.lower() for part in ("httponly", "samesite=lax", "secure", "path=/api/v1/auth/callback"))
        sent = await asyncio.to_thread(gateway.log_in, begun.headers["location"], somebody[0])
        bodies.append({"provider": "acme", "code": sent["code"], "state": sent["state"]})
        client.cookies.clear()

    assert refused(await client.post(CALLBACK, json=bodies[0]))
    own = {"Cookie": f"oauth_state={bodies[1]['state']}"}
    assert (await client.post(CALLBACK, json=bodies[1], headers=own)).status_code == 200


async def test_what_the_server_keeps_of_a_login_is_sealed(
    client: httpx.AsyncClient, gateway: Gateway, database: Database
) -> None:
    begun = await begin(client, invite_token="invite_of_somebody")
    nonce = parse_qs(urlsplit(begun["authorize_url"]).query)["nonce"][0]
    async with database.transaction() as session:
        kept = "".join(await session.scalars(text("SELECT row_to_json(o)::text FROM oauth_logins o")))

    assert kept
    for secret in (begun["state"], nonce, "invite_of_somebody"):
        assert secret not in kept


async def test_a_login_leaves_one_entry_and_registering_too(
    client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody
) -> None:
    await come_back(client, gateway, somebody[0])
    last = await come_back(client, gateway, somebody[0])
    own = {"Authorization": f"Bearer {last.json()['access_token']}"}
    log = (await client.get("/api/v1/account/audit-log", headers=own)).json()["results"]

    assert [entry["action"] for entry in log] == ["session.opened", "account.created"]


async def test_a_person_without_a_password_can_set_none_by_guessing(
    client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody
) -> None:
    await come_back(client, gateway, somebody[0])

    for password in ("", "wrong", "None"):
        answer = await client.post("/api/v1/auth/login", json={"email": somebody[1], "password": password})
        assert refused(answer)


async def test_a_revoked_person_does_not_come_in_by_another_door(
    client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody, database: Database
) -> None:
    told = await profile(client, await come_back(client, gateway, somebody[0]))
    async with database.transaction(account_id=told["account"]["id"]) as session:
        found = await session.scalar(select(User.id).where(User.email == somebody[1]))
        await session.execute(update(User).where(User.id == found).values(status="revoked"))

    assert refused(await come_back(client, gateway, somebody[0]))


async def test_who_is_shut_out_while_they_come_back_stays_outside(
    client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody, database: Database
) -> None:
    told = await profile(client, await come_back(client, gateway, somebody[0]))
    async with database.transaction(account_id=told["account"]["id"]) as session:
        await session.execute(update(User).where(User.id == UUID(told["id"])).values(status="revoked"))
        coming = asyncio.create_task(come_back(client, gateway, somebody[0]))
        await somebody_waits(database)

    assert refused(await coming)


async def test_a_provider_that_is_not_configured_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/auth/oauth/google")).status_code == 404
    body = {"provider": "google", "code": "x", "state": "x"}
    assert (await client.post(CALLBACK, json=body)).status_code == 404


async def test_without_a_public_url_nobody_is_sent_away(settings: Settings, database: Database) -> None:
    async with server_with(settings, database, public_url=None) as client:
        answer = await client.get(OAUTH)

    assert answer.status_code == 400
    assert "SPECTRAL_PUBLIC_URL" in answer.json()["detail"]


def test_issuers_are_configured_in_json_and_reached_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECTRAL_OAUTH", '{"acme": {"issuer": "https://id.example", "client_id": "a", "client_secret": "b"}}')
    settings = Settings()
    assert settings.oauth["acme"].issuer == "https://id.example"
    assert '"client_secret": "b"' in settings.environment_of_child(database_url="postgresql://x")["SPECTRAL_OAUTH"]

    monkeypatch.setenv("SPECTRAL_OAUTH", '{"acme": {"issuer": "http://id.example", "client_id": "a"}}')
    with pytest.raises(ValidationError, match="https"):
        Settings()
