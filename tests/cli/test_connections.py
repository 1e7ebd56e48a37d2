"""Requests that do not arrive, on sockets: how long a connection waits for them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from spectral_api.connections import Connection
from spectral_platform.core.settings import Settings

ARRIVAL_S = 0.1
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


def post(size: int) -> bytes:
    """The head of a request with a body of so many bytes."""
    return b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % size


class Desk:
    """An application that tells the size of a body, and begins to read one when it may."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.has_begun = asyncio.Event()
        self.reading = 0
        sized = Route("/", self.tell_size, methods=["GET", "POST"])
        self.asgi = Starlette(routes=[sized, Route("/refusing", self.refuse, methods=["POST"]), Route("/stream", self.stream)])
        self.allow(bytes_per_s=10_000)

    def allow(self, *, bytes_per_s: int, arrival_s: float = ARRIVAL_S) -> None:
        """Let large bodies take their time on connections from now on."""
        self.asgi.state.settings = Settings(request_arrival_s=arrival_s, request_bytes_per_s=bytes_per_s)

    async def tell_size(self, request: Request) -> Response:
        self.has_begun.set()
        self.reading += 1
        try:
            await self.may_read.wait()
            return PlainTextResponse(str(len(await request.body())))
        finally:
            self.reading -= 1

    async def stream(self, _: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"begun"
            await self.may_read.wait()
            yield b"ended"

        return StreamingResponse(parts())

    async def refuse(self, _: Request) -> Response:
        return PlainTextResponse("no", 403)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


@pytest.fixture
async def connect(desk: Desk) -> AsyncIterator[Connect]:
    """Opens connections to the application."""
    config = Config(desk.asgi, log_config=None, ws="none", timeout_keep_alive=1)
    opened: list[asyncio.StreamWriter] = []
    server = await asyncio.get_running_loop().create_server(lambda: Connection(config, ServerState(), {}), "127.0.0.1", 0)

    async def connect() -> Streams:
        streams = await asyncio.open_connection(*server.sockets[0].getsockname())
        opened.append(streams[1])
        return streams

    def abort() -> None:
        for writer in opened:
            writer.transport.abort()

    async with server:
        given_up = asyncio.get_running_loop().call_later(30, abort)  # a timeout here would not be the test's
        yield connect
        given_up.cancel()
        abort()


async def test_a_request_of_which_the_rest_does_not_come_is_refused(connect: Connect, desk: Desk) -> None:
    async def answer_to(part: bytes) -> bytes:
        reader, writer = await connect()
        writer.write(part)
        return await reader.read()

    parts = [b"G", b"GET / HTTP/1.1\r\nHost: here\r\n", post(9), post(9) + b"12"]
    silence, line, *answers = await asyncio.gather(*map(answer_to, [b"", b"\r\n", *parts]))

    assert silence == line == b""  # nothing was asked
    assert [answer.partition(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 408 Request Timeout"] * len(parts)
    assert [answer.count(b"HTTP/1.1") for answer in answers] == [1] * len(parts)
    assert not desk.reading


async def test_bytes_now_and_then_do_not_keep_a_connection(connect: Connect, desk: Desk) -> None:
    reader, writer = await connect()
    writer.write(post(1000))
    answer = asyncio.create_task(reader.readline())
    while not answer.done():
        writer.write(b"x")
        await asyncio.wait([answer], timeout=ARRIVAL_S / 4)

    assert answer.result().startswith(b"HTTP/1.1 408 ")
    assert not desk.reading


async def test_a_body_has_the_time_that_its_size_takes_and_the_next_request_has_its_own(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(post(300_000) + b"x" * 299_999)
    answer = asyncio.create_task(reader.readuntil(b"300000"))
    await asyncio.wait([answer], timeout=2 * ARRIVAL_S)
    writer.write(b"x")
    assert (await answer).startswith(b"HTTP/1.1 200 OK\r\n")

    writer.write(b"GET / ")
    assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_time_in_which_the_server_does_not_read_is_not_the_senders(connect: Connect, desk: Desk) -> None:
    desk.allow(bytes_per_s=10**9)
    desk.may_read.clear()
    reader, writer = await connect()
    writer.write(post(HIGH_WATER_LIMIT + 2) + b"x" * (HIGH_WATER_LIMIT + 1))
    answer = asyncio.create_task(reader.readuntil(str(HIGH_WATER_LIMIT + 2).encode()))
    await asyncio.wait([answer], timeout=3 * ARRIVAL_S)
    writer.write(b"x")
    await asyncio.wait([answer], timeout=ARRIVAL_S)
    desk.may_read.set()

    assert (await answer).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_body_that_was_not_asked_for_yet_is_not_late(connect: Connect, desk: Desk) -> None:
    desk.may_read.clear()
    reader, writer = await connect()
    writer.write(post(1).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    await asyncio.wait([answer], timeout=3 * ARRIVAL_S)
    desk.may_read.set()
    assert await answer == b"HTTP/1.1 100 Continue\r\n\r\n"

    writer.write(b"x")
    assert (await reader.readline()) == b"HTTP/1.1 200 OK\r\n"


async def test_a_request_that_begins_behind_another_does_not_break_into_its_answer(connect: Connect, desk: Desk) -> None:
    desk.may_read.clear()
    reader, writer = await connect()
    writer.write(b"GET /stream HTTP/1.1\r\nHost: here\r\n\r\n")
    await reader.readuntil(b"begun\r\n")
    writer.write(post(2) + b"x")
    answer = asyncio.create_task(reader.readline())
    await asyncio.wait([answer], timeout=3 * ARRIVAL_S)
    desk.may_read.set()
    assert await answer == b"5\r\n"
    assert await reader.readuntil(b"0\r\n\r\n") == b"ended\r\n0\r\n\r\n"

    writer.write(b"x")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"


async def test_a_request_that_begins_with_the_end_of_another_has_a_time_of_its_own(
    connect: Connect, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.allow(bytes_per_s=10_000, arrival_s=10)
    reader, writer = await connect()
    writer.write(post(2) + b"x")
    await desk.has_begun.wait()
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + 9.9)
    writer.write(b"xG")
    await reader.readuntil(b"\r\n\r\n2")
    monkeypatch.setattr(loop, "time", lambda: now() + 10.4)
    for _ in range(3):  # whatever is due by now happens
        await asyncio.sleep(0)

    writer.write(b"ET / HTTP/1.1\r\nHost: here\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"


async def test_a_connection_that_was_refused_before_its_body_came_ends_like_others(connect: Connect) -> None:
    reader, writer = await connect()
    writer.write(post(2).replace(b"/", b"/refusing", 1) + b"x")
    await reader.readuntil(b"\r\n\r\nno")

    writer.write(b"x")
    assert await reader.read() == b""


@pytest.mark.parametrize("announced", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
async def test_a_body_behind_an_offer_to_upgrade_is_refused_and_not_taken_for_none(connect: Connect, announced: bytes) -> None:
    reader, writer = await connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" + announced + b"\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")

    reader, writer = await connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
