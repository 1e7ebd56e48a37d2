"""A scan's events as a stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from fastapi import FastAPI

from spectral_api.v1.scans import streaming
from spectral_platform.core.database import Database
from spectral_platform.core.watching import Watch
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import Scannable, make_scannable

STREAM = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class Message:
    """One server-sent event."""

    id: int
    event: str
    data: dict[str, Any]


async def messages(answer: httpx.Response) -> AsyncIterator[Message]:
    """The events of a stream as they arrive."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif fields.get("id"):
            yield Message(int(fields["id"]), fields["event"], orjson.loads(fields["data"]))
            fields = {}


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    return await make_scannable(owner, database, samples=20)


async def test_events_are_sent_as_they_happen_and_the_stream_ends_with_the_scan(
    scannable: Scannable, work: Drain, origin: str, app: FastAPI
) -> None:
    started = await scannable.start()
    path = f"{scannable.owner.w}/scans/{started['scan_id']}"
    headers = {**STREAM, "Authorization": scannable.owner.client.headers["Authorization"]}
    async with (
        httpx.AsyncClient(base_url=origin, timeout=60) as client,
        client.stream("GET", f"{path}/events", headers=headers) as live,
    ):
        assert live.headers["Content-Type"].startswith("text/event-stream")
        following = messages(live)
        working = asyncio.ensure_future(work())
        seen = [await anext(following)]
        assert not working.done(), "the first event came while the scan ran"
        seen += [message async for message in following]
        await working

    listed = (await scannable.get(f"scans/{started['scan_id']}/events?limit=200"))["results"]
    assert [message.id for message in seen] == list(range(1, len(listed) + 1))
    assert [message.data for message in seen] == listed
    assert seen[-1].event == "scan_completed"
    watch: Watch = app.state.watch
    assert watch.waiting == 0


async def test_who_comes_back_gets_what_came_after_the_last_event(scannable: Scannable, work: Drain) -> None:
    started = await scannable.start()
    await work()
    path = f"{scannable.owner.w}/scans/{started['scan_id']}/events"
    total = (await scannable.owner.client.get(path)).json()["pagination"]["total"]

    answer = await scannable.owner.client.get(path, headers={**STREAM, "Last-Event-ID": str(total - 2)})
    nothing = await scannable.owner.client.get(path, headers={**STREAM, "Last-Event-ID": str(total)})
    wrong = await scannable.owner.client.get(path, headers={**STREAM, "Last-Event-ID": "yesterday"})

    assert [message.id async for message in messages(answer)] == [total - 1, total]
    assert nothing.content == b""
    assert wrong.status_code == 422


async def test_a_scan_that_is_cancelled_before_it_runs_ends_its_stream(
    scannable: Scannable, database: Database, app: FastAPI
) -> None:
    started = await scannable.start()
    path = f"{scannable.owner.w}/scans/{started['scan_id']}"
    following = asyncio.create_task(scannable.owner.client.get(f"{path}/events", headers=STREAM))
    watch: Watch = app.state.watch
    async with asyncio.timeout(20):
        while not (watch.is_listening and watch.waiting and database.connections_in_use() == 0):
            await scannable.get(f"scans/{started['scan_id']}")
        assert (await scannable.owner.client.post(f"{path}/cancel")).status_code == 202
        assert (await following).status_code == 200


async def test_who_is_no_longer_let_in_is_told_nothing_more(
    scannable: Scannable, database: Database, work: Drain, app: FastAPI
) -> None:
    owner, started = scannable.owner, await scannable.start()
    path = f"{owner.w}/scans/{started['scan_id']}"
    bearing = owner.bearing(await owner.key("read:workspace"))
    (key,) = (await owner.client.get(f"{owner.w}/keys")).json()["results"]
    following = asyncio.create_task(owner.client.get(f"{path}/events", headers=STREAM | bearing))
    watch: Watch = app.state.watch
    async with asyncio.timeout(20):
        while not (watch.is_listening and watch.waiting and database.connections_in_use() == 0):
            await scannable.get(f"scans/{started['scan_id']}")
        assert (await owner.client.delete(f"{owner.w}/keys/{key['id']}")).status_code == 204
    await work()

    assert (await following).content == b""
    assert (await scannable.get(f"scans/{started['scan_id']}/events"))["results"]


async def test_a_workspace_has_so_many_streams_and_takes_none_from_another(
    scannable: Scannable, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "FOLLOWERS_AT_ONCE", 2)
    started = await scannable.start()
    path = f"{scannable.owner.w}/scans/{started['scan_id']}"

    async def nothing() -> AsyncGenerator[bytes]:
        yield b""

    mine = scannable.owner.workspace_id
    open_streams = [await streaming.bound_stream(app.state.streams, mine, nothing()) for _ in range(2)]
    refused = await scannable.owner.client.get(f"{path}/events", headers=STREAM)
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (429, "rate-limited")
    assert refused.headers["Retry-After"]
    assert (await scannable.owner.client.get(f"{path}/events")).status_code == 200
    other = await streaming.bound_stream(app.state.streams, uuid4(), nothing())
    await other.aclose()

    await open_streams.pop().aclose()
    await scannable.owner.client.post(f"{path}/cancel")
    assert (await scannable.owner.client.get(f"{path}/events", headers=STREAM)).status_code == 200
    await open_streams.pop().aclose()
    assert app.state.streams == {}


async def test_a_stream_of_another_workspaces_scan_is_not_found(scannable: Scannable, stranger: Person) -> None:
    started = await scannable.start()
    path = f"{scannable.owner.w}/scans/{started['scan_id']}/events"
    assert (await stranger.client.get(path, headers=STREAM)).status_code == 404
