"""How fast one provider is asked by this process: as many calls at once as it bears, and hardly any while it does not answer.

The number of calls in flight grows by one with every round of answers and is halved when the provider throttles (additive
increase, multiplicative decrease: Chiu and Jain, 1989). After three failures in a row without an answer between them the circuit
opens (Nygard, Release It!, 2007): everybody waits while single calls probe, less and less often, until one is answered. Calls
that were under way together fail together and count as one failure, or one hiccup would open the circuit.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from spectral_platform.core import clock
from spectral_platform.core.errors import SpectralError
from spectral_platform.llm.errors import ProviderGivenUp, ProviderUnavailable

FAILURES_TO_OPEN = 3
FIRST_HOLD_S = 0.5
LONGEST_HOLD_S = 30.0
LONGEST_ASKED_S = 3600.0
"""Whatever a provider asks for: one that asks for ever must not be left for ever."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One call that may be made; times are seconds of a monotonic clock."""

    begun: float
    is_probe: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """A provider that does not answer: since when, and what it said or did last."""

    provider: str
    since: datetime
    problem: str


class Pace:
    """What is known of a provider from its last answers; it decides, and waits for nothing."""

    def __init__(self, name: str, *, most: int, patience_s: float) -> None:
        self.limit = float(most)
        self.in_flight = 0
        self.outage: Outage | None = None
        self._name = name
        self._most = most
        self._patience_s = patience_s
        self._failures = 0
        self._failing_since = math.inf
        self._counted = -math.inf
        self._held_until = -math.inf
        self._is_probing = False

    @property
    def is_out(self) -> bool:
        """Whether the circuit is open."""
        return self.outage is not None

    def wait_s(self, now: float) -> float:
        """Seconds until a call may begin: 0 = now, infinity = when another one has ended."""
        is_full = self._is_probing if self.is_out else self.in_flight >= int(self.limit)
        return math.inf if is_full else max(0.0, self._held_until - now)

    def end_of_patience(self, now: float) -> float:
        """Until when it is worth waiting; the past, where waiting has been given up."""
        end = self._failing_since + self._patience_s
        return -math.inf if self._held_until > end > now else end

    def begin(self, now: float) -> Turn:
        """Count a call as begun."""
        turn = Turn(now, is_probe=self.is_out)
        self.in_flight += 1
        self._is_probing = self._is_probing or turn.is_probe
        return turn

    def succeed(self, turn: Turn) -> None:
        """It answered, if only to refuse the request."""
        self._end(turn)
        self._failures, self._failing_since, self.outage = 0, math.inf, None
        self.limit = min(self._most, self.limit + 1 / self.limit)

    def abandon(self, turn: Turn) -> None:
        """Nobody waited for what came of it."""
        self._end(turn)

    def fail(self, turn: Turn, error: ProviderUnavailable, now: float) -> None:
        """It did not answer, or asks for fewer calls."""
        self._end(turn)
        if turn.begun < self._counted and not turn.is_probe:
            return
        self._counted = now
        self._failures += 1
        self._failing_since = min(self._failing_since, now)
        if error.is_throttled:
            self.limit = max(1.0, self.limit / 2)
        if self._failures >= FAILURES_TO_OPEN:
            since = self.outage.since if self.outage is not None else clock.now()
            self.outage = Outage(self._name, since, error.detail)
        hold_s = min(error.retry_after_s or 0.0, LONGEST_ASKED_S)
        if self.is_out:
            hold_s = max(hold_s, min(LONGEST_HOLD_S, FIRST_HOLD_S * 2 ** (self._failures - FAILURES_TO_OPEN)))
        self._held_until = max(self._held_until, now + hold_s)

    def _end(self, turn: Turn) -> None:
        self.in_flight -= 1
        if turn.is_probe:
            self._is_probing = False


class Line:
    """Those who wait for their turn at one provider, in order."""

    def __init__(self, name: str, *, most: int, patience_s: float) -> None:
        self.name = name
        self.patience_s = patience_s
        self.pace = Pace(name, most=most, patience_s=patience_s)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._called_out = 0

    @asynccontextmanager
    async def turn(self, *, until: float = math.inf) -> AsyncIterator[None]:
        """Hold a turn during the block; what it raises is what came of the call.

        Raises ``ProviderGivenUp`` when the turn does not come before ``until`` (seconds of the monotonic clock), or when the
        provider has not answered for as long as anybody is to wait.
        """
        turn = await self._wait_for_turn(until)
        try:
            yield
        except ProviderUnavailable as error:
            self.pace.fail(turn, error, time.monotonic())
            raise
        except SpectralError:
            self.pace.succeed(turn)
            raise
        except BaseException:
            self.pace.abandon(turn)
            raise
        else:
            self.pace.succeed(turn)
        finally:
            self._wake()

    async def _wait_for_turn(self, until: float) -> Turn:
        is_next = not self._waiting
        while True:
            now = time.monotonic()
            wait_s = self.pace.wait_s(now)
            if is_next and wait_s <= 0:
                turn = self.pace.begin(now)
                if self._waiting and self.pace.wait_s(now) <= 0:
                    self._wake()
                return turn
            end = min(until, self.pace.end_of_patience(now))
            if now >= end:
                self._wake()
                raise self._given_up()
            is_next = await self._called(min(wait_s if is_next else math.inf, end - now), first=is_next)

    async def _called(self, longest_s: float, *, first: bool) -> bool:
        """Stand in line until called, or for so long; whether it is this one's turn to look again."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if first else self._waiting.append)(place)
        is_over = False
        try:
            async with asyncio.timeout(None if longest_s == math.inf else longest_s):
                await place
            is_over = True
        except TimeoutError:
            is_over = True
            return first
        finally:
            if place in self._waiting:
                self._waiting.remove(place)
            elif place.done() and not place.cancelled():
                self._called_out -= 1
            if not is_over:  # cancelled, so the next one's turn may have come
                self._wake()
        return True

    def _wake(self) -> None:
        """Call the first in line; whoever gets a turn leaves a place to look at for the next."""
        free = 1 if self.pace.is_out else int(self.pace.limit) - self.pace.in_flight
        while self._waiting and free > self._called_out:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                self._called_out += 1

    def _given_up(self) -> ProviderGivenUp:
        outage = self.pace.outage
        if outage is None:
            return ProviderGivenUp(f"The provider {self.name} could not take the call in time.")
        return ProviderGivenUp(f"The provider {self.name} has not answered since {outage.since:%H:%M:%S} UTC. {outage.problem}")


class Lines:
    """The lines of one process, one for each address that is asked."""

    def __init__(self, *, most: int, patience_s: float) -> None:
        self._most = most
        self._patience_s = patience_s
        self._lines: dict[tuple[str, str], Line] = {}

    def at(self, name: str, address: str) -> Line:
        """The line of those who wait for this address."""
        return self._lines.setdefault((name, address), Line(name, most=self._most, patience_s=self._patience_s))


_LINES: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[int, float], Lines]] = WeakKeyDictionary()


def lines_of_process(*, most: int, patience_s: float) -> Lines:
    """The lines that all calls of this process share, whichever scan or request they are for."""
    here = _LINES.setdefault(asyncio.get_running_loop(), {})
    return here.setdefault((most, patience_s), Lines(most=most, patience_s=patience_s))
