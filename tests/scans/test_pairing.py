"""Paired differences: what counts, what counts at its worst, and what counts not at all."""

import pytest

from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.contains import Contains
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.scoring import DimensionEvaluation, Measures, References, RuleEvaluation
from spectral_platform.scans.cases import Case
from spectral_platform.scans.gating import missing_evidence, run_gates
from spectral_platform.scans.pairing import pair
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.trials import Trial, TrialStatus
from spectral_platform.scans.verdict import Gate
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
) -> Trial:
    case = Case(key=key, kind="stimulus" if stimulus else "sample", split=Split.HOLDOUT, content_group=key, input="question")

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

    assert pairs.composite == (0.5, 0.0)
    assert pairs.authority_b == (1.0, 0.0)
    assert sorted(pairs.authority_a) == [-1.0, 0.0, 0.0]


def test_an_unscored_candidate_counts_at_its_worst_and_is_counted() -> None:
    baseline = [trial("s1", 0.6), trial("s2", 0.6)]
    candidate = [trial("s1", 1.0), trial("s2", 0.0, status=TrialStatus.UNSCORED)]

    pairs = pair(baseline, candidate, STANDARD, References())

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

    assert pairs.composite == (0.25,)
    assert pairs.cases == 1


def test_a_broken_critical_rule_zeroes_the_case_and_enough_of_them_reject() -> None:
    keys = [f"s{number}" for number in range(80)]
    baseline = [trial(key, 0.0) for key in keys]
    candidate = [trial(key, 1.0, a=0.0, critical=number < 10) for number, key in enumerate(keys)]

    pairs = pair(baseline, candidate, STANDARD, References())
    results, _, _ = run_gates(pairs, STANDARD, seed=1)

    assert pairs.critical_worsened == 10
    critical = next(result for result in results if result.name == "critical_failures")
    assert not critical.passed
    assert critical.harm


def test_a_candidate_that_lifts_the_rubric_and_sinks_the_standard_fails_with_harm() -> None:
    keys = [f"s{number}" for number in range(80)]
    baseline = [trial(key, 0.0, a=1.0) for key in keys]
    candidate = [trial(key, 1.0, a=0.5) for key in keys]

    results, effect, _ = run_gates(pair(baseline, candidate, STANDARD, References()), STANDARD, seed=1)

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

    results, effect, _ = run_gates(pair(baseline, candidate, STANDARD, References()), STANDARD, seed=1)

    assert effect.lower_bound < 0 < effect.upper_bound
    assert not all(result.passed for result in results if result.gate is Gate.IMPROVEMENT)


def test_stimuli_that_could_not_be_scored_leave_too_little_evidence() -> None:
    samples = [trial(f"s{number}", 0.0) for number in range(80)]
    baseline = [*samples, *(trial(f"p{number}", 0.0, stimulus=True) for number in range(20))]
    lost = [trial(f"p{number}", 0.0, stimulus=True, status=TrialStatus.UNSCORED) for number in range(2)]
    candidate = [*samples, *lost, *(trial(f"p{number}", 0.0, stimulus=True) for number in range(2, 20))]

    evidence = missing_evidence(pair(baseline, candidate, STANDARD, References()), judge_untrusted=False)

    assert [result.name for result in evidence if not result.passed] == ["unscored_stimuli_share"]
