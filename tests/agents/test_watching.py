"""Waiting for another config over HTTP."""

import asyncio
import time
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from spectral_platform.core.database import Database, connection_string
from spectral_platform.core.watching import Watch
from tests.agents.factories import add_version, config, create_agent, merge
from tests.fixtures.callers import Person


@pytest.fixture
def watch(app: FastAPI) -> Watch:
    """Where those wait who call the application."""
    found: Watch = app.state.watch
    return found


@pytest.fixture
async def agent(owner: Person) -> dict[str, Any]:
    """An agent whose second version runs nowhere yet."""
    made = await create_agent(owner, config=config())
    await add_version(owner, made, config("Be brief."))
    return made


def waiting(person: Person, agent: dict[str, Any], tag: str, wait_s: int = 30) -> asyncio.Task[httpx.Response]:
    """A request that waits for another config than the one with this entity tag."""
    return asyncio.create_task(
        person.client.get(
            f"{person.w}/agents/{agent['id']}/config", params={"wait_s": wait_s}, headers={"If-None-Match": tag}, timeout=60
        )
    )


async def tag_of(person: Person, agent: dict[str, Any]) -> str:
    return str((await person.client.get(f"{person.w}/agents/{agent['id']}/config")).headers["ETag"])


async def promote(person: Person, agent: dict[str, Any], version: int = 2, label: str = "production") -> None:
    path = f"{person.w}/agents/{agent['id']}/config/versions/{version}/promote"
    assert (await person.client.post(path, json={"label": label})).status_code == 200


async def until_waiting(database: Database, watch: Watch, count: int = 1) -> None:
    """Return when so many wait and each has read what there is."""
    async with asyncio.timeout(20):
        while not (watch.is_listening and watch.waiting == count and database.connections_in_use() == 0):
            await listening(database)


async def listening(database: Database, *, end: bool = False) -> int:
    """How many listen for changes. ``end`` breaks off their connections; only the owner of the database sees those of others."""
    ended = "pg_terminate_backend(pid)" if end else "true"
    found = f"SELECT {ended} FROM pg_stat_activity WHERE query = 'LISTEN spectral_changes' AND datname = current_database()"
    async with await psycopg.AsyncConnection.connect(connection_string(database.url), autocommit=True) as connection:
        return len(await (await connection.execute(found.encode())).fetchall())


async def test_who_holds_the_config_waits_without_a_connection_until_it_changes(
    database: Database, owner: Person, agent: dict[str, Any], watch: Watch
) -> None:
    tag = await tag_of(owner, agent)
    waits = [waiting(owner, agent, tag) for _ in range(60)]
    await until_waiting(database, watch, 60)

    await promote(owner, agent, label="approved")
    await until_waiting(database, watch, 60)
    assert not any(each.done() for each in waits), "another label moved"
    began = time.monotonic()
    await promote(owner, agent)
    answers = await asyncio.gather(*waits)

    assert time.monotonic() - began < 10
    assert {(answer.status_code, answer.json()["version"]) for answer in answers} == {(200, 2)}
    assert watch.waiting == 0


async def test_who_holds_nothing_or_something_older_is_answered_at_once(owner: Person, agent: dict[str, Any]) -> None:
    began = time.monotonic()

    nothing = await owner.client.get(f"{owner.w}/agents/{agent['id']}/config", params={"wait_s": 30})
    older = await waiting(owner, agent, '"older"')

    assert (nothing.status_code, older.status_code) == (200, 200)
    assert time.monotonic() - began < 10


async def test_it_is_304_when_nothing_has_changed_in_time(owner: Person, agent: dict[str, Any], watch: Watch) -> None:
    tag = await tag_of(owner, agent)

    answer = await waiting(owner, agent, tag, wait_s=1)

    assert (answer.status_code, answer.headers["ETag"], watch.waiting) == (304, tag, 0)
    too_long = await owner.client.get(f"{owner.w}/agents/{agent['id']}/config", params={"wait_s": 31})
    assert too_long.status_code == 422


async def test_a_change_through_another_server_is_learned_of(
    server_url: str, database: Database, owner: Person, agent: dict[str, Any]
) -> None:
    headers = owner.bearing(await owner.key()) | {"If-None-Match": await tag_of(owner, agent)}
    async with httpx.AsyncClient(base_url=server_url, headers=headers) as other, asyncio.timeout(30):
        path = f"{owner.w}/agents/{agent['id']}/config"
        wait = asyncio.create_task(other.get(path, params={"wait_s": 30}, timeout=60))
        while not await listening(database):
            assert not wait.done(), wait.result().text

        await promote(owner, agent)

        assert (await wait).json()["version"] == 2


async def test_what_happens_while_the_listening_connection_is_lost_is_not_missed(
    database: Database, owner: Person, agent: dict[str, Any], watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spectral_platform.core.watching.RECONNECT_SECONDS", 0)
    wait = waiting(owner, agent, await tag_of(owner, agent))
    await until_waiting(database, watch)

    assert await listening(database, end=True)
    await promote(owner, agent)

    assert (await wait).json()["version"] == 2


async def test_a_database_that_refuses_to_listen_is_an_outage_like_any_other(
    database: Database, owner: Person, agent: dict[str, Any], watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spectral_platform.core.watching.RECONNECT_SECONDS", 0.01)
    tag = await tag_of(owner, agent)
    with monkeypatch.context() as broken:
        broken.setattr("spectral_platform.core.watching.CHANNEL", "1")  # no name: Postgres refuses the statement
        refused = await waiting(owner, agent, tag, wait_s=1)
        wait = waiting(owner, agent, tag)
        async with asyncio.timeout(20):
            while not watch.waiting:
                await listening(database)
    await until_waiting(database, watch)

    await promote(owner, agent)

    assert refused.status_code == 304
    assert (await wait).json()["version"] == 2


async def test_whoever_waits_learns_that_the_agent_is_gone_or_another_one(
    database: Database, owner: Person, agent: dict[str, Any], watch: Watch
) -> None:
    other = await create_agent(owner)
    by_alias = waiting(owner, agent, await tag_of(owner, agent))
    await until_waiting(database, watch)

    await merge(owner, agent["id"], other["id"])
    merged = await by_alias
    by_alias = waiting(owner, agent, merged.headers["ETag"])
    await until_waiting(database, watch)
    await owner.client.delete(f"{owner.w}/agents/{other['id']}")

    assert (merged.status_code, merged.json()["agent_id"]) == (200, other["id"])
    assert (await by_alias).status_code == 404


async def test_a_server_that_ends_lets_those_who_wait_go(
    database: Database, owner: Person, agent: dict[str, Any], watch: Watch
) -> None:
    wait = waiting(owner, agent, await tag_of(owner, agent))
    await until_waiting(database, watch)

    watch.close()

    assert (await wait).status_code == 304
