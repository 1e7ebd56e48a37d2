"""The gates: every statistic of a verdict, computed from the holdout's pairs. Imported by worker processes only.

The holdout is looked at up to three times (`statistics.sequential`). Everything that a look quotes is at that look's own level,
so that all looks together keep theirs.
"""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from pydantic import JsonValue

from spectral_platform.core.values import Value
from spectral_platform.scans.pairing import Pairs
from spectral_platform.scans.quoting import USUAL_RIGOR
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.verdicts.bounding import HARM_ALPHA, Bounds, Strictness, bound, only_look
from spectral_platform.scans.verdicts.coverage import Coverage, coverage_gates
from spectral_platform.scans.verdicts.labelled import LabelledPairs, human_check
from spectral_platform.scans.verdicts.lengths import length_covariate
from spectral_platform.scans.verdicts.limiting import limit_cases_needed, limit_gates
from spectral_platform.scans.verdicts.regressions import dimension_gates, severe_regression_gates, slice_gates
from spectral_platform.scans.verdicts.verdict import NO_CHANGE_EFFECT, Effect, Gate, GateResult, Need
from spectral_platform.statistics.agreement import mcnemar_exact
from spectral_platform.statistics.bounds import gaffke_lower_bound, ratio_upper_bound, rise_p_value
from spectral_platform.statistics.power import cases_needed, repeats_needed
from spectral_platform.workspaces.policies.autonomy import Rigor

MEANINGFUL_EFFECT = 0.02
MOST_UNSCORED = 0.05
TOLERANCE_MANY, TOLERANCE_FEW, MANY_CASES = 0.05, 0.10, 160
PLANNED_EFFECT = 0.05
LEAST_TRANSFER = 0.5
MOST_DIVERGENCE = 0.15


class Conclusion(Value):
    """What one look at the holdout found: every test, the effect, and every figure computed on the way."""

    strictness: Strictness
    gates: tuple[GateResult, ...]
    effect: Effect
    statistics: dict[str, JsonValue]

    @property
    def stops(self) -> bool:
        """Whether no further case is needed.

        Either every gate passed, or the finalist is behind and surely no better than no change. A finalist that is behind
        but not surely so is looked at further: that nothing is worth changing is an answer too, and its cases are reserved.
        """
        if all(gate.passed for gate in self.gates if gate.gate is not Gate.TRANSFER):
            return True
        enough = self.strictness.cases >= self.strictness.minimum_pairs
        return enough and self.effect.estimate < 0 and self.effect.upper_bound < NO_CHANGE_EFFECT


def tolerance(cases: int) -> float:
    """How much an authority may seem to lose: many cases can prove a narrower margin."""
    return TOLERANCE_MANY if cases >= MANY_CASES else TOLERANCE_FEW


