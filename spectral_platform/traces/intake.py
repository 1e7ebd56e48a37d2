"""Taking in spans from many senders at once: what waits for the database is committed together, and memory is bounded.

Whatever waits for a workspace is stored in one transaction, and all who sent it are told; nothing waits for a moment to come.
While a workspace's transaction is under way, what comes for it waits for the next, or until it is worth one of its own beside
that, so that the database has work while spans are decoded, or until that one takes so long that it seems to wait for a lock.
So a lone request is committed at once, and the busier the server, the more requests share a commit. No two transactions of this
process share a trace, for whose row one would wait for the other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, cast
from uuid import UUID

import psycopg
from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.traces.commands import record_spans
from spectral_platform.traces.errors import Busy
from spectral_platform.traces.space import Space
from spectral_platform.traces.spans import Rejection, SpanDraft

COMMITS_AT_ONCE = 4
COMMITS_OF_A_WORKSPACE = 2
"""So many of them may be of the same one, so that none can hold up all."""
SPANS_TOGETHER = 500
SPANS_APART = 100
"""So many are worth a transaction beside another. With fewer, groups become smaller and all of them together take longer."""
LONG_S = 0.25
"""So long is longer than a transaction takes that waits for nobody, in seconds."""
TRIES = 3

Tenant = tuple[UUID, UUID]


class Hold(Protocol):
    """Memory that is answered for."""

    def __call__(self, size_bytes: int) -> None:
        """Answer for this size from now on. Raises ``Busy`` when memory is spoken for, and then still answers for the old one."""


@dataclass(eq=False, slots=True)
class Arrival:
    """What one request brought, and who waits until it is committed."""

    caller: Caller
    drafts: Sequence[SpanDraft]
    rejections: Sequence[Rejection]
    size_bytes: int
    committed: asyncio.Future[None]
    traces: frozenset[str]


class Line:
    """What waits for a workspace, in the order in which it came, and what of it is being committed."""

    def __init__(self) -> None:
        self.committers: set[asyncio.Task[None]] = set()
        self._waiting: deque[Arrival] = deque()
        self._waiting_spans = 0
        self._committing: list[float] = []
        self._committing_traces: set[str] = set()

    @property
    def is_due(self) -> bool:
        """Whether what waits should be committed beside what is being committed."""
        if not self._waiting or self._waiting_spans >= SPANS_APART:
            return bool(self._waiting)
        long_ago = time.monotonic() - LONG_S
        return all(began_at < long_ago for began_at in self._committing)

    def append(self, arrival: Arrival) -> None:
        """Let one more wait."""
        self._waiting.append(arrival)
        self._waiting_spans += len(arrival.drafts)

    @contextmanager
    def next_group(self) -> Iterator[list[Arrival]]:
        """What has waited longest and whatever else one transaction takes, which is committed in the block.

        Of what shares a trace with another transaction nothing is in it, nor of what came for the same trace later.
        """
        group: list[Arrival] = []
        others: list[Arrival] = []
        spans, taken = 0, set(self._committing_traces)
        while self._waiting and (not spans or spans + len(self._waiting[0].drafts) <= SPANS_TOGETHER):
            arrival = self._waiting.popleft()
            if taken.isdisjoint(arrival.traces):
                spans += len(arrival.drafts)
                group.append(arrival)
            else:  # however many have to wait for a trace, those behind them do not
                others.append(arrival)
                taken |= arrival.traces
        self._waiting.extendleft(reversed(others))
        traces = set[str]().union(*(arrival.traces for arrival in group))
        self._waiting_spans -= sum(len(arrival.drafts) for arrival in group)
        began_at = time.monotonic()
        self._committing.append(began_at)
        self._committing_traces |= traces
        try:
            yield group
        finally:
            self._committing.remove(began_at)
            self._committing_traces -= traces


class Intake:
    """The one way in for spans that are sent to a server. ``most_bytes`` bounds the bodies that are held at the same time."""

    def __init__(self, database: Database, *, most_bytes: int, space: Space | None = None) -> None:
        self._database = database
        self._space = space or Space(database)
        self._most_bytes = most_bytes
        self.held_bytes = 0
        self._lines: dict[Tenant, Line] = {}
        self._turns = asyncio.Semaphore(COMMITS_AT_ONCE)

    @contextmanager
    def hold(self, size_bytes: int) -> Iterator[Hold]:
        """Answer for a body of this size until what it brought is committed. Raises ``Busy`` when memory is spoken for.

        Gives what changes the size, once more is known of it. A body that is alone is never refused.
        """
        own = 0

        def answer_for(size_bytes: int) -> None:
            nonlocal own
            others = self.held_bytes - own
            if size_bytes > own and others and others + size_bytes > self._most_bytes:
                raise Busy
            self.held_bytes, own = others + size_bytes, size_bytes

        answer_for(size_bytes)
        try:
            yield answer_for
        finally:
            self.held_bytes -= own

    async def take(
        self, caller: Caller, *, drafts: Sequence[SpanDraft], rejections: Sequence[Rejection] = (), size_bytes: int
    ) -> None:
        """Store what a request brought. Returns when it is committed, and raises what stood in the way of that."""
        self._space.require()
        traces = frozenset(draft.trace_id for draft in drafts)
        arrival = Arrival(caller, drafts, rejections, size_bytes, asyncio.get_running_loop().create_future(), traces)
        tenant = (caller.account_id, caller.workspace)
        line = self._lines.setdefault(tenant, Line())
        line.append(arrival)
        self._commit_if_due(tenant, line)
        await arrival.committed

    async def drain(self) -> None:
        """Commit what waits."""
        while committers := [committer for line in self._lines.values() for committer in line.committers]:
            await asyncio.gather(*committers)

    def _commit_if_due(self, tenant: Tenant, line: Line) -> None:
        if line.is_due and len(line.committers) < COMMITS_OF_A_WORKSPACE:
            line.committers.add(asyncio.create_task(self._commit_what_waits(tenant, line)))

    async def _commit_what_waits(self, tenant: Tenant, line: Line) -> None:
        is_held_up = False
        while line.is_due and not is_held_up:
            async with self._turns:
                with line.next_group() as group:
                    if group:
                        looking = asyncio.get_running_loop().call_later(2 * LONG_S, self._commit_if_due, tenant, line)
                        try:
                            await self._commit(group)
                        finally:
                            looking.cancel()
                    is_held_up = not group  # whoever commits what it waits for comes back for it
        line.committers.discard(cast("asyncio.Task[None]", asyncio.current_task()))
        if not line.committers:
            del self._lines[tenant]

    async def _commit(self, group: Sequence[Arrival]) -> None:
        error: Exception | None = None
        try:
            await self._record_again_after_deadlocks(group)
        except Exception as failure:
            if len(group) > 1 and not _is_outage(failure):  # one of them may be at fault; the others must not suffer for it
                for arrival in group:
                    await self._commit([arrival])
                return
            error = failure
        for arrival in group:
            _tell(arrival, error)

    async def _record_again_after_deadlocks(self, group: Sequence[Arrival]) -> None:
        """Traces that are deleted while spans of them arrive begin anew, out of the order that locks are taken in."""
        for remaining in reversed(range(TRIES)):
            try:
                return await self._record(group)
            except (psycopg.OperationalError, OperationalError) as error:
                if not remaining or not isinstance(_cause_of(error), DeadlockDetected):
                    raise

    async def _record(self, group: Sequence[Arrival]) -> None:
        caller = group[0].caller
        async with self._database.transaction() as session:
            await record_spans(
                session,
                caller,
                drafts=[draft for arrival in group for draft in arrival.drafts],
                rejections=[rejection for arrival in group for rejection in arrival.rejections],
                size_bytes=sum(arrival.size_bytes for arrival in group),
            )


def _is_outage(error: Exception) -> bool:
    """Whether the database was not reached at all: to ask again for each request would take each as long."""
    if isinstance(error, PoolTimeout):
        return True
    cause = _cause_of(error)
    return isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None


def _cause_of(error: Exception) -> object:
    """What the driver said."""
    return getattr(error, "orig", error)


def _tell(arrival: Arrival, error: Exception | None) -> None:
    """Let whoever waits go on, unless nobody does any more."""
    if arrival.committed.done():
        return
    if error is None:
        arrival.committed.set_result(None)
    else:
        arrival.committed.set_exception(error)
