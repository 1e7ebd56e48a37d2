"""The gates: every statistic of a verdict, computed from the holdout's pairs. Imported by worker processes only."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from pydantic import JsonValue

from spectral_platform.core.randomness import derive
from spectral_platform.core.values import Value
from spectral_platform.evaluations.limits import check_limits
from spectral_platform.scans.pairing import Pairs
from spectral_platform.scans.quoting import ALPHA, MINIMUM_PAIRS
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.verdict import Effect, Gate, GateResult, Need
from spectral_platform.statistics.agreement import mcnemar_exact
from spectral_platform.statistics.bounds import gaffke_lower_bound, gaffke_upper_bound, ratio_upper_bound
from spectral_platform.statistics.power import cases_needed, repeats_needed

NO_CHANGE_ALPHA = 0.05
HARM_ALPHA = 0.05
MEANINGFUL_EFFECT = 0.02
MOST_UNSCORED = 0.05
TOLERANCE_MANY, TOLERANCE_FEW, MANY_CASES = 0.05, 0.10, 160
PLANNED_EFFECT = 0.05


class Bounds(Value):
    """A mean paired difference with its bounds."""

    mean: float
    lower: float
    upper: float
    n: int


def bound(differences: Sequence[float], *, name: str, seed: int, alpha: float = ALPHA) -> Bounds:
    """Mean, lower bound at ``alpha`` and upper bound at .05 of the paired differences in [−1, 1]."""
    if not differences:
        return Bounds(mean=0.0, lower=-1.0, upper=1.0, n=0)
    return Bounds(
        mean=fmean(differences),
        lower=gaffke_lower_bound(differences, alpha, seed=derive(seed, "bound", name)),
        upper=gaffke_upper_bound(differences, NO_CHANGE_ALPHA, seed=derive(seed, "bound", name)),
        n=len(differences),
    )


def tolerance(cases: int) -> float:
    """How much an authority may seem to lose: many cases can prove a narrower margin."""
    return TOLERANCE_MANY if cases >= MANY_CASES else TOLERANCE_FEW


def missing_evidence(pairs: Pairs, *, judge_untrusted: bool) -> tuple[GateResult, ...]:
    """Gate G0: enough pairs, nearly all scored, by a judge that can be trusted."""
    return (
        GateResult(
            gate=Gate.EVIDENCE,
            name="pairs",
            value=float(pairs.cases),
            threshold=float(MINIMUM_PAIRS),
            passed=pairs.cases >= MINIMUM_PAIRS,
            harm=False,
            detail=f"{pairs.cases} holdout pairs; a decision by people asks for {MINIMUM_PAIRS}.",
        ),
        _scored("unscored_share", pairs.unscored, pairs.cases, "pairs could not be scored; they count at their worst."),
        _scored("unscored_stimuli_share", pairs.unscored_stimuli, pairs.stimuli, "stimuli could not be scored."),
        GateResult(
            gate=Gate.EVIDENCE,
            name="judge_trusted",
            value=0.0 if judge_untrusted else 1.0,
            threshold=1.0,
            passed=not judge_untrusted,
            harm=False,
            detail="The judge failed more than one canary." if judge_untrusted else "The judge passed its canaries.",
        ),
    )


def _scored(name: str, unscored: int, of: int, words: str) -> GateResult:
    share = unscored / of if of else 0.0
    return GateResult(
        gate=Gate.EVIDENCE,
        name=name,
        value=share,
        threshold=MOST_UNSCORED,
        passed=share <= MOST_UNSCORED,
        harm=False,
        detail=f"{unscored} of {of} {words}",
    )


def run_gates(pairs: Pairs, standard: Standard, *, seed: int) -> tuple[tuple[GateResult, ...], Effect, dict[str, JsonValue]]:
    """Gates G1, G2 and G5 on the holdout: the results, the effect and every statistic computed on the way."""
    effect = bound(pairs.composite, name="composite", seed=seed)
    authorities = {
        "authority_a": bound(pairs.authority_a, name="authority_a", seed=seed),
        "authority_b": bound(pairs.authority_b, name="authority_b", seed=seed),
    }
    results = [*_improvement(effect)]
    results += [_authority(name, bounds) for name, bounds in authorities.items()]
    results += [_critical(pairs), *_limits(pairs, standard)]
    statistics: dict[str, JsonValue] = {
        "composite": effect.model_dump(),
        **{name: bounds.model_dump() for name, bounds in authorities.items()},
        "difference_sd": stdev(pairs.composite) if pairs.cases > 1 else None,
        "unscored_pairs": pairs.unscored,
        "critical_worsened": pairs.critical_worsened,
        "critical_mended": pairs.critical_mended,
        "baseline_means": dict(pairs.baseline_means),
        "finalist_means": dict(pairs.candidate_means),
        "cost_ratio_upper_bound": _cost_ratio(pairs, seed),
        "divergence": authorities["authority_b"].mean - authorities["authority_a"].mean,
    }
    shown = Effect(estimate=effect.mean, lower_bound=effect.lower, upper_bound=effect.upper, alpha=ALPHA, n_pairs=effect.n)
    return tuple(results), shown, statistics


def need(differences: Sequence[float], *, run_variance: float, cases: int) -> Need:
    """What would show the effect that was seen, or one worth having, with the spread that was seen."""
    spread = stdev(differences) if len(differences) > 1 else (2 * run_variance) ** 0.5
    effect = max(fmean(differences) if differences else 0.0, PLANNED_EFFECT)
    wanted = max(MINIMUM_PAIRS, cases_needed(effect, spread, alpha=ALPHA))
    return Need(
        cases=wanted if wanted > cases else None,
        labels=None,
        repeats=repeats_needed(effect, cases, run_variance=run_variance, alpha=ALPHA) if cases else None,
    )


def _improvement(effect: Bounds) -> tuple[GateResult, GateResult]:
    return (
        GateResult(
            gate=Gate.IMPROVEMENT,
            name="composite_lower_bound",
            value=effect.lower,
            threshold=0.0,
            passed=effect.lower > 0,
            harm=False,
            detail=f"With {1 - ALPHA:.1%} confidence the composite changes by more than {effect.lower:+.3f}; it must be above 0.",
        ),
        GateResult(
            gate=Gate.IMPROVEMENT,
            name="composite_estimate",
            value=effect.mean,
            threshold=MEANINGFUL_EFFECT,
            passed=effect.mean >= MEANINGFUL_EFFECT,
            harm=False,
            detail=f"The composite changes by {effect.mean:+.3f}; a change below {MEANINGFUL_EFFECT} is not worth making.",
        ),
    )


def _authority(name: str, bounds: Bounds) -> GateResult:
    margin = tolerance(bounds.n)
    words = name.replace("_", " ").replace(" a", " A").replace(" b", " B")
    return GateResult(
        gate=Gate.AUTHORITIES,
        name=f"{name}_lower_bound",
        value=bounds.lower,
        threshold=-margin,
        passed=bounds.lower > -margin,
        harm=bounds.upper < 0,
        detail=(
            f"With {1 - ALPHA:.1%} confidence {words} did not fall by more than {max(0.0, -bounds.lower):.3f}; "
            f"{margin} is tolerated (estimate {bounds.mean:+.3f}, {bounds.n} pairs)."
        ),
    )


def _critical(pairs: Pairs) -> GateResult:
    p_value = mcnemar_exact(pairs.critical_worsened, pairs.critical_mended)
    return GateResult(
        gate=Gate.HARD_CONSTRAINTS,
        name="critical_failures",
        value=p_value,
        threshold=HARM_ALPHA,
        passed=p_value > HARM_ALPHA,
        harm=p_value <= HARM_ALPHA,
        detail=(
            f"Critical rules newly broken on {pairs.critical_worsened} cases and mended on {pairs.critical_mended} "
            f"(exact McNemar p = {p_value:.3f})."
        ),
    )


def _limits(pairs: Pairs, standard: Standard) -> list[GateResult]:
    checks = check_limits(standard.limits, before=pairs.baseline_means, after=pairs.candidate_means)
    return [
        GateResult(
            gate=Gate.HARD_CONSTRAINTS,
            name=check.limit.name,
            value=check.after,
            threshold=check.limit.constraint.value,
            passed=check.is_kept,
            harm=check.is_harm,
            detail=check.sentence,
        )
        for check in checks
    ]


def _cost_ratio(pairs: Pairs, seed: int) -> float | None:
    if not pairs.baseline_costs or sum(pairs.baseline_costs) <= 0:
        return None
    ratio = ratio_upper_bound(pairs.candidate_costs, pairs.baseline_costs, HARM_ALPHA, seed=derive(seed, "bound", "cost"))
    return ratio if math.isfinite(ratio) else None
