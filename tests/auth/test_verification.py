"""Finding out who asks: in one statement, from the database as it is now, and without writing on the way."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from psycopg import AsyncCursor
from sqlalchemy import select, text

from spectral_api.app import create_app
from spectral_platform.auth.last_uses import LastUses
from spectral_platform.auth.models import LoginSession, RefreshToken
from spectral_platform.auth.queries import HELD_TOKEN, resolve_caller
from spectral_platform.core import clock
from spectral_platform.core.crypto import digest_secret
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from tests.auth.test_sessions import newest_session
from tests.fixtures.callers import PASSWORD, Person
from tests.fixtures.database import run_sql

PING = ";"
"""With which the pool asks whether a connection still lives."""


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that this process sends to a database."""
    sent: list[str] = []
    execute = AsyncCursor.execute

    async def remember(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        if query != PING:
            sent.append(query.decode() if isinstance(query, bytes) else query)
        return await execute(cursor, query, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncCursor, "execute", remember)
        yield sent


async def key_row(owner: Person) -> dict[str, Any]:
    (row,) = (await owner.client.get(f"{owner.w}/keys")).json()["results"]
    return dict(row)


async def test_a_credential_is_verified_in_one_statement(owner: Person, database: Database, settings: Settings) -> None:
    token, key = owner.tokens["access_token"], await owner.key()
    for credential, workspace_id in [(token, None), (token, owner.workspace_id), (key, None), (key, owner.workspace_id)]:
        async with database.transaction() as session:
            with statements() as sent:
                caller = await resolve_caller(session, credential, keyring=settings.keyring, workspace_id=workspace_id)
            assert len(sent) == 1
            assert caller.account_id == owner.account_id
            bound = await session.execute(
                text("SELECT current_setting('spectral.account_id'), current_setting('spectral.workspace_id')")
            )
            assert bound.one() == (str(owner.account_id), str(caller.workspace_id or ""))


async def test_a_refused_credential_leaves_nothing_bound(owner: Person, database: Database, settings: Settings) -> None:
    key = await owner.key()
    run = f"UPDATE api_keys SET revoked_at = now() WHERE account_id = '{owner.account_id}'"
    run_sql(database.url, run)
    with pytest.raises(Exception, match="revoked"):
        async with database.transaction() as session:
            await resolve_caller(session, key, keyring=settings.keyring)

    for _ in range(12):  # whichever pooled connection it was
        async with database.transaction() as session:
            assert (await session.execute(text("SELECT count(*) FROM workspaces"))).scalar_one() == 0


ENDINGS = {
    "key": ("UPDATE api_keys SET revoked_at = now() WHERE account_id = :account", 401, "token-revoked"),
    "expiry": ("UPDATE api_keys SET expires_at = now() WHERE account_id = :account", 401, "token-expired"),
    "session": ("UPDATE login_sessions SET revoked_at = now() WHERE account_id = :account", 401, "token-revoked"),
    "user": ("UPDATE users SET status = 'revoked' WHERE id = :user", 401, "token-revoked"),
    "membership": ("DELETE FROM account_members WHERE user_id = :user", 401, "token-revoked"),
    "account": ("UPDATE accounts SET status = 'suspended' WHERE id = :account", 403, "account-suspended"),
    "deletion": ("UPDATE accounts SET deleted_at = now() WHERE id = :account", 401, ""),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_what_is_taken_away_is_refused_at_once_in_every_process(
    ending: str, owner: Person, database_url: str, settings: Settings
) -> None:
    """Two applications with pools of their own stand for two processes; both have seen the credential work a moment ago."""
    statement, status, slug = ENDINGS[ending]
    by_key, by_token = await owner.key("read:workspace"), owner.tokens["access_token"]
    concerned = {"key": [by_key], "expiry": [by_key], "account": [by_key, by_token], "deletion": [by_key, by_token]}.get(
        ending, [by_token]
    )
    databases = [Database(database_url), Database(database_url)]
    processes = [
        httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(settings, each)), base_url="http://testserver")
        for each in databases
    ]
    for process in processes:
        for credential in concerned:
            assert (await process.get(owner.w, headers=owner.bearing(credential))).status_code == 200

    values = {":account": f"'{owner.account_id}'", ":user": f"'{owner.user_id}'"}
    for name, value in values.items():
        statement = statement.replace(name, value)
    run_sql(database_url, statement)

    for process in processes:
        for credential in concerned:
            answer = await process.get(owner.w, headers=owner.bearing(credential))
            assert answer.status_code == status
            assert answer.json()["type"].endswith(slug)
        await process.aclose()
    for each in databases:
        await each.close()


