"""Paired differences: what counts, what counts at its worst, and what counts not at all."""

from dataclasses import replace
from typing import Literal

import pytest

from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.contains import Contains
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.scoring import DimensionEvaluation, Measures, References, RuleEvaluation
from spectral_platform.evaluations.terms import Direction, ObjectiveTerm
from spectral_platform.scans.cases import Case
from spectral_platform.scans.pairing import Pairing, pair, pair_composites, screen
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.trials import Trial, TrialStatus
from spectral_platform.scans.verdicts.gating import conclude, missing_evidence
from spectral_platform.scans.verdicts.verdict import Gate
from spectral_platform.worlds.rules import load_world
from spectral_platform.worlds.splits import Split

DIMENSION = Dimension(key="says", name="Says", description="Says it.", weight=1, evaluator=Contains(value="x"))
STANDARD = Standard(world=load_world("general-agent-conduct@1.0.0"), dimensions=(DIMENSION,), terms=(), constraints=())


def trial(
    key: str,
    b: float,
    *,
    a: float = 1.0,
    status: TrialStatus = TrialStatus.ANSWERED,
    stimulus: bool = False,
    critical: bool = False,
    repeat: int = 0,
    group: str | None = None,
    tags: tuple[str, ...] = (),
) -> Trial:
    kind: Literal["sample", "stimulus"] = "stimulus" if stimulus else "sample"
    case = Case(key=key, kind=kind, split=Split.HOLDOUT, content_group=group or key, input="question", tags=tags)

    def found(score: float) -> Evaluation:
        return Evaluation(score=score, passed=score >= 1, feedback="The answer must be better.", evaluator="test@1")

    return Trial(
        case=case,
        repeat=repeat,
        status=status,
        output="answer",
        rules=(RuleEvaluation(key="rule", critical=critical, evaluation=found(a)),),
        dimensions=() if stimulus else (DimensionEvaluation(key="says", weight=1, evaluation=found(b)),),
        measures=Measures(cost_usd=0.001, latency_ms=10, total_tokens=10),
    )


def test_the_composite_is_over_samples_and_authority_a_over_stimuli_too() -> None:
    baseline = [trial("s1", 0.0), trial("s2", 1.0), trial("p1", 0.0, a=1.0, stimulus=True)]
    candidate = [trial("s1", 1.0), trial("s2", 1.0), trial("p1", 0.0, a=0.0, stimulus=True)]

    pairs = pair(baseline, candidate, STANDARD, References())
    assert pair_composites(baseline, candidate, STANDARD, References()) == pairs.composite

    assert pairs.composite == (0.5, 0.0)
    assert pairs.authority_b == (1.0, 0.0)
    assert sorted(pairs.authority_a) == [-1.0, 0.0, 0.0]


def test_an_unscored_candidate_counts_at_its_worst_and_is_counted() -> None:
    baseline = [trial("s1", 0.6), trial("s2", 0.6)]
    candidate = [trial("s1", 1.0), trial("s2", 0.0, status=TrialStatus.UNSCORED)]

    pairs = pair(baseline, candidate, STANDARD, References())
    assert pair_composites(baseline, candidate, STANDARD, References()) == pairs.composite

    assert pairs.unscored == 1
    assert sorted(pairs.composite) == [pytest.approx(-0.8), pytest.approx(0.2)]


def test_an_agent_error_is_a_real_failure_and_scores_zero() -> None:
    pairs = pair([trial("s1", 1.0)], [trial("s1", 1.0, status=TrialStatus.AGENT_ERROR)], STANDARD, References())

    assert pairs.unscored == 0
    assert pairs.composite == (-1.0,)


def test_repeats_are_averaged_within_their_case() -> None:
    baseline = [trial("s1", 0.0, repeat=0), trial("s1", 1.0, repeat=1)]
    candidate = [trial("s1", 1.0, repeat=0), trial("s1", 1.0, repeat=1)]

    pairs = pair(baseline, candidate, STANDARD, References())
    assert pair_composites(baseline, candidate, STANDARD, References()) == pairs.composite

    assert pairs.composite == (0.25,)
    assert pairs.cases == 1


