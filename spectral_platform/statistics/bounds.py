"""Confidence bounds on bounded means, proportions and cost ratios; each names its source."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, bdtrik, betaincinv

DRAWS = 20_000
_USUAL_LEVEL = 0.005
_BLOCK = 2_000_000
"""Random numbers held at once, so that memory stays flat (16 MB) however many cases there are."""


@dataclass(frozen=True, eq=False)
class Resampled:
    """A statistic's mean under random weights, drawn often: every bound on it.

    A Bayesian bootstrap with one further case at the worst, or for upper bounds at the best: means w·z with z = sort(values) ∪
    {worst} and w ~ Dirichlet(1, …, 1).
    """

    worst: float
    best: float
    low: NDArray[np.float64]
    """The means with the further case at the worst."""
    high: NDArray[np.float64]
    """The means with the further case at the best."""

    def lower_bound(self, alpha: float) -> float:
        """Lower 1 − ``alpha`` bound on the mean; without cases it is the worst."""
        # A mean of equal points may leave their range by a last digit.
        return float(np.clip(np.quantile(self.low, alpha), self.worst, self.best))

    def upper_bound(self, alpha: float) -> float:
        """Upper 1 − ``alpha`` bound on the mean; without cases it is the best."""
        return -float(np.clip(np.quantile(-self.high, alpha), -self.best, -self.worst))

    def rise_p_value(self) -> float:
        """One-sided p-value that the mean is above 0: the least alpha at which the lower bound is above it, never 0."""
        return float(np.maximum(np.mean(self.low <= 0), 1 / self.low.size))

    def fall_p_value(self) -> float:
        """One-sided p-value that the mean is below 0."""
        return float(np.mean(self.high >= 0))


def draws_at(alpha: float, draws: int = DRAWS) -> int:
    """How many draws a level asks for: a strict one more in proportion, so that its quantile does not rest on a handful."""
    return math.ceil(draws * max(1.0, _USUAL_LEVEL / alpha))


def resample(
    statistics: Mapping[str, ArrayLike], *, seed: int, worst: float = -1.0, best: float = 1.0, draws: int = DRAWS
) -> dict[str, Resampled]:
    """Draw the means of statistics, each of one value per case; the order of its values does not matter.

    Drawing is nearly all of the work, so that statistics of equally many cases share their weights. No level of a bound rests on
    the weights of another one. Raises ``ValueError`` on a value outside [``worst``, ``best``].
    """
    alike: dict[int, dict[str, NDArray[np.float64]]] = defaultdict(dict)
    for name, values in statistics.items():
        observed = np.sort(np.asarray(values, dtype=np.float64))
        if observed.ndim != 1:
            raise ValueError("one value per case")
        if observed.size and not (observed[0] >= worst and observed[-1] <= best):
            raise ValueError(f"values lie in [{worst:g}, {best:g}]")
        alike[observed.size][name] = observed
    found: dict[str, Resampled] = {}
    for cases, sharing in alike.items():
        points = [point for each in sharing.values() for point in (np.append(each, worst), np.append(each[::-1], best))]
        means = iter(_weighted_means(np.stack(points, axis=1), cases + 1, seed, draws).T)
        found |= {name: Resampled(worst, best, low=next(means), high=next(means)) for name in sharing}
    return found


def _weighted_means(points: NDArray[np.float64], width: int, seed: int, draws: int) -> NDArray[np.float64]:
    """Means of every column of points, draws × columns."""
    random = np.random.default_rng(seed)
    blocks = []
    for rows in _blocks(draws, width):
        exponentials = random.standard_exponential((rows, width))
        blocks.append(exponentials @ points / exponentials.sum(axis=1, keepdims=True))
    return np.concatenate(blocks)


def gaffke_lower_bound(
    values: ArrayLike, alpha: float, *, seed: int, worst: float = -1.0, best: float = 1.0, draws: int = DRAWS
) -> float:
    """Lower 1 − ``alpha`` bound on the mean of values in [``worst``, ``best``], one per case.

    The alpha-quantile of ``Resampled`` means. Equals Clopper-Pearson on 0/1 values and nears Student's t for many cases. Its
    coverage is conjectured for every bounded distribution, not proved. Gaffke (2005), "Three test statistics for a nonparametric
    one-sided hypothesis on the mean of a nonnegative variable"; Learned-Miller and Thomas (2019), arXiv 1905.06208.
    """
    drawn = resample({"": values}, seed=seed, worst=worst, best=best, draws=draws_at(alpha, draws))
    return drawn[""].lower_bound(alpha)


def gaffke_upper_bound(
    values: ArrayLike, alpha: float, *, seed: int, worst: float = -1.0, best: float = 1.0, draws: int = DRAWS
) -> float:
    """Upper 1 − ``alpha`` bound on the mean: the lower bound of the values turned round (one further case at best)."""
    drawn = resample({"": values}, seed=seed, worst=worst, best=best, draws=draws_at(alpha, draws))
    return drawn[""].upper_bound(alpha)


def amount_upper_bound(values: ArrayLike, alpha: float, *, seed: int, ceiling: float | None = None, draws: int = DRAWS) -> float:
    """Upper 1 − ``alpha`` bound on the mean of amounts such as costs and times; one per case.

    With a ``ceiling`` that none can exceed it is ``gaffke_upper_bound`` and keeps its level whatever is rare. Without one, its
    further case lies as far above the largest value as that is above the least. No bound can then be sure of values that it has
    not seen (Bahadur and Savage 1956, Annals of Mathematical Statistics 27(4)): where rare ones make the mean, it errs as often
    as none is among the cases and more, and else it keeps its level up to log-normal amounts with a standard deviation of 1.5
    (measured by ``bench.gates``, beside the bootstraps that do not). Raises ``ValueError`` without values.
    """
    amounts = np.asarray(values, dtype=np.float64)
    if not amounts.size:
        raise ValueError("a mean needs at least one value")
    least, most = float(amounts.min()), float(amounts.max())
    best = 2 * most - least if ceiling is None else max(ceiling, most)
    return gaffke_upper_bound(amounts, alpha, seed=seed, worst=least, best=best, draws=draws)


def clopper_pearson_lower(successes: int, trials: int, alpha: float) -> float:
    """Exact lower 1 − ``alpha`` bound on a proportion. Clopper and Pearson (1934), Biometrika 26(4)."""
    return 0.0 if successes == 0 else float(betaincinv(successes, trials - successes + 1, alpha))


def clopper_pearson_upper(successes: int, trials: int, alpha: float) -> float:
    """Exact upper 1 − ``alpha`` bound on a proportion. Clopper and Pearson (1934), Biometrika 26(4)."""
    return 1.0 if successes == trials else float(betaincinv(successes + 1, trials - successes, 1 - alpha))


def quantile_upper_bound(values: ArrayLike, share: float, alpha: float) -> float:
    """Upper 1 − ``alpha`` bound on the ``share``-quantile of whatever the values are drawn from; infinite where they are too few.

    An order statistic: how many values lie up to the quantile is binomial, so that the bound keeps its level whatever the
    distribution. David and Nagaraja (2003), "Order Statistics", section 7.1.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    reached = bdtr(np.arange(ordered.size), ordered.size, share) >= 1 - alpha
    return float(ordered[np.argmax(reached)]) if reached.any() else math.inf


