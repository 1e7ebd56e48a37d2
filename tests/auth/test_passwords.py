"""Changing a password, by the one who knows it and by mail."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import event, text, update

from spectral_api.app import create_app
from spectral_platform.accounts.models import User
from spectral_platform.auth.passwords.models import PasswordReset
from spectral_platform.core import clock, crypto
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Environment, Settings
from spectral_platform.worker.runner import run_worker
from tests.fixtures.callers import PASSWORD, Person, register
from tests.fixtures.mail import MailServer, text_of, token_in
from tests.fixtures.worker import Drain

NEW = "a different horse battery"
LOGIN, RESET, CHANGE = "/api/v1/auth/login", "/api/v1/auth/reset-password", "/api/v1/auth/change-password"


@pytest.fixture
def settings(settings: Settings, mail_server: MailServer) -> Settings:
    return mail_server.settings(settings).model_copy(update={"public_url": "https://spectral.example/"})


@pytest.fixture
def work(work: Drain) -> Drain:
    """Carry out every waiting job, and what those ask for in turn."""

    async def drain() -> None:
        await work()
        await work()

    return drain


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """What is said to the database during the test."""
    said: list[str] = []

    def listen(connection: object, cursor: object, statement: str, *rest: object) -> None:
        said.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", listen)
    yield said
    event.remove(database.engine.sync_engine, "before_cursor_execute", listen)


async def log_in(client: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await client.post(LOGIN, json={"email": email, "password": password})


async def change(person: Person, current: str = PASSWORD, new: str = NEW) -> httpx.Response:
    return await person.client.post(CHANGE, json={"current_password": current, "new_password": new})


async def reset_token(client: httpx.AsyncClient, mail_server: MailServer, work: Drain, email: str) -> str:
    """Ask for a reset and take the token out of the letter."""
    assert (await client.post(RESET, json={"email": email})).status_code == 202
    await work()
    return token_in(mail_server.to(email)[-1])


async def test_a_changed_password_is_the_one_that_works(client: httpx.AsyncClient, owner: Person) -> None:
    assert (await change(owner)).status_code == 204

    assert (await log_in(client, owner.email, PASSWORD)).status_code == 401
    assert (await log_in(client, owner.email, NEW)).status_code == 200


async def test_changing_the_password_ends_every_other_session_and_keeps_this_one(
    client: httpx.AsyncClient, owner: Person
) -> None:
    other = (await log_in(client, owner.email, PASSWORD)).json()

    assert (await change(owner)).status_code == 204

    assert (await client.get("/api/v1/auth/me", headers=owner.bearing(other["access_token"]))).status_code == 401
    spent = await client.post("/api/v1/auth/refresh", json={"refresh_token": other["refresh_token"]})
    assert spent.json()["type"].endswith("/token-revoked")
    assert (await owner.client.get("/api/v1/auth/me")).status_code == 200


async def test_changing_the_password_needs_the_current_one(client: httpx.AsyncClient, owner: Person) -> None:
    answer = await change(owner, current="wrong")

    assert answer.status_code == 401
    assert answer.json()["type"].endswith("/invalid-credentials")
    assert (await log_in(client, owner.email, PASSWORD)).status_code == 200


async def test_a_key_has_no_password_to_change(owner: Person) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW}
    answer = await owner.client.post(CHANGE, json=body, headers=owner.bearing(await owner.key()))

    assert answer.status_code == 403


async def test_a_new_password_has_to_be_good_enough(client: httpx.AsyncClient, owner: Person) -> None:
    answer = await change(owner, new="short")

    assert answer.status_code == 400
    assert (await log_in(client, owner.email, PASSWORD)).status_code == 200


async def test_people_are_told_by_mail_that_their_password_changed(owner: Person, mail_server: MailServer, work: Drain) -> None:
    await change(owner)
    await work()

    [letter] = mail_server.to(owner.email)
    assert letter["Subject"] == "Your Spectral password was changed"


async def test_of_two_changes_at_once_one_wins(client: httpx.AsyncClient, owner: Person) -> None:
    passwords = [f"{NEW} {number}" for number in range(4)]
    answers = await asyncio.gather(*(change(owner, new=new) for new in passwords))

    won = [password for password, answer in zip(passwords, answers, strict=True) if answer.status_code == 204]
    assert len(won) == 1
    assert (await log_in(client, owner.email, won[0])).status_code == 200


async def test_a_letter_brings_a_token_that_sets_a_new_password_once(
    client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain
) -> None:
    token = await reset_token(client, mail_server, work, owner.email)

    first = await client.post(RESET, json={"token": token, "new_password": NEW})
    again = await client.post(RESET, json={"token": token, "new_password": "yet another horse"})

    assert first.status_code == 204
    assert again.status_code == 400
    assert (await log_in(client, owner.email, NEW)).status_code == 200


async def test_a_reset_ends_every_session(client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain) -> None:
    token = await reset_token(client, mail_server, work, owner.email)
    await client.post(RESET, json={"token": token, "new_password": NEW})

    assert (await owner.client.get("/api/v1/auth/me")).status_code == 401
    spent = await client.post("/api/v1/auth/refresh", json={"refresh_token": owner.tokens["refresh_token"]})
    assert spent.status_code == 401


async def test_of_twenty_uses_of_one_token_at_once_one_wins(
    client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain
) -> None:
    token = await reset_token(client, mail_server, work, owner.email)
    bodies = [{"token": token, "new_password": f"{NEW} {number}"} for number in range(20)]
    answers = await asyncio.gather(*(client.post(RESET, json=body) for body in bodies))

    assert sorted(answer.status_code for answer in answers) == [204] + 19 * [400]
    won = next(body for body, answer in zip(bodies, answers, strict=True) if answer.status_code == 204)
    assert (await log_in(client, owner.email, won["new_password"])).status_code == 200


@pytest.mark.parametrize("what", ["password", "email"])
async def test_a_token_is_void_once_what_it_was_for_has_changed(
    what: str, client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain, database: Database
) -> None:
    token = await reset_token(client, mail_server, work, owner.email)
    changed = {"email": f"new-{owner.email}"} if what == "email" else {"password_hash": await crypto.hash_password(NEW)}
    async with database.transaction(account_id=owner.account_id) as session:
        await session.execute(update(User).where(User.id == owner.user_id).values(changed))

    assert (await client.post(RESET, json={"token": token, "new_password": "yet another horse"})).status_code == 400


async def test_changing_the_password_voids_tokens_that_were_sent(
    client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain
) -> None:
    token = await reset_token(client, mail_server, work, owner.email)
    await change(owner)

    assert (await client.post(RESET, json={"token": token, "new_password": "yet another horse"})).status_code == 400


async def test_a_token_is_good_for_an_hour(
    client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain, database: Database
) -> None:
    token = await reset_token(client, mail_server, work, owner.email)
    async with database.transaction() as session:
        promised = await session.scalar(
            update(PasswordReset)
            .where(PasswordReset.digest == crypto.digest_secret(token))
            .values(expires_at=PasswordReset.expires_at - timedelta(hours=1))
            .returning(PasswordReset.expires_at)
        )

    assert promised is not None
    assert abs(promised - clock.now()) < timedelta(minutes=1)
    assert (await client.post(RESET, json={"token": token, "new_password": NEW})).status_code == 400


async def test_no_table_holds_the_token_in_the_clear(
    client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain, database: Database
) -> None:
    mail_server.reply = lambda _: "451 later"
    await client.post(RESET, json={"email": owner.email})
    await work()
    async with database.transaction(account_id=owner.account_id) as session:
        queued = await session.scalars(text("SELECT args::text FROM procrastinate_jobs WHERE task_name = 'mail.send'"))
        resets = await session.scalars(text("SELECT row_to_json(p)::text FROM password_resets p"))
        kept = "".join([*queued, *resets])
        await session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE task_name = 'mail.send'"))

    mail_server.reply = lambda _: None
    await work()
    assert "letter" in kept
    assert "fingerprint" in kept
    assert token_in(mail_server.to(owner.email)[-1]) not in kept
    assert owner.email not in kept


async def test_asking_says_nothing_about_who_is_registered(
    client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain
) -> None:
    known = await client.post(RESET, json={"email": owner.email})
    unknown = await client.post(RESET, json={"email": "nobody-at-all@example.com"})
    await work()

    assert known.status_code == unknown.status_code == 202
    assert known.content == unknown.content
    assert mail_server.to("nobody-at-all@example.com") == []


async def test_asking_does_the_same_in_the_database_whoever_is_asked_about(
    client: httpx.AsyncClient, owner: Person, statements: list[str]
) -> None:
    async def statements_of(email: str) -> list[str]:
        statements.clear()
        await client.post(RESET, json={"email": email})
        return list(statements)

    known, unknown = await statements_of(owner.email), await statements_of("nobody-else@example.com")

    assert known
    assert known == unknown


async def test_a_link_begins_with_the_public_url_whatever_host_the_request_names(
    client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain
) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
    await client.post(RESET, json={"email": owner.email}, headers=evil)
    await work()

    words = text_of(mail_server.to(owner.email)[-1])
    assert "https://spectral.example/api/v1/auth/reset-password" in words
    assert "evil" not in words


async def test_without_a_public_url_the_letter_brings_the_token_and_no_link(
    settings: Settings, database: Database, database_url: str, mail_server: MailServer, owner: Person
) -> None:
    private = settings.model_copy(update={"public_url": None})
    transport = httpx.ASGITransport(app=create_app(private, database))
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
        await client.post(RESET, json={"email": owner.email})
    for _ in range(2):
        await run_worker(private, database_url, until_idle=True)

    words = text_of(mail_server.to(owner.email)[-1])
    assert "http" not in words
    assert "POST /api/v1/auth/reset-password" in words


async def test_a_production_server_without_smtp_refuses_before_it_knows_whom(settings: Settings, database: Database) -> None:
    production = settings.model_copy(update={"environment": Environment.PRODUCTION, "smtp_host": None, "registration": "open"})
    transport = httpx.ASGITransport(app=create_app(production, database))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        somebody = await register(client)
        known = await client.post(RESET, json={"email": somebody.email})
        unknown = await client.post(RESET, json={"email": "nobody@example.com"})
        await somebody.client.aclose()

    assert known.status_code == unknown.status_code == 400
    assert "SPECTRAL_SMTP_HOST" in known.json()["detail"]
    assert known.json()["detail"] == unknown.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [{}, {"email": "x"}, {"token": "rp_x"}, {"email": "a@example.com", "token": "rp_x"}, {"new_password": NEW}, []],
    ids=str,
)
async def test_a_body_is_one_of_the_two_steps(body: object, client: httpx.AsyncClient) -> None:
    assert (await client.post(RESET, json=body)).status_code == 422


async def test_every_change_is_in_the_log_once(
    client: httpx.AsyncClient, owner: Person, mail_server: MailServer, work: Drain
) -> None:
    token = await reset_token(client, mail_server, work, owner.email)
    await client.post(RESET, json={"token": token, "new_password": NEW})
    fresh = (await log_in(client, owner.email, NEW)).json()["access_token"]
    body = {"current_password": NEW, "new_password": PASSWORD}
    await client.post(CHANGE, json=body, headers=owner.bearing(fresh))

    log = await client.get("/api/v1/account/audit-log", headers=owner.bearing(fresh))

    actions = [entry["action"] for entry in log.json()["results"] if entry["action"].startswith("password.")]
    assert actions == ["password.changed", "password.reset", "password.reset_requested"]
    assert owner.email not in log.text


@pytest.mark.parametrize("password", ["iloveyou1", "Password123", "qwertyuiop", "1q2w3e4r5t", "spectral"])
async def test_production_refuses_common_passwords(password: str, settings: Settings, database: Database) -> None:
    production = settings.model_copy(update={"environment": Environment.PRODUCTION, "registration": "open"})
    transport = httpx.ASGITransport(app=create_app(production, database))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        body = {"email": "common@example.com", "password": password, "tenant_name": "Common"}
        answer = await client.post("/api/v1/auth/register", json=body)

    assert answer.status_code == 400
    assert "common" in answer.json()["detail"]