async def test_a_use_is_noted_without_a_statement_and_written_later(app: FastAPI, owner: Person, database: Database) -> None:
    key = await owner.key("read:workspace")
    uses: LastUses = app.state.last_uses
    await uses.write()
    with statements() as sent:
        assert (await owner.client.get(owner.w, headers=owner.bearing(key))).status_code == 200
    assert [each for each in sent if "last_used_at" in each or each.startswith(("INSERT", "UPDATE"))] == []
    assert (await key_row(owner))["last_used_at"] is None

    await uses.write()

    used_at = datetime.fromisoformat((await key_row(owner))["last_used_at"])
    assert timedelta(0) <= clock.now() - used_at < timedelta(minutes=1)


async def test_uses_are_written_once_a_minute_by_all_processes_together(
    app: FastAPI, owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, now = await owner.key("read:workspace"), clock.now()
    other = LastUses(database)

    async def used(uses: LastUses, *, after: timedelta) -> datetime:
        monkeypatch.setattr(clock, "now", lambda: now + after)
        async with database.transaction() as session:
            uses.note(await resolve_caller(session, key, keyring=app.state.settings.keyring))
        await uses.write()
        return datetime.fromisoformat((await key_row(owner))["last_used_at"])

    uses: LastUses = app.state.last_uses
    first = await used(uses, after=timedelta(0))
    assert await used(uses, after=timedelta(seconds=30)) == first
    assert await used(other, after=timedelta(seconds=59)) == first
    assert await used(other, after=timedelta(seconds=119)) == first + timedelta(seconds=119)
    assert await used(uses, after=timedelta(seconds=121)) == first + timedelta(seconds=119)


async def test_a_session_is_used_by_its_access_token(app: FastAPI, owner: Person, database: Database) -> None:
    body = {"email": owner.email, "password": PASSWORD}
    answer = await owner.client.post("/api/v1/auth/login", json=body)
    opened = await newest_session(database, owner)
    run_sql(database.url, f"UPDATE login_sessions SET last_used_at = now() - interval '1 hour' WHERE id = '{opened.id}'")

    assert (await owner.client.get("/api/v1/auth/me", headers=owner.bearing(answer.json()["access_token"]))).status_code == 200
    uses: LastUses = app.state.last_uses
    await uses.write()

    newest = await newest_session(database, owner)
    assert newest.last_used_at is not None
    assert clock.now() - newest.last_used_at < timedelta(minutes=1)


async def test_what_was_noted_is_written_when_the_server_ends(app: FastAPI, owner: Person) -> None:
    key = await owner.key("read:workspace")
    uses: LastUses = app.state.last_uses
    async with uses.written_behind():
        assert (await owner.client.get(owner.w, headers=owner.bearing(key))).status_code == 200

    assert (await key_row(owner))["last_used_at"] is not None


async def test_an_outage_forgets_uses_and_breaks_nothing(owner: Person, database: Database, settings: Settings) -> None:
    unreachable = Database("postgresql://nobody@127.0.0.1:1/none")
    uses = LastUses(unreachable)
    async with database.transaction() as session:
        caller = await resolve_caller(session, await owner.key(), keyring=settings.keyring)

    uses.note(caller)
    await uses.write()
    uses.note(caller)

    assert list(uses._waiting) == [caller.id]
    await unreachable.close()


async def test_twenty_exchanges_of_one_refresh_token_have_one_winner_whose_session_ends(
    client: httpx.AsyncClient, owner: Person
) -> None:
    body = {"refresh_token": owner.tokens["refresh_token"]}

    answers = await asyncio.gather(*(client.post("/api/v1/auth/refresh", json=body) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert (await client.get("/api/v1/auth/me", headers=owner.bearing(winner["access_token"]))).status_code == 401
    again = await client.post("/api/v1/auth/refresh", json={"refresh_token": winner["refresh_token"]})
    assert again.status_code == 401


async def test_a_workspace_in_the_header_is_checked_with_the_credential(owner: Person, stranger: Person) -> None:
    path = f"{owner.w}/keys"
    for header, status in [(str(owner.workspace_id), 200), (owner.workspace_id.hex, 200), (str(uuid4()), 400), ("x", 400)]:
        answer = await owner.client.get(path, headers={"X-Workspace-Id": header})
        assert answer.status_code == status
    assert (await stranger.client.get(path, headers={"X-Workspace-Id": "x"})).status_code == 404


async def test_a_refresh_token_shows_its_own_row_and_no_other(owner: Person, stranger: Person, database: Database) -> None:
    async with database.transaction() as session:
        assert (await session.scalars(select(RefreshToken))).all() == []
        await session.execute(HELD_TOKEN, {"token_digest": digest_secret(owner.tokens["refresh_token"])})
        assert [each.account_id for each in await session.scalars(select(RefreshToken))] == [owner.account_id]
        assert (await session.scalars(select(LoginSession))).all() == []