def missing_evidence(pairs: Pairs, *, minimum: int, judge_untrusted: bool) -> tuple[GateResult, ...]:
    """Gate G0: enough pairs, nearly all scored, by a judge that can be trusted."""
    return (
        GateResult(
            gate=Gate.EVIDENCE,
            name="pairs",
            value=float(pairs.cases),
            threshold=float(minimum),
            passed=pairs.cases >= minimum,
            harm=False,
            detail=f"{pairs.cases} holdout pairs; the workspace's autonomy asks for {minimum}.",
        ),
        _scored(
            "unscored_share",
            pairs.unscored,
            pairs.cases,
            "pairs (each by the share of its runs) could not be scored; they count at their worst.",
        ),
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


def _scored(name: str, unscored: float, of: int, words: str) -> GateResult:
    share = round(unscored / of, 9) if of else 0.0
    return GateResult(
        gate=Gate.EVIDENCE,
        name=name,
        value=share,
        threshold=MOST_UNSCORED,
        passed=share <= MOST_UNSCORED,
        harm=False,
        detail=f"{unscored:.4g} of {of} {words}",
    )


def conclude(
    pairs: Pairs,
    standard: Standard,
    *,
    strictness: Strictness | None = None,
    noise: float = 0.0,
    dev_gain: float | None = None,
    judge_untrusted: bool = False,
    labelled: LabelledPairs | None = None,
    coverage: Coverage | None = None,
) -> Conclusion:
    """Every gate on the pairs of one look; without ``strictness`` they are all that there will be.

    ``noise`` is the share of cases on which the unchanged agent differs from itself by half a point, ``dev_gain`` the
    finalist's mean gain on the dev cases that chose it, ``labelled`` what people say of some of those. ``coverage`` is what
    recordings answered, where they answer the agent's tools.
    """
    strictness = strictness or only_look(pairs.cases)
    at_best = pairs.at_best
    effect = bound(pairs.composite, at_best.doubted or at_best.composite, strictness)
    authorities = {
        "authority_a": bound(pairs.authority_a, at_best.authority_a, strictness),
        "authority_b": bound(pairs.authority_b, at_best.authority_b, strictness),
    }
    divergence = authorities["authority_b"].mean - authorities["authority_a"].mean
    transfer = effect.mean / dev_gain if dev_gain and pairs.composite else None
    results = [
        *missing_evidence(pairs, minimum=strictness.minimum_pairs, judge_untrusted=judge_untrusted),
        *coverage_gates(coverage),
        *_improvement(effect, pairs, strictness),
    ]
    results += [_authority(name, bounds, strictness) for name, bounds in authorities.items()]
    results += [*dimension_gates(pairs, standard, strictness), *severe_regression_gates(pairs, strictness, noise=noise)]
    results += [_critical(pairs, strictness), *limit_gates(pairs, standard, strictness)]
    results += slice_gates(pairs, strictness)
    results += _transfer(transfer, divergence)
    checked, human = human_check(labelled, pairs.composite, strictness)
    results += checked
    length = length_covariate(pairs.composite, pairs.lengths) if pairs.lengths else None
    statistics: dict[str, JsonValue] = {
        "composite": effect.model_dump(),
        **{name: bounds.model_dump() for name, bounds in authorities.items()},
        "difference_sd": stdev(pairs.composite) if pairs.cases > 1 else None,
        "unscored_pairs": pairs.unscored,
        "doubtful_pairs": pairs.doubtful,
        "unknown_amounts": {metric: amounts.count(None) for metric, amounts in pairs.candidate_amounts.items()},
        "critical_worsened": pairs.critical_worsened,
        "critical_mended": pairs.critical_mended,
        "baseline_means": dict(pairs.baseline_means),
        "finalist_means": dict(pairs.candidate_means),
        "severe_regressions": pairs.severe,
        "cost_ratio_upper_bound": _cost_ratio(pairs, strictness),
        "divergence": divergence,
        "dev_gain": dev_gain,
        "transfer_ratio": transfer,
        "human_check": human,
        "limit_cases_needed": limit_cases_needed(pairs, standard, strictness),
        "look": strictness.model_dump(),
        "length": length.model_dump() if length else None,
        "tool_replay": coverage.figures if coverage else None,
        "confidence": _confidence(pairs, strictness),
    }
    return Conclusion(
        strictness=strictness,
        gates=tuple(results),
        effect=Effect(
            estimate=effect.mean,
            lower_bound=effect.lower,
            upper_bound=effect.upper,
            alpha=strictness.alpha,
            n_pairs=effect.n,
        ),
        statistics=statistics,
    )


def need(
    differences: Sequence[float],
    *,
    run_variance: float,
    cases: int,
    labels: int | None = None,
    limit_cases: int | None = None,
    rigor: Rigor = USUAL_RIGOR,
) -> Need:
    """What would show the effect that was seen, or one worth having, with the spread that was seen.

    ``labels`` are those that gate G8 asks for, ``limit_cases`` the cases that gate G5 does.
    """
    spread = stdev(differences) if len(differences) > 1 else (2 * run_variance) ** 0.5
    effect = max(fmean(differences) if differences else 0.0, PLANNED_EFFECT)
    wanted = max(rigor.minimum_pairs, cases_needed(effect, spread, alpha=rigor.alpha), limit_cases or 0)
    return Need(
        cases=wanted if wanted > cases else None,
        labels=labels,
        repeats=repeats_needed(effect, cases, run_variance=run_variance, alpha=rigor.alpha) if cases else None,
    )


def _confidence(pairs: Pairs, strictness: Strictness) -> float:
    """How sure it is that the composite rises, whichever looks there may have been before: Bonferroni over all of them."""
    return max(0.0, 1 - strictness.looks * rise_p_value(pairs.composite))


def _improvement(effect: Bounds, pairs: Pairs, strictness: Strictness) -> tuple[GateResult, ...]:
    return (
        GateResult(
            gate=Gate.IMPROVEMENT,
            name="composite_lower_bound",
            value=effect.lower,
            threshold=0.0,
            passed=effect.lower > 0,
            harm=False,
            detail=(
                f"With {1 - strictness.alpha:.2%} confidence the composite changes by more than {effect.lower:+.3f}; "
                "it must be above 0."
            ),
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
        *_doubt(pairs, strictness),
    )


def _doubt(pairs: Pairs, strictness: Strictness) -> tuple[GateResult, ...]:
    """Whether the change improves even if what is unknown of one arm alone speaks against it; nothing where all is known."""
    if not pairs.doubtful:
        return ()
    lower = gaffke_lower_bound(pairs.doubted, strictness.alpha)
    return (
        GateResult(
            gate=Gate.IMPROVEMENT,
            name="doubted_lower_bound",
            value=lower,
            threshold=0.0,
            passed=lower > 0,
            harm=False,
            detail=(
                f"Of {pairs.doubtful} cases one arm alone tells what it took, or the baseline alone has a score in some "
                f"dimension. With the other's at its worst the composite changes, with {1 - strictness.alpha:.2%} "
                f"confidence, by more than {lower:+.3f}; it must be above 0."
            ),
        ),
    )


def _authority(name: str, bounds: Bounds, strictness: Strictness) -> GateResult:
    margin = tolerance(bounds.n)
    words = name.replace("_", " ").replace(" a", " A").replace(" b", " B")
    moved = "rose" if bounds.lower > 0 else "did not fall"
    return GateResult(
        gate=Gate.AUTHORITIES,
        name=f"{name}_lower_bound",
        value=bounds.lower,
        threshold=-margin,
        passed=bounds.lower > -margin,
        harm=bounds.upper < 0,
        detail=(
            f"With {1 - strictness.alpha:.2%} confidence {words} {moved} by more than {abs(bounds.lower):.3f}; a fall by "
            f"{margin} is tolerated (estimate {bounds.mean:+.3f}, {bounds.n} pairs)."
        ),
    )


def _critical(pairs: Pairs, strictness: Strictness) -> GateResult:
    p_value = mcnemar_exact(pairs.critical_worsened, pairs.critical_mended)
    p_at_best = mcnemar_exact(pairs.at_best.critical_worsened, pairs.at_best.critical_mended)
    return GateResult(
        gate=Gate.HARD_CONSTRAINTS,
        name="critical_failures",
        value=p_value,
        threshold=HARM_ALPHA,
        passed=p_value > HARM_ALPHA,
        harm=p_at_best <= strictness.harm_alpha,
        detail=(
            f"Critical rules newly broken on {pairs.critical_worsened} cases and mended on {pairs.critical_mended} "
            f"(exact McNemar p = {p_value:.3f})."
        ),
    )


def _transfer(ratio: float | None, divergence: float) -> tuple[GateResult, ...]:
    """Gate G7: whether the gain of the dev cases arrived, and whether both authorities saw it. It warns."""
    results = []
    if ratio is not None:
        results.append(
            GateResult(
                gate=Gate.TRANSFER,
                name="transfer_ratio",
                value=ratio,
                threshold=LEAST_TRANSFER,
                passed=ratio >= LEAST_TRANSFER,
                harm=False,
                detail=f"{ratio:.0%} of the gain on dev cases shows on the holdout; {LEAST_TRANSFER:.0%} is expected.",
            )
        )
    results.append(
        GateResult(
            gate=Gate.TRANSFER,
            name="divergence",
            value=divergence,
            threshold=MOST_DIVERGENCE,
            passed=divergence <= MOST_DIVERGENCE,
            harm=False,
            detail=(
                f"The rubric sees {divergence:+.3f} more change than the domain standard; above {MOST_DIVERGENCE} the change may "
                "please the rubric alone."
            ),
        )
    )
    return tuple(results)


def _cost_ratio(pairs: Pairs, strictness: Strictness) -> float | None:
    if not pairs.baseline_costs or sum(pairs.baseline_costs) <= 0:
        return None
    ratio = ratio_upper_bound(pairs.candidate_costs, pairs.baseline_costs, strictness.harm_alpha)
    return ratio if math.isfinite(ratio) else None
