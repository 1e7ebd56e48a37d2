"""Senders of OTLP bodies in a process of their own; each of their connections sends its next body when the last is answered."""

import asyncio
import gzip
import multiprocessing
import re
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from bench.bodies import Cycle, Sent

VARIANTS = 8
"""So many cycles with texts of their own are shared by the clients."""
RECONNECT_S = 0.2
LAST_ANSWERS_S = 60.0
"""How long after the end of a load an answer may still come."""
SLOW_PIECES, SLOW_PAUSE_S = 40, 0.25
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
RETRY_AFTER = re.compile(rb"(?i)\r\nretry-after: *(\d+)")


@dataclass(frozen=True)
class Load:
    """What is sent where: for so many seconds by so many clients."""

    url: str
    headers: dict[str, str]
    batch: int
    clients: int
    seconds: float
    trace_spans: int = 8
    slow_clients: int = 0
    """So many more clients, each of which takes about ten seconds to send a body."""
    compresses: bool = False
    keeps_ids: bool = False
    """Remember which bodies were acknowledged, and which were sent and not answered."""
    ends_when_lost: bool = False
    """A client whose connection breaks stays away, instead of coming back."""

    def cycle(self, number: int) -> Cycle:
        """The bodies of a client; the same in every process."""
        return Cycle(self.batch, self.trace_spans, number % VARIANTS)


@dataclass
class Outcome:
    """What came of a load."""

    requests: int = 0
    """Answered with 200."""
    spans: int = 0
    """In these requests, without those that the answers call rejected."""
    rejected: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    retry_after: int = 0
    """Answers of 503 that say when to come again."""
    connections_lost: int = 0
    unanswered: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    latencies: "array[float]" = field(default_factory=lambda: array("d"))
    """Of the requests answered with 200, in seconds."""
    acknowledged: list[tuple[int, Sent]] = field(default_factory=list)
    unfinished: list[tuple[int, Sent]] = field(default_factory=list)
    """By number of the client, whose cycle the ids belong to."""

    @property
    def failures(self) -> int:
        """Requests that were not acknowledged."""
        return sum(self.statuses.values()) - self.statuses[200] + self.connections_lost + self.unanswered


