"""A server that reads OTLP requests and answers 200 to each: what the senders could reach if storing cost nothing."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import cast

import uvloop

from bench.load import HEAD_END, LENGTH

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"


class NoOp(asyncio.Protocol):
    """One connection. What comes after a request's end is not expected before its answer."""

    def __init__(self) -> None:
        self._head = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is answered to."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Count the body's bytes, and answer when they are all there."""
        if not self._missing:
            self._head += data
            end = self._head.find(HEAD_END)
            if end < 0:
                return
            length = LENGTH.search(self._head, 0, end)
            self._missing = int(length[1]) if length else 0
            data, self._head = self._head[end + len(HEAD_END) :], b""
        self._missing -= len(data)
        if not self._missing:
            self._transport.write(ANSWER)


def _serve(tell: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(NoOp, "127.0.0.1", 0)
        tell.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


@contextmanager
def answering() -> Iterator[str]:
    """The URL of such a server, in a process of its own."""
    hear, tell = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(tell,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{hear.recv()}"
    finally:
        process.terminate()
        process.join()
