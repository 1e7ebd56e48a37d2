"""How many cases an effect needs and how small an effect the cases can show: closed forms for planning.

Both describe the improvement gate: one pre-registered candidate on paired cases, the bound of ``bounds`` at ``alpha``,
80 % power, ``n ≈ (z·sd / Δ)² + p / Δ``. The first term is the t-test's; the second is an empirical fit for the bound's
worst-case pseudo-case, 2.5 at alpha .05, scaled with ln alpha as that case's weight is. It lands within about one grid
step of every simulated cell at alpha .05.
"""

import math
from statistics import NormalDist

PRIOR_RUN_VARIANCE = 0.147
"""Variance between runs of one agent on one case until it is measured: tau-bench airline, gpt-4o, 50 tasks × 4 trials.

Two runs of the unchanged agent disagreed on 29 % of those tasks; the variance between cases was .100 (ICC .40)."""

_POWER = 0.80
_PSEUDO_CASE = 2.5


def spread_of_difference(repeats: int = 1, *, run_variance: float = PRIOR_RUN_VARIANCE, effect_variance: float = 0.0) -> float:
    """Standard deviation of a case's paired difference, ``√(σ²_effect + 2 σ²_run / R)``; pairing removes σ²_case.

    Miller (2024), "Adding Error Bars to Evals", arXiv 2411.00640.
    """
    return math.sqrt(effect_variance + 2 * run_variance / repeats)


def cases_needed(effect: float, spread: float, *, alpha: float = 0.05) -> int:
    """Paired cases that show a mean ``effect`` > 0 in four scans out of five, given the spread of the difference."""
    return math.ceil((_z(alpha) * spread / effect) ** 2 + _pseudo_case(alpha) / effect)


def minimum_detectable_effect(cases: int, spread: float, *, alpha: float = 0.05) -> float | None:
    """Smallest mean effect that so many paired cases show in four scans out of five; None when not even 1 would."""
    if cases < 1:
        return None
    linear = _pseudo_case(alpha)
    # The positive root of n·Δ² − p·Δ − (z·sd)² = 0.
    effect = (linear + math.sqrt(linear**2 + 4 * (_z(alpha) * spread) ** 2 * cases)) / (2 * cases)
    return effect if effect <= 1 else None


def repeats_needed(
    effect: float,
    cases: int,
    *,
    run_variance: float = PRIOR_RUN_VARIANCE,
    effect_variance: float = 0.0,
    alpha: float = 0.05,
    most: int = 5,
) -> int | None:
    """Fewest runs of each case with which so many cases suffice; None when ``most`` do not: more cases are needed."""
    for repeats in range(1, most + 1):
        spread = spread_of_difference(repeats, run_variance=run_variance, effect_variance=effect_variance)
        if cases_needed(effect, spread, alpha=alpha) <= cases:
            return repeats
    return None


def cases_for_clean_quantile(share: float, *, alpha: float = 0.05) -> int:
    """Cases that show their ``share``-quantile to keep to a limit when none of them lies above it: 59 for 95 % at alpha .05.

    ``share``^n < alpha: Wilks (1941), Annals of Mathematical Statistics 12(1).
    """
    return math.ceil(math.log(alpha) / math.log(share))


def _z(alpha: float) -> float:
    """Sum of the normal quantiles of confidence and power: 2.486 at alpha .05."""
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha) + normal.inv_cdf(_POWER)


def _pseudo_case(alpha: float) -> float:
    return _PSEUDO_CASE * math.log(alpha) / math.log(0.05)
