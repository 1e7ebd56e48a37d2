"""Confidence bounds on bounded means, proportions and cost ratios; each names its source."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

DRAWS = 20_000
_USUAL_LEVEL = 0.005
"""A stricter level gets more draws in proportion, so that its quantile does not rest on a handful."""
_BLOCK = 2_000_000
"""Random numbers held at once, so that memory stays flat (16 MB) however many cases there are."""


def gaffke_lower_bound(
    values: ArrayLike, alpha: float, *, seed: int, worst: float = -1.0, best: float = 1.0, draws: int = DRAWS
) -> float:
    """Lower 1 − ``alpha`` bound on the mean of values in [``worst``, ``best``], one per case.

    A Bayesian bootstrap with one further case at ``worst``: the alpha-quantile of w·z with z = sort(values) ∪ {worst}
    and w ~ Dirichlet(1, …, 1). Equals Clopper-Pearson on 0/1 values and nears Student's t for many cases. Its coverage
    is conjectured for every bounded distribution, not proved. Gaffke (2005), "Three test statistics for a nonparametric
    one-sided hypothesis on the mean of a nonnegative variable"; Learned-Miller and Thomas (2019), arXiv 1905.06208.

    The order of the cases does not matter. Without cases the bound is ``worst``. Raises ``ValueError`` on a value
    outside the interval.
    """
    means = _gaffke_means(values, seed=seed, worst=worst, best=best, draws=math.ceil(draws * max(1.0, _USUAL_LEVEL / alpha)))
    # A mean of equal points may leave their range by a last digit.
    return float(np.clip(np.quantile(means, alpha), worst, best))


def gaffke_upper_bound(
    values: ArrayLike, alpha: float, *, seed: int, worst: float = -1.0, best: float = 1.0, draws: int = DRAWS
) -> float:
    """Upper 1 − ``alpha`` bound on the mean: the lower bound of the values turned round (one further case at best)."""
    turned = -np.asarray(values, dtype=np.float64)
    return -gaffke_lower_bound(turned, alpha, seed=seed, worst=-best, best=-worst, draws=draws)


def gaffke_p_value(values: ArrayLike, *, seed: int, worst: float = -1.0, best: float = 1.0, draws: int = DRAWS) -> float:
    """One-sided p-value that the mean is above 0: the least alpha at which ``gaffke_lower_bound`` is above it."""
    means = _gaffke_means(values, seed=seed, worst=worst, best=best, draws=draws)
    return float(np.mean(means <= 0))


def clopper_pearson_lower(successes: int, trials: int, alpha: float) -> float:
    """Exact lower 1 − ``alpha`` bound on a proportion. Clopper and Pearson (1934), Biometrika 26(4)."""
    return 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, alpha))


def clopper_pearson_upper(successes: int, trials: int, alpha: float) -> float:
    """Exact upper 1 − ``alpha`` bound on a proportion. Clopper and Pearson (1934), Biometrika 26(4)."""
    return 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, 1 - alpha))


def ratio_upper_bound(
    candidate: Sequence[float], baseline: Sequence[float], alpha: float, *, seed: int, draws: int = DRAWS
) -> float:
    """Upper 1 − ``alpha`` bound on Σ candidate / Σ baseline of paired non-negative amounts, such as costs.

    Percentile bootstrap over pairs: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13.
    Infinite where something is compared with nothing; 1 where both sides are nothing. Raises ``ValueError`` when the
    pairs do not match or there are none.
    """
    pairs = np.column_stack([np.asarray(candidate, dtype=np.float64), np.asarray(baseline, dtype=np.float64)])
    if not len(pairs):
        raise ValueError("a ratio needs at least one pair")
    random = np.random.default_rng(seed)
    sums = np.concatenate(
        [random.multinomial(len(pairs), np.full(len(pairs), 1 / len(pairs)), rows) @ pairs for rows in _blocks(draws, len(pairs))]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = sums[:, 0] / sums[:, 1]
    ratios[np.isnan(ratios)] = 1.0
    return float(np.quantile(ratios, 1 - alpha, method="higher"))


def _gaffke_means(values: ArrayLike, *, seed: int, worst: float, best: float, draws: int) -> NDArray[np.float64]:
    observed = np.sort(np.asarray(values, dtype=np.float64))
    if observed.ndim != 1:
        raise ValueError("one value per case")
    if observed.size and not (observed[0] >= worst and observed[-1] <= best):
        raise ValueError(f"values lie in [{worst:g}, {best:g}]")
    points = np.append(observed, worst)
    random = np.random.default_rng(seed)
    return np.concatenate([_dirichlet_means(random, points, rows) for rows in _blocks(draws, points.size)])


def _dirichlet_means(random: np.random.Generator, points: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    exponentials = random.standard_exponential((rows, points.size))
    means: NDArray[np.float64] = exponentials @ points / exponentials.sum(axis=1)
    return means


def _blocks(draws: int, width: int) -> list[int]:
    """Split the draws into blocks of rows that fit in memory."""
    rows = max(1, _BLOCK // width)
    return [min(rows, draws - start) for start in range(0, draws, rows)]
