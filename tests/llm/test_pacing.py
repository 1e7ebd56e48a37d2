"""How calls to one provider are paced: halved when it throttles, held while it is out, probed by one at a time."""

import asyncio
import time

import pytest

from spectral_platform.llm import pacing
from spectral_platform.llm.errors import ProviderRejected, ProviderUnavailable
from spectral_platform.llm.pacing import Line, Pace

THROTTLED = ProviderUnavailable("slow down", is_throttled=True)
DOWN = ProviderUnavailable("down")


def pace(most: int = 8) -> Pace:
    return Pace("acme", most=most, patience_s=60)


def test_a_burst_of_refusals_halves_the_limit_once() -> None:
    paced = pace()
    burst = [paced.begin(0.0) for _ in range(8)]
    assert paced.wait_s(0.0) == float("inf")

    for turn in burst:
        paced.fail(turn, THROTTLED, now=1.0)

    assert (paced.limit, paced.in_flight, paced.outage) == (4, 0, None)


def test_the_limit_comes_back_by_one_with_every_round_of_answers() -> None:
    paced = pace()
    paced.fail(paced.begin(0.0), THROTTLED, now=1.0)
    assert paced.limit == 4

    limits = []
    for _ in range(5):
        for turn in [paced.begin(2.0) for _ in range(int(paced.limit))]:
            paced.succeed(turn)
        limits.append(int(paced.limit))

    assert limits == [4, 5, 6, 7, 8] or limits == [5, 6, 7, 8, 8]
    assert paced.limit <= 8


def test_what_a_provider_asks_to_wait_everybody_waits() -> None:
    paced = pace()
    other = paced.begin(0.0)

    paced.fail(paced.begin(0.0), ProviderUnavailable("later", is_throttled=True, retry_after_s=5), now=1.0)

    assert paced.wait_s(1.0) == 5
    assert paced.wait_s(6.0) == 0
    paced.succeed(other)


def test_a_provider_that_asks_to_be_left_for_ever_is_asked_again() -> None:
    paced = pace()

    paced.fail(paced.begin(0.0), ProviderUnavailable("later", is_throttled=True, retry_after_s=float("inf")), now=1.0)

    assert paced.end_of_patience(1.0) < 1.0  # nobody waits for it now
    assert paced.wait_s(3601.0) == 0


def test_three_failures_in_a_row_open_the_circuit_and_one_answer_closes_it() -> None:
    paced = pace()
    for now in (1.0, 2.0):
        paced.fail(paced.begin(now), DOWN, now=now + 0.5)
        assert not paced.is_out
    paced.fail(paced.begin(3.0), DOWN, now=3.5)

    assert paced.outage is not None
    since = paced.outage.since
    assert paced.wait_s(3.5) == pacing.FIRST_HOLD_S
    probe = paced.begin(4.0)
    assert paced.wait_s(4.0) == float("inf")  # one probe at a time
    paced.fail(probe, DOWN, now=4.1)
    assert paced.wait_s(4.1) == pytest.approx(2 * pacing.FIRST_HOLD_S)  # less and less often
    assert paced.outage.since == since

    paced.succeed(paced.begin(9.0))

    assert paced.wait_s(9.0) == 0
    assert not paced.is_out


def test_an_answer_between_failures_starts_the_count_again() -> None:
    paced = pace()
    for now in range(10):
        paced.fail(paced.begin(float(now)), DOWN, now=now + 0.2)
        paced.succeed(paced.begin(now + 0.3))

    assert paced.outage is None


def test_waiting_is_given_up_when_patience_or_what_the_provider_asks_exceeds_it() -> None:
    paced = pace()
    assert paced.end_of_patience(0.0) == float("inf")
    paced.fail(paced.begin(0.0), DOWN, now=10.0)
    assert paced.end_of_patience(10.0) == 70.0

    paced.fail(paced.begin(11.0), ProviderUnavailable("tomorrow", is_throttled=True, retry_after_s=86_400), now=12.0)

    assert paced.end_of_patience(12.0) == float("-inf")


async def test_no_more_than_the_limit_are_at_it_and_all_get_their_turn() -> None:
    line = Line("acme", most=4, patience_s=60)
    seen: list[int] = []

    async def call(number: int) -> None:
        async with line.turn():
            assert line.pace.in_flight <= 4
            await asyncio.sleep(0)
            seen.append(number)

    await asyncio.gather(*(call(number) for number in range(50)))

    assert seen == list(range(50))
    assert line.pace.in_flight == 0


async def test_who_is_cancelled_in_line_leaves_the_turn_to_the_next() -> None:
    line = Line("acme", most=1, patience_s=60)
    gate = asyncio.Event()
    done: list[str] = []

    async def call(name: str) -> None:
        async with line.turn():
            await gate.wait()
            done.append(name)

    tasks = [asyncio.create_task(call(name)) for name in ("first", "cancelled", "last")]
    await asyncio.sleep(0)
    tasks[1].cancel()
    gate.set()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), timeout=30)

    assert done == ["first", "last"]
    assert line.pace.in_flight == 0


async def test_everybody_waits_for_one_probe_at_a_time_until_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "FIRST_HOLD_S", 0.002)
    line = Line("acme", most=8, patience_s=60)
    asked = probes = 0
    most_probes = 0

    async def call() -> None:
        nonlocal asked, probes, most_probes
        while True:
            try:
                async with line.turn():
                    asked += 1
                    is_down = asked <= 28
                    is_probe = line.pace.outage is not None
                    probes += is_probe
                    most_probes = max(most_probes, probes)
                    await asyncio.sleep(0)
                    probes -= is_probe
                    if is_down:
                        raise DOWN
                return
            except ProviderUnavailable:
                await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(*(call() for _ in range(20))), timeout=30)

    assert most_probes == 1
    assert asked == 48
    assert line.pace.outage is None


async def test_a_call_that_waits_too_long_hears_what_the_provider_said_last() -> None:
    line = Line("acme", most=8, patience_s=0)
    for _ in range(3):
        with pytest.raises(ProviderUnavailable, match="down"):
            async with line.turn():
                raise DOWN

    with pytest.raises(ProviderUnavailable, match=r"The provider acme has not answered since .* down"):
        async with line.turn():
            raise AssertionError("there is no turn to be had")


async def test_a_call_does_not_wait_beyond_its_own_deadline() -> None:
    line = Line("acme", most=1, patience_s=60)
    async with line.turn():
        with pytest.raises(ProviderUnavailable, match="could not take the call in time"):
            async with line.turn(until=time.monotonic() + 0.01):
                raise AssertionError("there is no turn to be had")


async def test_a_refused_request_is_an_answer_of_the_provider() -> None:
    line = Line("acme", most=8, patience_s=60)
    for _ in range(5):
        with pytest.raises(ProviderRejected):
            async with line.turn():
                raise ProviderRejected("no such parameter")

    assert line.pace.outage is None