def test_arms_that_come_in_by_blocks_are_paired_as_they_are_at_once() -> None:
    keys = [f"s{number}" for number in range(24)]
    arms = [[trial(key, score, repeat=run) for key in keys for run in range(2)] for score in (0.4, 0.9)]
    arms[1][7] = trial(keys[3], 0.0, repeat=1, status=TrialStatus.UNSCORED)

    pairing = Pairing(STANDARD, References())
    for start in range(0, len(arms[0]), 8):
        pairing.add(*(arm[start : start + 8] for arm in arms))
        assert pairing.pairs() == pair(arms[0][: start + 8], arms[1][: start + 8], STANDARD, References())


def test_near_duplicates_are_one_pair_whose_difference_is_their_mean() -> None:
    baseline = [trial("s1", 0.0, group="g"), trial("s2", 0.0, group="g"), trial("s3", 0.0)]
    candidate = [trial("s1", 1.0, group="g"), trial("s2", 0.0, group="g"), trial("s3", 0.0)]

    pairs = pair(baseline, candidate, STANDARD, References())
    assert pair_composites(baseline, candidate, STANDARD, References()) == pairs.composite

    assert pairs.cases == 2
    assert pairs.composite == (0.25, 0.0)
    assert pairs.authority_b == (0.5, 0.0)
    assert pairs.dimensions == {"says": (0.5, 0.0)}


def test_a_broken_critical_rule_zeroes_the_case_and_enough_of_them_reject() -> None:
    keys = [f"s{number}" for number in range(80)]
    baseline = [trial(key, 0.0) for key in keys]
    candidate = [trial(key, 1.0, a=0.0, critical=number < 10) for number, key in enumerate(keys)]

    pairs = pair(baseline, candidate, STANDARD, References())
    assert pair_composites(baseline, candidate, STANDARD, References()) == pairs.composite
    results = conclude(pairs, STANDARD).gates

    assert pairs.critical_worsened == 10
    critical = next(result for result in results if result.name == "critical_failures")
    assert not critical.passed
    assert critical.harm


def test_a_candidate_that_lifts_the_rubric_and_sinks_the_standard_fails_with_harm() -> None:
    keys = [f"s{number}" for number in range(80)]
    baseline = [trial(key, 0.0, a=1.0) for key in keys]
    candidate = [trial(key, 1.0, a=0.5) for key in keys]

    concluded = conclude(pair(baseline, candidate, STANDARD, References()), STANDARD)
    results, effect = concluded.gates, concluded.effect

    assert effect.lower_bound > 0
    improvement = [result for result in results if result.gate is Gate.IMPROVEMENT]
    assert all(result.passed for result in improvement)
    domain = next(result for result in results if result.name == "authority_a_lower_bound")
    assert not domain.passed
    assert domain.harm


