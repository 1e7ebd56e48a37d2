"""Requests that do not arrive, on sockets: how long a connection waits for them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
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
        self.reading = 0
        self.asgi = Starlette(routes=[Route("/", self.tell_size, methods=["GET", "POST"])])
        self.allow(bytes_per_s=10_000)

    def allow(self, *, bytes_per_s: int) -> None:
        """Let large bodies take their time on connections from now on."""
        self.asgi.state.settings = Settings(request_arrival_s=ARRIVAL_S, request_bytes_per_s=bytes_per_s)

    async def tell_size(self, request: Request) -> Response:
        self.reading += 1
        try:
            await self.may_read.wait()
            return PlainTextResponse(str(len(await request.body())))
        finally:
            self.reading -= 1


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

    async with server, asyncio.timeout(30):
        yield connect
        for writer in opened:
            writer.close()


async def test_a_request_of_which_the_rest_does_not_come_is_refused(connect: Connect, desk: Desk) -> None:
    async def answer_to(part: bytes) -> bytes:
        reader, writer = await connect()
        writer.write(part)
        return await reader.read()

    parts = [b"G", b"GET / HTTP/1.1\r\nHost: here\r\n", post(9), post(9) + b"12"]
    silence, *answers = await asyncio.gather(*map(answer_to, [b"", *parts]))

    assert silence == b""  # nothing was asked
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
