"""Gate G5's limits: the objective's constraints and the rubric's minimums, held against the candidate on the holdout."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from spectral_platform.evaluations.limits import LimitCheck, check_limits
from spectral_platform.evaluations.terms import P95, Statistic, p95_of
from spectral_platform.scans.pairing import Pairs
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.verdicts.bounding import Strictness
from spectral_platform.scans.verdicts.verdict import Gate, GateResult
from spectral_platform.statistics.bounds import amount_upper_bound, cases_for_quantile, quantile_lower_bound, quantile_upper_bound


def check_figures(pairs: Pairs, standard: Standard) -> tuple[LimitCheck, ...]:
    """Hold every limit against both arms' figures as they came out."""
    return check_limits(
        standard.limits,
        before={**pairs.baseline_means, **_percentiles(pairs.baseline_answers)},
        after={**pairs.candidate_means, **_percentiles(pairs.candidate_answers)},
    )


def limit_gates(pairs: Pairs, standard: Standard, strictness: Strictness) -> list[GateResult]:
    """What every limit says of one look.

    An upper limit of money, time or tokens needs the bound of its figure: one that only came out below the limit would let
    through every second change that lies exactly on it. Others need the mean.
    """
    results = []
    for check in check_figures(pairs, standard):
        if check.limit.constraint.statistic is Statistic.P95:
            results.append(_percentile_limit(check, pairs, strictness))
        else:
            results.append(_mean_limit(check, pairs, strictness))
    return results


def limit_cases_needed(pairs: Pairs, standard: Standard, strictness: Strictness) -> int | None:
    """Holdout cases that would show the limits of percentiles that are not shown yet; None where nothing would or must."""
    needed = (
        _cases_needed(answers, constraint.value, strictness)
        for constraint in (limit.constraint for limit in standard.limits)
        if constraint.statistic is Statistic.P95 and (answers := pairs.candidate_answers.get(constraint.metric))
        if not constraint.holds(_highest(answers, strictness))
    )
    return max((cases for cases in needed if cases is not None), default=None)


def _cases_needed(answers: Sequence[float | None], limit: float, strictness: Strictness) -> int | None:
    return cases_for_quantile(P95, _count_over(answers, limit) / len(answers), alpha=strictness.last_alpha)


def _count_over(answers: Sequence[float | None], limit: float) -> int:
    """Answers that are not known to keep to the limit."""
    return sum(answer is None or answer > limit for answer in answers)


def _highest(answers: Sequence[float | None], strictness: Strictness) -> float:
    """What the percentile is at most, if what is not known of an answer is at its worst."""
    return quantile_upper_bound([math.inf if answer is None else answer for answer in answers], P95, strictness.alpha)


def _lowest(answers: Sequence[float | None], strictness: Strictness) -> float:
    """What the percentile is at least, if what is not known of an answer is at its best: not to know is no evidence of harm."""
    return quantile_lower_bound([-math.inf if answer is None else answer for answer in answers], P95, strictness.harm_alpha)


def _mean_limit(check: LimitCheck, pairs: Pairs, strictness: Strictness) -> GateResult:
    constraint, held, harm, detail = check.limit.constraint, check.after, check.is_harm, check.sentence
    amounts = pairs.candidate_amounts.get(constraint.metric)
    if amounts and constraint.operator == "<=":
        unknown = f" What {amounts.count(None)} of {len(amounts)} cases took is unknown" if None in amounts else ""
        ceiling = pairs.candidate_ceilings.get(constraint.metric)
        if unknown:  # which may have taken nothing
            harm = harm and not constraint.holds(fmean(amount or 0.0 for amount in amounts))
        if unknown and ceiling is None:
            held = None
            detail += f"{unknown}, and nothing bounds it, so that the limit is not shown to be kept."
        else:
            at_most = [ceiling if amount is None else amount for amount in amounts]
            held = amount_upper_bound([amount for amount in at_most if amount is not None], strictness.alpha, ceiling=ceiling)
            detail += f"{unknown}: at most {ceiling:.4g} each." if unknown else ""
            detail += f" With {1 - strictness.alpha:.2%} confidence it is at most {held:.4g}."
    elif amounts and None in amounts:  # which may have taken nothing, or whatever was needed
        held, harm = fmean(amount or 0.0 for amount in amounts), False
        detail += f" What {amounts.count(None)} of {len(amounts)} cases took is unknown: it is at least {held:.4g}."
    elif constraint.metric in pairs.filled_means:
        lowest, highest = (found.filled_means[constraint.metric] for found in (pairs, pairs.at_best))
        held, at_best = (lowest, highest) if constraint.operator == ">=" else (highest, lowest)
        harm = harm and not constraint.holds(at_best)
        detail += f" With what it leaves open at its worst it is {held:.4g}." if lowest < highest else ""
    return GateResult(
        gate=Gate.HARD_CONSTRAINTS,
        name=check.limit.name,
        value=held,
        threshold=constraint.value,
        passed=check.is_kept and held is not None and constraint.holds(held),
        harm=harm,
        detail=detail,
    )


def _percentile_limit(check: LimitCheck, pairs: Pairs, strictness: Strictness) -> GateResult:
    """A limit that nineteen of twenty answers keep to: shown by the upper bound of the percentile, broken by the lower one."""
    constraint, detail = check.limit.constraint, check.sentence
    answers = pairs.candidate_answers.get(constraint.metric, ())
    highest = _highest(answers, strictness)
    passed = constraint.holds(highest)
    if math.isfinite(highest):
        detail += f" With {1 - strictness.alpha:.2%} confidence it is at most {highest:.4g}."
    elif answers:
        detail += f" {len(answers)} cases cannot bound it with {1 - strictness.alpha:.2%} confidence."
    if answers and not passed:
        unknown = f", or are unknown ({answers.count(None)})" if None in answers else ""
        detail += f" {_count_over(answers, constraint.value)} of {len(answers)} answers lie above the limit{unknown};"
        needed = _cases_needed(answers, constraint.value, strictness)
        detail += f" {needed} cases would show that it is kept." if needed else " more cases would not show that it is kept."
    return GateResult(
        gate=Gate.HARD_CONSTRAINTS,
        name=check.limit.name,
        value=highest if math.isfinite(highest) else None,
        threshold=constraint.value,
        passed=passed,
        harm=check.is_harm and _lowest(answers, strictness) > constraint.value,
        detail=detail,
    )


def _percentiles(answers: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    """The 95th percentiles of what is known, as they came out, by the figures' names: nearest rank."""
    known = {metric: [amount for amount in amounts if amount is not None] for metric, amounts in answers.items()}
    return {
        p95_of(metric): float(np.quantile(amounts, P95, method="inverted_cdf")) for metric, amounts in known.items() if amounts
    }