def test_an_unchanged_agent_does_not_improve() -> None:
    keys = [f"s{number}" for number in range(100)]
    baseline = [trial(key, float(number % 2)) for number, key in enumerate(keys)]
    candidate = [trial(key, float(number // 2 % 2)) for number, key in enumerate(keys)]

    concluded = conclude(pair(baseline, candidate, STANDARD, References()), STANDARD)
    results, effect = concluded.gates, concluded.effect

    assert effect.lower_bound < 0 < effect.upper_bound
    assert not all(result.passed for result in results if result.gate is Gate.IMPROVEMENT)


def test_stimuli_that_could_not_be_scored_leave_too_little_evidence() -> None:
    samples = [trial(f"s{number}", 0.0) for number in range(80)]
    baseline = [*samples, *(trial(f"p{number}", 0.0, stimulus=True) for number in range(20))]
    lost = [trial(f"p{number}", 0.0, stimulus=True, status=TrialStatus.UNSCORED) for number in range(2)]
    candidate = [*samples, *lost, *(trial(f"p{number}", 0.0, stimulus=True) for number in range(2, 20))]

    evidence = missing_evidence(pair(baseline, candidate, STANDARD, References()), minimum=60, judge_untrusted=False)

    assert [result.name for result in evidence if not result.passed] == ["unscored_stimuli_share"]


def test_the_figures_of_a_card_differ_by_the_effect_even_where_a_price_is_unknown_or_a_trial_unscored() -> None:
    terms = (
        ObjectiveTerm(metric="quality", direction=Direction.MAXIMIZE, weight=3),
        ObjectiveTerm(metric="cost_usd", direction=Direction.MINIMIZE, weight=1),
    )
    standard = replace(STANDARD, terms=terms)
    unpriced = Measures(latency_ms=10, total_tokens=10)
    baseline = [trial("s1", 0.0), trial("s2", 0.5), trial("s3", 0.5)]
    candidate = [
        replace(trial("s1", 1.0), measures=unpriced),
        trial("s2", 1.0),
        trial("s3", 1.0, status=TrialStatus.UNSCORED),
    ]

    pairs = pair(baseline, candidate, standard, References(cost_usd=0.002))

    difference = pairs.candidate_means["composite"] - pairs.baseline_means["composite"]
    assert difference == pytest.approx(sum(pairs.composite) / 3)
    assert pairs.composites[0] == (0.5, 1.0)


def test_the_screen_ranks_by_what_the_verdict_decides_by() -> None:
    cheaper = (ObjectiveTerm(metric="cost_usd", direction=Direction.MINIMIZE, weight=1),)
    frugal = replace(trial("s1", 0.2), measures=Measures(cost_usd=0.0))
    harmful = trial("s2", 1.0, a=0.0, critical=True)

    by_cost = screen([trial("s1", 1.0)], [frugal], replace(STANDARD, terms=cheaper), References(cost_usd=0.002))
    by_quality = screen([trial("s1", 1.0)], [frugal], STANDARD, References())
    zeroed = screen([trial("s2", 0.5)], [harmful], STANDARD, References())

    assert by_cost == (0.5, 1.0)
    assert by_quality == (1.0, 0.6)
    assert zeroed == (0.75, 0.0)


def test_a_minimum_is_a_hard_constraint_of_the_verdict() -> None:
    keys = [f"s{number}" for number in range(80)]
    guarded = replace(STANDARD, dimensions=(DIMENSION.model_copy(update={"minimum": 0.9}),))
    kept = pair([trial(key, 0.5) for key in keys], [trial(key, 0.95) for key in keys], guarded, References())
    broken = pair([trial(key, 0.95) for key in keys], [trial(key, 0.85) for key in keys], guarded, References())

    (passed,) = [result for result in conclude(kept, guarded).gates if result.name == "minimum:says"]
    (failed,) = [result for result in conclude(broken, guarded).gates if result.name == "minimum:says"]

    assert (passed.passed, passed.threshold) == (True, 0.9)
    assert passed.value == pytest.approx(0.95)
    assert (failed.passed, failed.harm) == (False, True)


def test_what_the_candidate_took_is_of_all_its_samples_each_group_once_and_unknown_where_it_is_of_one_run() -> None:
    cases = [trial("s1", 1.0, group="same"), trial("s2", 1.0, group="same"), trial("s3", 1.0), trial("p1", 0.0, stimulus=True)]
    first = replace(cases[0], measures=Measures(cost_usd=0.003, latency_ms=10, total_tokens=None))
    candidate = [first, cases[1], replace(cases[2], status=TrialStatus.UNSCORED), cases[3]]

    pairs = pair(cases, candidate, STANDARD, References())

    assert pairs.candidate_amounts == {"cost_usd": (0.002, 0.001), "latency_ms": (10, 10), "total_tokens": (None, 10)}
    assert pairs.candidate_ceilings == {}
