"""Confidence bounds on bounded means, proportions and cost ratios; each names its source."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, bdtrik, betaincinv

DRAWS = 20_000
_USUAL_LEVEL = 0.005
"""A stricter level gets more draws in proportion, so that its quantile does not rest on a handful."""
_BLOCK = 2_000_000
"""Random numbers held at once, so that memory stays flat (16 MB) however many cases there are."""


class Resampled:
    """A mean under random weights: every bound on it that rests on the same draws.

    A Bayesian bootstrap with one further case at the worst, or for upper bounds at the best: means w·z with z = sort(values) ∪
    {worst} and w ~ Dirichlet(1, …, 1). Drawing is most of the work; a stricter level draws on where another one stopped.
    The order of the values does not matter. Raises ``ValueError`` on a value outside [``worst``, ``best``].
    """

    def __init__(self, values: ArrayLike, *, seed: int, worst: float = -1.0, best: float = 1.0, draws: int = DRAWS) -> None:
        observed = np.sort(np.asarray(values, dtype=np.float64))
        if observed.ndim != 1:
            raise ValueError("one value per case")
        if observed.size and not (observed[0] >= worst and observed[-1] <= best):
            raise ValueError(f"values lie in [{worst:g}, {best:g}]")
        self._points = np.append(observed, worst), np.append(observed[::-1], best)
        self._random = np.random.default_rng(seed)
        self._means = np.empty((2, 0))
        self._range = worst, best
        self._draws = draws

    def lower_bound(self, alpha: float) -> float:
        """Lower 1 − ``alpha`` bound on the mean; without cases it is the worst."""
        # A mean of equal points may leave their range by a last digit.
        return float(np.clip(np.quantile(self._drawn(0, self._draws_at(alpha)), alpha), *self._range))

    def upper_bound(self, alpha: float) -> float:
        """Upper 1 − ``alpha`` bound on the mean; without cases it is the best."""
        return -float(np.clip(np.quantile(-self._drawn(1, self._draws_at(alpha)), alpha), -self._range[1], -self._range[0]))

    def rise_p_value(self) -> float:
        """One-sided p-value that the mean is above 0: the least alpha at which the lower bound is above it."""
        return float(np.mean(self._drawn(0, self._draws) <= 0))

    def fall_p_value(self) -> float:
        """One-sided p-value that the mean is below 0."""
        return float(np.mean(self._drawn(1, self._draws) >= 0))

    def _draws_at(self, alpha: float) -> int:
        return math.ceil(self._draws * max(1.0, _USUAL_LEVEL / alpha))

    def _drawn(self, side: int, draws: int) -> NDArray[np.float64]:
        missing = draws - self._means.shape[1]
        blocks = [self._more(rows) for rows in _blocks(missing, self._points[0].size)] if missing > 0 else []
        self._means = np.concatenate([self._means, *blocks], axis=1)
        means: NDArray[np.float64] = self._means[side, :draws]
        return means

    def _more(self, rows: int) -> NDArray[np.float64]:
        exponentials = self._random.standard_exponential((rows, self._points[0].size))
        sums = [exponentials @ points for points in self._points]
        means: NDArray[np.float64] = np.stack(sums) / exponentials.sum(axis=1)
        return means


def gaffke_lower_bound(
    values: ArrayLike, alpha: float, *, seed: int, worst: float = -1.0, best: float = 1.0, draws: int = DRAWS
) -> float:
    """Lower 1 − ``alpha`` bound on the mean of values in [``worst``, ``best``], one per case.

    The alpha-quantile of ``Resampled`` means. Equals Clopper-Pearson on 0/1 values and nears Student's t for many cases. Its
    coverage is conjectured for every bounded distribution, not proved. Gaffke (2005), "Three test statistics for a nonparametric
    one-sided hypothesis on the mean of a nonnegative variable"; Learned-Miller and Thomas (2019), arXiv 1905.06208.
    """
    return Resampled(values, seed=seed, worst=worst, best=best, draws=draws).lower_bound(alpha)


def gaffke_upper_bound(
    values: ArrayLike, alpha: float, *, seed: int, worst: float = -1.0, best: float = 1.0, draws: int = DRAWS
) -> float:
    """Upper 1 − ``alpha`` bound on the mean: the lower bound of the values turned round (one further case at best)."""
    return Resampled(values, seed=seed, worst=worst, best=best, draws=draws).upper_bound(alpha)


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


def _blocks(draws: int, width: int) -> list[int]:
    """Split the draws into blocks of rows that fit in memory."""
    rows = max(1, _BLOCK // width)
    return [min(rows, draws - start) for start in range(0, draws, rows)]
