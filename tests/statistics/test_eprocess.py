import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_platform.statistics.eprocess import STAKES, EProcess

values = st.lists(st.floats(-1, 1), max_size=60)


@settings(max_examples=100)
@given(values)
def test_the_capital_is_the_mean_of_the_bettors_products(observed: list[float]) -> None:
    expected = np.mean([np.prod([1 + stake * value for value in observed]) for stake in STAKES])
    assert EProcess().add(observed) == pytest.approx(float(expected))


@settings(max_examples=50)
@given(values, st.integers(0, 60))
def test_it_does_not_matter_in_how_many_parts_the_values_come(observed: list[float], cut: int) -> None:
    parts, whole = EProcess(), EProcess()
    parts.add(observed[:cut])
    parts.add(observed[cut:])
    whole.add(observed)
    assert parts.capital == pytest.approx(whole.capital)
    assert parts.count == whole.count == len(observed)


def test_watching_forever_an_unchanged_agent_raises_the_alarm_no_more_often_than_alpha() -> None:
    random = np.random.default_rng(11)
    runs, steps = 2000, 400
    differences = random.binomial(1, 0.42, (runs, steps)) - random.binomial(1, 0.42, (runs, steps))
    capital = np.mean([np.cumprod(1 + stake * differences, axis=1) for stake in STAKES], axis=0)
    alarms = float((capital.max(axis=1) >= 20).mean())
    assert alarms <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)


def test_a_real_loss_is_noticed_and_the_capital_stays_a_number() -> None:
    watch = EProcess()
    assert not watch.rejects(0.05)
    losses = np.random.default_rng(2).normal(-0.2, 0.3, 300).clip(-1, 1)
    watch.add(-losses)
    assert watch.rejects(0.05)
    watch.add([1.0] * 10_000)
    assert math.isfinite(watch.capital)


def test_a_value_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        EProcess().add([1.5])