def quantile_lower_bound(values: ArrayLike, share: float, alpha: float) -> float:
    """Lower 1 − ``alpha`` bound on the ``share``-quantile, as the upper one; minus infinity where the values are too few."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    below = int(np.count_nonzero(bdtr(np.arange(ordered.size), ordered.size, share) <= alpha))
    return float(ordered[below - 1]) if below else -math.inf


def cases_for_quantile(share: float, over: float, *, alpha: float = 0.05, most: int = 5_000) -> int | None:
    """Cases whose ``share``-quantile is shown to keep to a limit in four scans of five; None when ``most`` do not suffice.

    ``over`` is the share of values above the limit. Without any, ``power.cases_for_clean_quantile`` says the same.
    """
    cases = np.arange(1, most + 1)
    above = np.ceil(bdtrik(0.8, cases, over)) if over > 0 else np.zeros(most)
    fails = np.flatnonzero(bdtr(above, cases, 1 - share) > alpha)
    return int(cases[fails[-1]]) + 1 if fails[-1] < most - 1 else None


def ratio_upper_bound(
    candidate: Sequence[float], baseline: Sequence[float], alpha: float, *, seed: int, draws: int = DRAWS
) -> float:
    """Upper 1 − ``alpha`` bound on Σ candidate / Σ baseline of paired non-negative amounts, such as costs.

    Percentile bootstrap over pairs: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13.
    Infinite where something is compared with nothing; 1 where both sides are nothing. Raises ``ValueError`` when the
    pairs do not match or there are none.
    """
    sides = np.asarray(candidate, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    cases = sides[0].size
    if sides[1].size != cases:
        raise ValueError("a ratio needs an amount on either side")
    if not cases:
        raise ValueError("a ratio needs at least one pair")
    random = np.random.default_rng(seed)
    drawn = (random.integers(cases, size=(rows, cases)) for rows in _blocks(draws, cases))
    sums = np.concatenate([[side.take(places).sum(axis=1) for side in sides] for places in drawn], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = sums[0] / sums[1]
    ratios[np.isnan(ratios)] = 1.0
    return float(np.quantile(ratios, 1 - alpha, method="higher"))


def _blocks(draws: int, width: int) -> list[int]:
    """Split the draws into blocks of rows that fit in memory."""
    rows = max(1, _BLOCK // width)
    return [min(rows, draws - start) for start in range(0, draws, rows)]
