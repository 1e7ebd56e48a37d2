import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy import optimize, stats

from spectral_platform.statistics.bounds import gaffke_lower_bound
from spectral_platform.statistics.sequential import BOUNDARIES, LOOKS, nominal_level, plan_looks

POINTS = 2001
Array = npt.NDArray[np.float64]


def spent(alpha: float, share: float) -> float:
    """Lan and DeMets' function of O'Brien and Fleming's type."""
    return float(2 * stats.norm.sf(stats.norm.ppf(1 - alpha / 2) / math.sqrt(share)))


def excess(z: float, mass: Array, grid: Array, share: float, spread: float, target: float) -> float:
    """By how much more than the target the process crosses z at this look, having crossed no earlier boundary."""
    return float(mass @ stats.norm.sf((z * math.sqrt(share) - grid) / spread)) - target


def derive_boundaries(alpha: float, looks: tuple[float, ...]) -> list[float]:
    """The boundaries by recursive integration of the score process: Armitage, McPherson and Rowe (1969), JRSS-A 132(2)."""
    boundaries: list[float] = []
    grid, mass, before, used = np.zeros(1), np.ones(1), 0.0, 0.0
    for share in looks:
        spread = math.sqrt(share - before)
        crossing = (mass, grid, share, spread, spent(alpha, share) - used)
        z = float(optimize.brentq(excess, 0, 10, args=crossing))
        boundaries.append(z)
        new = np.linspace(-8 * math.sqrt(share), z * math.sqrt(share), POINTS)
        weights = np.full(POINTS, 2.0)
        weights[1::2], weights[0], weights[-1] = 4.0, 1.0, 1.0
        density = stats.norm.pdf((new[:, None] - grid[None, :]) / spread) / spread @ mass
        grid, mass, before, used = new, density * weights * (new[1] - new[0]) / 3, share, spent(alpha, share)
    return boundaries


@pytest.mark.parametrize("alpha", sorted(BOUNDARIES))
def test_the_tabulated_boundaries_are_those_of_lan_and_demets(alpha: float) -> None:
    assert derive_boundaries(alpha, LOOKS) == pytest.approx(BOUNDARIES[alpha], abs=2e-4)


@pytest.mark.parametrize(
    ("looks", "published"),
    [
        ((0.5, 1.0), (2.538, 1.662)),
        ((1 / 3, 2 / 3, 1.0), (3.200, 2.141, 1.695)),
        ((0.25, 0.5, 0.75, 1.0), (3.750, 2.540, 2.016, 1.720)),
    ],
)
def test_the_derivation_gives_the_published_boundaries(looks: tuple[float, ...], published: tuple[float, ...]) -> None:
    assert derive_boundaries(0.05, looks) == pytest.approx(published, abs=1e-3)


@pytest.mark.parametrize("alpha", sorted(BOUNDARIES))
def test_looks_get_less_strict_and_together_spend_alpha(alpha: float) -> None:
    levels = [nominal_level(alpha, look) for look in (1, 2, 3)]
    assert all(first < second < alpha for first, second in pairwise([*levels, alpha * 0.999]))
    shares = np.diff([0.0, *LOOKS])
    walks = np.random.default_rng(5).normal(size=(400_000, len(LOOKS))) * np.sqrt(shares)
    z = walks.cumsum(axis=1) / np.sqrt(LOOKS)
    crossed = float((z > np.array(BOUNDARIES[alpha])).any(axis=1).mean())
    assert crossed == pytest.approx(alpha, abs=4 * math.sqrt(alpha / 400_000))


def test_looks_cover_the_cases_in_order_and_end_with_all() -> None:
    for cases in range(200):
        looks = plan_looks(cases, 0.025)
        assert [look.cases for look in looks] == sorted(look.cases for look in looks)
        assert looks[-1].cases == cases
        assert [look.is_last for look in looks] == [False, False, True]
    assert [look.cases for look in plan_looks(94, 0.025)] == [47, 71, 94]


def test_a_level_without_boundaries_is_refused() -> None:
    with pytest.raises(KeyError):
        plan_looks(100, 0.04)


def test_three_looks_at_an_agent_compared_with_itself_accept_no_more_often_than_the_level() -> None:
    random = np.random.default_rng(20250701)
    accepted = 0
    for _ in range(200):
        values = random.binomial(1, 0.42, 100) - random.binomial(1, 0.42, 100).astype(float)
        accepted += any(gaffke_lower_bound(values[: look.cases], look.alpha) > 0 for look in plan_looks(100, 0.05))
    assert accepted / 200 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)
