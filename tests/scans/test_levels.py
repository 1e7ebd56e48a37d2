"""How often the gates accept, by simulation: what is worth nothing no more often than the level, what helps often enough.

Cases pass or fail with a difficulty of their own, Beta(.606, .837), which fits 50 tasks × 4 trials of a tool-using agent.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from spectral_platform.scans.verdicts.bounding import only_look
from spectral_platform.scans.verdicts.gating import conclude
from spectral_platform.scans.verdicts.verdict import Gate
from spectral_platform.workspaces.policies.autonomy import RIGOR, AutonomyMode
from tests.scans.test_regressions import STANDARD, pairs

Array = npt.NDArray[np.float64]
World = Callable[[np.random.Generator], Array]
RIGOR_AT_FIVE_PERCENT = RIGOR[AutonomyMode.RECOMMEND]
SCANS = 250
MOST_FALSE_ACCEPTS = 0.05 + 2 * math.sqrt(0.05 * 0.95 / SCANS)
CANDIDATES = 8
EASE = (0.606, 0.837)
MEAN = EASE[0] / sum(EASE)


def runs(random: np.random.Generator, ease: Array, repeats: int = 1) -> Array:
    passed: Array = random.binomial(repeats, ease) / repeats
    return passed


def differences(random: np.random.Generator, cases: int, *, gain: float = 0.0, repeats: int = 1) -> Array:
    ease = random.beta(*EASE, cases)
    return runs(random, ease + gain * (1 - ease) / (1 - MEAN), repeats) - runs(random, ease, repeats)


def always_easy(random: np.random.Generator) -> Array:
    return runs(random, np.full(50, 0.95)) - runs(random, np.full(50, 0.95))


def helps_some_and_harms_others(random: np.random.Generator) -> Array:
    """Each case's chance to pass goes up or down by as much."""
    ease = random.uniform(0.3, 0.7, 100)
    return runs(random, ease + random.choice([-0.3, 0.3], 100)) - runs(random, ease)


def tiny_gains_with_rare_losses(random: np.random.Generator) -> Array:
    return np.where(random.random(30) < 0.02, -0.98, 0.02)


def small_gains_with_some_losses(random: np.random.Generator) -> Array:
    return np.where(random.random(100) < 0.10, -0.45, 0.05)


def accepts(found: Array, scan: int) -> bool:
    """Whether gate G1 does, at a level of .05."""
    strictness = only_look(len(found), RIGOR_AT_FIVE_PERCENT)
    gates = conclude(pairs(found.tolist()), STANDARD, strictness=strictness).gates
    return all(gate.passed for gate in gates if gate.gate is Gate.IMPROVEMENT)


def share_accepted(world: World) -> float:
    random = np.random.default_rng(20250701)
    return float(np.mean([accepts(world(random), scan) for scan in range(SCANS)]))


@pytest.mark.parametrize(
    "world",
    [
        lambda random: differences(random, 50),
        always_easy,
        helps_some_and_harms_others,
        tiny_gains_with_rare_losses,
        small_gains_with_some_losses,
    ],
    ids=["same agent", "same agent, easy", "mixed", "tiny gains, rare losses", "small gains, some losses"],
)
def test_what_is_worth_nothing_is_accepted_no_more_often_than_the_level(world: World) -> None:
    assert share_accepted(world) <= MOST_FALSE_ACCEPTS


@pytest.mark.parametrize(("gain", "cases", "repeats"), [(0.15, 120, 1), (0.10, 100, 3)])
def test_what_helps_is_found_in_three_scans_of_four(gain: float, cases: int, repeats: int) -> None:
    assert share_accepted(lambda random: differences(random, cases, gain=gain, repeats=repeats)) >= 0.75


def test_the_better_mean_accepts_every_second_change_that_is_worth_nothing_and_nearly_always_the_best_of_eight() -> None:
    """What peers do; it shows that the worlds above are ones in which a gate can err."""
    random = np.random.default_rng(20250701)
    best_on_dev, better = [], []
    for _ in range(4 * SCANS):
        ease = random.beta(*EASE, 50)
        baseline = runs(random, ease)
        means = [float((runs(random, ease) - baseline).mean()) for _ in range(CANDIDATES)]
        best_on_dev.append(max(means) > 0)
        better.append(float(differences(random, 50).mean()) > 0)

    assert np.mean(best_on_dev) >= 0.80
    assert 0.40 <= np.mean(better) <= 0.50
