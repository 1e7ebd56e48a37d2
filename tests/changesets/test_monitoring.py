"""When production has shown a regression: how often by chance, and how soon when there is one."""

from uuid import uuid4

import numpy as np
import pytest

from spectral_platform.changesets.autonomy.monitoring import (
    LEAST_TRACES,
    TOLERANCE,
    Metric,
    Reference,
    Tally,
    find_regression,
    threshold,
    weigh,
)
from spectral_platform.changesets.autonomy.watching import make_references
from spectral_platform.statistics.eprocess import EProcess

AGENT = uuid4()
PEEK = 50
"""Production is looked at after so many traces, again and again."""


def tally(metric: Metric, traces: int, bad: int) -> Tally:
    return Tally(agent_id=AGENT, metric=metric, traces=traces, bad=bad, limit=None)


def first_alarm(random: np.random.Generator, references: tuple[Reference, ...], rates: dict[Metric, float], *, most: int) -> int:
    """After how many traces the watch strikes; ``most`` + 1 = never."""
    bad = dict.fromkeys(rates, 0)
    for seen in range(PEEK, most + 1, PEEK):
        for metric, rate in rates.items():
            bad[metric] += int(random.binomial(PEEK, rate))
        readings = [weigh(reference, tally(reference.metric, seen, bad[reference.metric])) for reference in references]
        if find_regression(references, readings) is not None:
            return seen
    return most + 1


def watch(random: np.random.Generator, before: float, after: float, *, known: int, most: int) -> int:
    """Watch two metrics that are bad at a rate before and at another one after."""
    metrics = (Metric.ERRORS, Metric.LATENCY)
    references = make_references([tally(metric, known, int(random.binomial(known, before))) for metric in metrics])
    return first_alarm(random, references, dict.fromkeys(metrics, after), most=most)


@pytest.mark.parametrize(("rate", "known"), [(0.01, 50), (0.05, 200), (0.3, 1_000), (0.5, 100)])
def test_what_made_nothing_worse_is_hardly_ever_rolled_back(rate: float, known: int) -> None:
    random = np.random.default_rng(20250701)

    alarms = sum(watch(random, rate, rate, known=known, most=800) <= 800 for _ in range(100))

    assert alarms <= 100 * 0.01 + 2 * (100 * 0.01 * 0.99) ** 0.5


def test_what_fails_far_more_often_is_noticed_soon() -> None:
    random = np.random.default_rng(20250701)

    noticed = sorted(watch(random, 0.02, 0.25, known=500, most=400) for _ in range(50))

    assert noticed[25] <= 100
    assert noticed[-1] <= 400


def test_what_is_allowed_is_more_than_was_seen_by_the_bound_and_the_tolerance() -> None:
    errors, slow = make_references([tally(Metric.ERRORS, 1_000, 20), tally(Metric.LATENCY, LEAST_TRACES, 0)])

    assert 0.02 + TOLERANCE[Metric.ERRORS] < errors.allowed < 0.06
    assert 0.10 < slow.allowed < 0.20
    assert threshold([errors, slow]) == 400
    assert make_references([tally(Metric.FEEDBACK, LEAST_TRACES - 1, 0)]) == ()


def test_a_value_that_is_repeated_counts_as_often() -> None:
    one, other = EProcess(), EProcess()
    one.add([0.9, 0.9, -0.1, -0.1, -0.1])
    other.repeat(0.9, 2)
    other.repeat(-0.1, 3)
    other.repeat(0.5, 0)

    assert other.capital == pytest.approx(one.capital)
    assert other.count == one.count == 5
    with pytest.raises(ValueError, match="lie in"):
        other.repeat(1.5, 2)