class Run:
    """One load under way."""

    def __init__(self, load: Load) -> None:
        self.load, self.outcome = load, Outcome()
        parts = urlsplit(load.url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        headers = {"Host": parts.netloc, "Content-Type": "application/x-protobuf"} | load.headers
        if load.compresses:
            headers["Content-Encoding"] = "gzip"
        lines = [f"POST {parts.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "Content-Length: "]
        self.head = "\r\n".join(lines).encode()
        self.cycles = [load.cycle(number) for number in range(min(VARIANTS, load.clients + load.slow_clients))]
        self.deadline = 0.0
        self.active: set[Client] = set()
        self.over = asyncio.Event()

    async def finish(self) -> Outcome:
        """Send until the time is over and every answer is there."""
        loop, busy = asyncio.get_running_loop(), time.process_time()
        started = loop.time()
        self.deadline = started + self.load.seconds
        count = self.load.clients + self.load.slow_clients
        self.active = {Client(self, number, is_slow=number >= self.load.clients) for number in range(count)}
        for client in list(self.active):
            client.connect()
        try:
            await asyncio.wait_for(self.over.wait(), self.load.seconds + LAST_ANSWERS_S)
        except TimeoutError:
            self.outcome.unanswered = len(self.active)
            for client in list(self.active):
                client.leave(unfinished=True)
        self.outcome.seconds = loop.time() - started
        self.outcome.cpu_seconds = time.process_time() - busy
        return self.outcome

    def left(self, client: "Client") -> None:
        """One client fewer."""
        self.active.discard(client)
        if not self.active:
            self.over.set()


class Client(asyncio.Protocol):
    """One connection, and another when that is lost."""

    def __init__(self, run: Run, number: int, *, is_slow: bool) -> None:
        self._run, self._number, self._is_slow = run, number, is_slow
        self._loop = asyncio.get_running_loop()
        self._bodies = run.cycles[number % len(run.cycles)].stream()
        self._transport: asyncio.Transport | None = None
        self._sent: Sent | None = None
        self._request = b""
        self._unsent = memoryview(b"")
        self._answer = b""
        self._started = 0.0
        self._is_over = False

    def connect(self) -> None:
        """Open a connection; sending begins when it stands."""
        task = self._loop.create_task(self._connect())
        task.add_done_callback(lambda _: None)

    async def _connect(self) -> None:
        try:
            await self._loop.create_connection(lambda: self, self._run.host, self._run.port)
        except OSError:
            self._lost()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport, self._answer = cast(asyncio.Transport, transport), b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Come back, or not."""
        self._transport = None
        if not self._is_over:
            self._lost()

    def data_received(self, data: bytes) -> None:
        """Wait until the answer is complete, then look at it."""
        self._answer = answer = self._answer + data if self._answer else data
        end = answer.find(HEAD_END)
        if end < 0:
            return
        length = LENGTH.search(answer, 0, end)
        body = answer[end + len(HEAD_END) :]
        if len(body) >= (int(length[1]) if length else 0):
            self._answer = b""
            self._answered(int(answer[9:12]), answer[:end], body)

    def leave(self, *, unfinished: bool = False) -> None:
        """End for good."""
        self._is_over = True
        if unfinished and self._sent is not None and self._run.load.keeps_ids:
            self._run.outcome.unfinished.append((self._number, self._sent))
        if self._transport is not None:
            self._transport.close()
        self._run.left(self)

    def _next(self) -> None:
        if self._loop.time() >= self._run.deadline:
            self.leave()
            return
        self._sent, body = next(self._bodies)
        if self._run.load.compresses:
            body = gzip.compress(body, compresslevel=1)
        self._request = b"%b%d\r\n\r\n%b" % (self._run.head, len(body), body)
        self._send()

    def _send(self) -> None:
        if self._transport is None or self._is_over:
            return
        self._started = self._loop.time()
        if self._is_slow:
            self._unsent = memoryview(self._request)
            self._trickle()
        else:
            self._transport.write(self._request)

    def _trickle(self) -> None:
        if self._transport is None or not self._unsent:
            return
        size = max(len(self._request) // SLOW_PIECES, 1)
        self._transport.write(bytes(self._unsent[:size]))
        self._unsent = self._unsent[size:]
        self._loop.call_later(SLOW_PAUSE_S, self._trickle)

    def _answered(self, status: int, head: bytes, body: bytes) -> None:
        outcome = self._run.outcome
        outcome.statuses[status] += 1
        if status == 200:
            outcome.requests += 1
            outcome.latencies.append(self._loop.time() - self._started)
            rejected = ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans if body else 0
            outcome.rejected += rejected
            outcome.spans += self._run.load.batch - rejected
            if self._run.load.keeps_ids and self._sent is not None:
                outcome.acknowledged.append((self._number, self._sent))
            self._next()
            return
        wait = RETRY_AFTER.search(head)
        outcome.retry_after += status == 503 and wait is not None
        if self._unsent:  # answered before all was sent: the rest would be taken for another request
            self._unsent = memoryview(b"")
            if self._transport is not None:
                self._transport.close()
            return
        pause = float(wait[1]) if wait else RECONNECT_S
        if self._loop.time() + pause >= self._run.deadline:
            self.leave(unfinished=True)
        else:
            self._loop.call_later(pause, self._send)

    def _lost(self) -> None:
        """The connection could not be made, or broke."""
        self._run.outcome.connections_lost += 1
        if self._run.load.ends_when_lost or self._loop.time() >= self._run.deadline:
            self.leave(unfinished=True)
            return
        if self._sent is not None and self._run.load.keeps_ids:
            self._run.outcome.unfinished.append((self._number, self._sent))
        self._sent, self._unsent = None, memoryview(b"")
        self._loop.call_later(RECONNECT_S, self.connect)


def send(load: Load) -> Outcome:
    """Carry out a load in this process."""

    async def run() -> Outcome:
        return await Run(load).finish()

    return uvloop.run(run())


@contextmanager
def generator(processes: int = 1) -> Iterator[ProcessPoolExecutor]:
    """Processes beside this one to carry out loads in, one load each at a time: ``submit(send, load)``."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool
