import numpy as np
import pytest
from scipy import stats

from spectral_platform.statistics.agreement import mcnemar_exact, measure_run_noise


@pytest.mark.parametrize(("worsened", "improved"), [(0, 0), (0, 5), (5, 0), (7, 3), (200, 180)])
def test_mcnemar_is_the_binomial_tail(worsened: int, improved: int) -> None:
    discordant = worsened + improved
    tail = stats.binomtest(worsened, discordant, alternative="greater").pvalue if discordant else 1.0
    assert mcnemar_exact(worsened, improved) == pytest.approx(tail)


def test_noise_of_a_known_agent_is_recovered() -> None:
    random = np.random.default_rng(8)
    difficulty = random.beta(0.606, 0.837, 4000)
    first, second = ((random.random(4000) < difficulty).astype(float).tolist() for _ in range(2))
    noise = measure_run_noise(first, second)
    assert noise.icc == pytest.approx(0.41, abs=0.05)
    assert noise.run_variance == pytest.approx(0.143, abs=0.02)
    assert noise.disagreement == pytest.approx(2 * noise.run_variance)
    assert noise.cases == 4000


def test_identical_runs_have_no_noise() -> None:
    noise = measure_run_noise([0, 1, 1, 0], [0, 1, 1, 0])
    assert (noise.run_variance, noise.disagreement, noise.icc) == (0, 0, 1)
    assert measure_run_noise([1, 1], [1, 1]).icc == 1


def test_opposite_runs_are_all_noise() -> None:
    noise = measure_run_noise([0, 1, 0, 1], [1, 0, 1, 0])
    assert (noise.disagreement, noise.icc) == (1, 0)


@pytest.mark.parametrize(("first", "second"), [([1.0], [1.0]), ([1.0, 0.0], [1.0])])
def test_noise_needs_two_paired_cases(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="at least two cases"):
        measure_run_noise(first, second)
