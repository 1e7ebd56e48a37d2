"""Gate G5's limits: the objective's constraints and the rubric's minimums, held against the candidate on the holdout."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from spectral_platform.evaluations.limits import LimitCheck, check_limits
from spectral_platform.evaluations.terms import P95, Statistic, p95_of
from spectral_platform.scans.pairing import Pairs
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.verdicts.bounding import Bounding, Strictness
from spectral_platform.scans.verdicts.verdict import Gate, GateResult
from spectral_platform.statistics.bounds import cases_for_quantile, quantile_lower_bound, quantile_upper_bound


def check_figures(pairs: Pairs, standard: Standard) -> tuple[LimitCheck, ...]:
    """Hold every limit against both arms' figures as they came out."""
    return check_limits(
        standard.limits,
        before={**pairs.baseline_means, **_percentiles(pairs.baseline_answers)},
        after={**pairs.candidate_means, **_percentiles(pairs.candidate_answers)},
    )


def limit_gates(pairs: Pairs, standard: Standard, bounding: Bounding) -> list[GateResult]:
    """What every limit says of one look.

    An upper limit of money, time or tokens needs the bound of its figure: one that only came out below the limit would let
    through every second change that lies exactly on it. Others need the mean.
    """
    results = []
    for check in check_figures(pairs, standard):
        if check.limit.constraint.statistic is Statistic.P95:
            results.append(_percentile_limit(check, pairs, bounding.strictness))
        else:
            results.append(_mean_limit(check, pairs, bounding))
    return results


def limit_cases_needed(pairs: Pairs, standard: Standard, strictness: Strictness) -> int | None:
    """Holdout cases that would show every limit of a percentile to be kept, as often as it was; None where none would."""
    return max((needed for _, needed in _needs(pairs, standard, strictness) if needed is not None), default=None)


def _needs(pairs: Pairs, standard: Standard, strictness: Strictness) -> Iterator[tuple[str, int | None]]:
    for limit in standard.limits:
        constraint = limit.constraint
        if constraint.statistic is Statistic.P95 and (answers := pairs.candidate_answers.get(constraint.metric)):
            yield limit.name, _cases_needed(answers, constraint.value, strictness)


def _cases_needed(answers: Sequence[float], limit: float, strictness: Strictness) -> int | None:
    over = sum(answer > limit for answer in answers) / len(answers)
    return cases_for_quantile(P95, over, alpha=strictness.alpha)


def _mean_limit(check: LimitCheck, pairs: Pairs, bounding: Bounding) -> GateResult:
    constraint, held, detail = check.limit.constraint, check.after, check.sentence
    amounts = pairs.candidate_amounts.get(constraint.metric)
    if amounts and constraint.operator == "<=":
        held = bounding.highest_mean(amounts, constraint.metric)
        detail += f" With {1 - bounding.strictness.alpha:.2%} confidence it is at most {held:.4g}."
    return GateResult(
        gate=Gate.HARD_CONSTRAINTS,
        name=check.limit.name,
        value=held,
        threshold=constraint.value,
        passed=check.is_kept and held is not None and constraint.holds(held),
        harm=check.is_harm,
        detail=detail,
    )


def _percentile_limit(check: LimitCheck, pairs: Pairs, strictness: Strictness) -> GateResult:
    """A limit that nineteen of twenty answers keep to: shown by the upper bound of the percentile, broken by the lower one."""
    constraint, detail = check.limit.constraint, check.sentence
    answers = pairs.candidate_answers.get(constraint.metric, ())
    highest = quantile_upper_bound(answers, P95, strictness.alpha)
    lowest = quantile_lower_bound(answers, P95, strictness.harm_alpha)
    passed = constraint.holds(highest)
    if math.isfinite(highest):
        detail += f" With {1 - strictness.alpha:.2%} confidence it is at most {highest:.4g}."
    elif answers:
        detail += f" {len(answers)} cases cannot bound it with {1 - strictness.alpha:.2%} confidence."
    if answers and not passed:
        needed = _cases_needed(answers, constraint.value, strictness)
        over = sum(answer > constraint.value for answer in answers)
        detail += f" {over} of {len(answers)} answers lie above the limit;"
        detail += f" {needed} cases would show that it is kept." if needed else " more cases would not show that it is kept."
    return GateResult(
        gate=Gate.HARD_CONSTRAINTS,
        name=check.limit.name,
        value=highest if math.isfinite(highest) else None,
        threshold=constraint.value,
        passed=passed,
        harm=check.is_harm and lowest > constraint.value,
        detail=detail,
    )


def _percentiles(answers: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The 95th percentiles as they came out, by the figures' names: nearest rank."""
    return {
        p95_of(metric): float(np.quantile(amounts, P95, method="inverted_cdf")) for metric, amounts in answers.items() if amounts
    }
