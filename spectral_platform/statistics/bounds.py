"""Confidence bounds on bounded means, proportions and cost ratios; each names its source."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import bdtr, bdtrik, betaincinv, ndtri

Numbers = NDArray[np.float64]

_NEGLIGIBLE = 1e-12
"""Beside the largest point: such a point moves a bound by less than is told of it."""
_EXACT = 1e-10
"""How near a bound is to the root that it is, in shares of the interval that it lies in."""
_LEAST = 1e-16
_STEP = 0.15
_PLACES = _STEP * (np.arange(93) + 0.5)
_SINH, _COSH = np.sinh(_PLACES), np.cosh(_PLACES)


def gaffke_lower_bound(values: ArrayLike, alpha: float, *, worst: float = -1.0, best: float = 1.0) -> float:
    """Lower 1 − ``alpha`` bound on the mean of values in [``worst``, ``best``], one per case; without cases it is the worst.

    A Bayesian bootstrap with one further case at the worst: the ``alpha``-quantile of w·z with z = values ∪ {worst} and w ~
    Dirichlet(1, …, 1), by its distribution and not by drawing. Equals Clopper-Pearson on 0/1 values and nears Student's t for
    many cases. Its coverage is conjectured for every bounded distribution, not proved. Gaffke (2005), "Three test statistics for
    a nonparametric one-sided hypothesis on the mean of a nonnegative variable"; Learned-Miller and Thomas (2019), arXiv
    1905.06208.
    Raises ``ValueError`` on a value outside [``worst``, ``best``].
    """
    points = _with_one_more(values, worst, best)
    least, width = points.min(), np.ptp(points)
    if width == 0:
        return float(least)
    shares = (points - least) / width
    level = ndtri(alpha)  # as quantiles of the normal distribution, chances are nearly straight
    bound = brentq(lambda mean: ndtri(_between(_chance_of_no_gain(shares - mean))) - level, 0.0, 1.0, xtol=_EXACT)
    return float(np.clip(least + width * bound, worst, best))  # the last digit may lie outside


def gaffke_upper_bound(values: ArrayLike, alpha: float, *, worst: float = -1.0, best: float = 1.0) -> float:
    """Upper 1 − ``alpha`` bound on the mean: the lower bound of the values turned round (one further case at best)."""
    return -gaffke_lower_bound(_turned(values), alpha, worst=-best, best=-worst)


def rise_p_value(values: ArrayLike, *, worst: float = -1.0, best: float = 1.0) -> float:
    """One-sided p-value that the mean is above 0: the least alpha at which ``gaffke_lower_bound`` is not below it."""
    return _chance_of_no_gain(_with_one_more(values, worst, best))


def fall_p_value(values: ArrayLike, *, worst: float = -1.0, best: float = 1.0) -> float:
    """One-sided p-value that the mean is below 0."""
    return rise_p_value(_turned(values), worst=-best, best=-worst)


def amount_upper_bound(values: ArrayLike, alpha: float, *, ceiling: float | None = None) -> float:
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
    return gaffke_upper_bound(amounts, alpha, worst=least, best=best)


def ratio_upper_bound(candidate: Sequence[float], baseline: Sequence[float], alpha: float) -> float:
    """Upper 1 − ``alpha`` bound on Σ candidate / Σ baseline of paired non-negative amounts, such as costs.

    Percentile of the Bayesian bootstrap over pairs: Rubin (1981), Annals of Statistics 9(1). Infinite where something is compared
    with nothing; 1 where both sides are nothing. Raises ``ValueError`` when the pairs do not match or there are none.
    """
    above, below = np.asarray(candidate, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if above.size != below.size:
        raise ValueError("a ratio needs an amount on either side")
    if not above.size:
        raise ValueError("a ratio needs at least one pair")
    if not below.any():
        return math.inf if above.any() else 1.0
    if not above.any():
        return 0.0
    highest = float(above.sum() / below.sum())
    while _chance_of_no_gain(above - highest * below) < 1 - alpha:
        highest *= 2
    return float(brentq(lambda ratio: _chance_of_no_gain(above - ratio * below) - (1 - alpha), 0.0, highest, rtol=_EXACT))


def _with_one_more(values: ArrayLike, worst: float, best: float) -> Numbers:
    """The values and one more at the worst, in order."""
    observed = np.asarray(values, dtype=np.float64)
    if observed.ndim != 1:
        raise ValueError("one value per case")
    if observed.size and not (observed.min() >= worst and observed.max() <= best):
        raise ValueError(f"values lie in [{worst:g}, {best:g}]")
    return np.sort(np.append(observed, worst))


def _between(chance: float) -> float:
    """The chance, where it is 0 or 1 the nearest that has a quantile."""
    return min(max(chance, _LEAST), 1 - _LEAST)


def _turned(values: ArrayLike) -> Numbers:
    return -np.asarray(values, dtype=np.float64)


def _chance_of_no_gain(points: Numbers) -> float:
    """The probability that w·points ≤ 0 for w ~ Dirichlet(1, …, 1): that of Σ E·points ≤ 0 for standard exponentials E."""
    largest = float(np.abs(points).max())
    points = points / largest if largest else points
    points = np.where(np.abs(points) < _NEGLIGIBLE, 0.0, points)
    if points.max() <= 0:
        return 1.0
    if points.min() >= 0:
        return 0.0
    return _chance_of_gain(-points) if points.sum() > 0 else 1 - _chance_of_gain(points)


def _chance_of_gain(points: Numbers) -> float:
    """The probability that Σ E·points > 0, where some are above 0 and some below; to nine digits of its own.

    With M(s) = Π 1/(1 − s·point) it is 1/2πi ∫ M(s)/s ds, between 0 and the first pole of M and up both ways: Rice (1980), SIAM
    Journal on Scientific and Statistical Computing 1(4). The way crosses the saddle point of the integrand and turns as the
    steepest descent does there, on a hyperbola, on which the trapezoidal rule converges geometrically: Trefethen and Weideman
    (2014), SIAM Review 56(3).
    """
    highest, count = float(points.max()), points.size
    saddle = brentq(
        lambda s: float((points / (1 - s * points)).sum() - 1 / s),
        1 / (2 * count * highest),
        (1 - 1 / (count + 3)) / highest,
        rtol=0.01,
    )
    slopes = points / (1 - saddle * points)
    second = float((slopes**2).sum()) + saddle**-2
    turn = (2 * float((slopes**3).sum()) - 2 * saddle**-3) / (3 * second**1.5)
    way = (1j * _SINH + turn * (_COSH - 1)) / math.sqrt(second)
    speed = (1j * _COSH + turn * _SINH) / math.sqrt(second)
    factors = np.multiply.outer(slopes, way)
    np.subtract(1, factors, out=factors)
    with np.errstate(over="ignore", invalid="ignore"):
        parts = (speed / (factors.prod(axis=0) * (saddle + way))).imag
    parts = parts[np.isfinite(parts)]  # beyond the largest number there is nothing left of the integrand
    return float(_STEP / math.pi * parts.sum() * math.exp(-np.log1p(-saddle * points).sum()))


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
