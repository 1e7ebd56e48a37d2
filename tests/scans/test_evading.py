"""What is not known of a change: it stands at its worst where a gain is to be shown, and at its best where harm is."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.scoring import Measures, References
from spectral_platform.evaluations.terms import Constraint, Direction, ObjectiveTerm, Statistic
from spectral_platform.scans.changes import MUST_PASS
from spectral_platform.scans.pairing import Pairs, pair, pair_composites, screen
from spectral_platform.scans.trials import Trial, TrialStatus
from spectral_platform.scans.verdicts.gating import conclude
from spectral_platform.scans.verdicts.verdict import Gate
from tests.scans.test_pairing import DIMENSION, STANDARD, trial

GUARDED = replace(STANDARD, dimensions=(DIMENSION.model_copy(update={"minimum": 0.5}),))
CHEAP = replace(
    STANDARD,
    terms=(
        ObjectiveTerm(metric="quality", direction=Direction.MAXIMIZE, weight=1),
        ObjectiveTerm(metric="cost_usd", direction=Direction.MINIMIZE, weight=1),
    ),
)


@pytest.mark.parametrize(("silent", "improves"), [(0, True), (8, True), (40, False)])
def test_what_a_change_does_not_tell_of_its_cost_is_held_against_it(silent: int, *, improves: bool) -> None:
    """A change that is cheaper wherever it says so, and says nothing where it is dear."""
    keys = [f"s{number}" for number in range(80)]
    baseline = [trial(key, 0.5) for key in keys]
    told, untold = Measures(cost_usd=0.0004, latency_ms=10), Measures(latency_ms=10)
    candidate = [replace(trial(key, 0.5), measures=untold if number < silent else told) for number, key in enumerate(keys)]

    concluded = conclude(pair(baseline, candidate, CHEAP, References(cost_usd=0.002)), CHEAP)

    assert concluded.effect.lower_bound > 0
    assert concluded.statistics["doubtful_pairs"] == silent
    assert concluded.statistics["unknown_amounts"] == {"cost_usd": silent, "latency_ms": 0, "total_tokens": 80}
    improvement = [result for result in concluded.gates if result.gate is Gate.IMPROVEMENT]
    assert all(result.passed for result in improvement) == improves
    assert ("doubted_lower_bound" in {result.name for result in improvement}) == (silent > 0)


def silent(found: Trial) -> Trial:
    """An answer to which nothing that it is held to applies."""
    nothing = Evaluation.not_applicable("test@1", "Nothing applies.")
    return replace(
        found,
        rules=tuple(replace(rule, evaluation=nothing) for rule in found.rules),
        dimensions=tuple(replace(dimension, evaluation=nothing) for dimension in found.dimensions),
    )


def test_a_case_on_which_only_the_candidate_says_nothing_counts_at_its_worst() -> None:
    baseline = [trial("s1", 0.6), silent(trial("s2", 0.0)), silent(trial("s3", 0.0))]
    candidate = [silent(trial("s1", 0.0)), trial("s2", 1.0), silent(trial("s3", 0.0))]

    pairs = pair(baseline, candidate, STANDARD, References())

    assert pair_composites(baseline, candidate, STANDARD, References()) == pairs.composite
    assert pairs.composite == pytest.approx((-0.8,))
    assert pairs.unscored == 1


@pytest.mark.parametrize(("evaded", "improves"), [(0, True), (40, False)])
def test_a_change_gains_nothing_by_answers_to_which_the_rubric_does_not_apply(evaded: int, *, improves: bool) -> None:
    """What the domain standard says is all that is left of such an answer; the bound of the rubric would be over the others."""
    keys = [f"s{number}" for number in range(80)]
    baseline = [trial(key, 0.5) for key in keys]
    candidate = [trial(key, 0.9) for key in keys[evaded:]]
    candidate += [replace(silent(trial(key, 0.0)), rules=trial(key, 0.0).rules) for key in keys[:evaded]]

    pairs = pair(baseline, candidate, STANDARD, References())
    gates = {gate.name: gate for gate in conclude(pairs, STANDARD).gates}

    assert gates["composite_lower_bound"].passed
    assert (pairs.doubtful, sorted(pairs.authority_b)[:evaded]) == (evaded, [-0.5] * evaded)
    assert gates.get("doubted_lower_bound", gates["composite_lower_bound"]).passed == improves
    assert gates["authority_b_lower_bound"].passed == improves


def test_a_change_gains_nothing_by_evading_a_dimension_of_which_less_is_better() -> None:
    terms = (
        ObjectiveTerm(metric="quality", direction=Direction.MAXIMIZE, weight=1),
        ObjectiveTerm(metric="dimension:says", direction=Direction.MINIMIZE, weight=1),
    )
    evasive = replace(silent(trial("s1", 0.0)), rules=trial("s1", 1.0).rules)

    pairs = pair([trial("s1", 0.6)], [evasive], replace(STANDARD, terms=terms), References())

    assert pairs.composite == pytest.approx((0.2,))
    assert pairs.doubted == pytest.approx((0.25 - 0.6,))


@pytest.mark.parametrize(("status", "doubtful"), [(TrialStatus.ANSWERED, 1), (TrialStatus.AGENT_ERROR, 0)])
def test_what_does_not_apply_to_a_mended_answer_is_not_evaded_because_the_failure_failed_everything(
    status: TrialStatus, doubtful: int
) -> None:
    mended = replace(silent(trial("s1", 0.0)), rules=trial("s1", 1.0).rules)

    pairs = pair([trial("s1", 0.0, status=status)], [mended], STANDARD, References())

    assert pairs.doubtful == doubtful
    assert len(pairs.authority_b) == doubtful


def test_a_sample_that_must_pass_is_not_shown_to_where_the_change_evades_what_it_is_held_to() -> None:
    evasive = replace(silent(trial("s1", 0.0, tags=(MUST_PASS,))), rules=trial("s1", 1.0).rules)

    pairs = pair([trial("s1", 1.0, tags=(MUST_PASS,))], [evasive], STANDARD, References())

    assert (pairs.must_pass_lost, pairs.must_pass_unknown) == (0, 1)


@pytest.mark.parametrize(("taken", "ceilings"), [(300, {"total_tokens": 300}), (301, {}), (None, {"total_tokens": 300})])
def test_a_ceiling_that_an_answer_exceeded_is_none(taken: float | None, ceilings: dict[str, float]) -> None:
    """A server that does not keep to the cap of one answer may not keep to it in those of which nothing is known."""
    bounded = [
        replace(trial("s1", 1.0), ceiling=Measures(total_tokens=200)),
        replace(trial("s2", 1.0), ceiling=Measures(total_tokens=300), measures=Measures(total_tokens=taken)),
    ]

    assert pair(bounded, bounded, STANDARD, References()).candidate_ceilings == ceilings


def test_a_dimension_with_a_minimum_is_lost_where_only_the_candidate_has_no_score_in_it() -> None:
    guarded = replace(STANDARD, dimensions=(DIMENSION.model_copy(update={"minimum": 0.5}),))
    baseline, candidate = [trial("s1", 0.9), trial("s2", 0.9)], [trial("s1", 1.0), silent(trial("s2", 0.9))]

    assert pair(baseline, candidate, guarded, References()).dimensions["says"] == pytest.approx((0.1, -0.9))
    assert pair(baseline, candidate, STANDARD, References()).dimensions["says"] == pytest.approx((0.1,))


SCORES = st.sampled_from((0.0, 0.5, 1.0))
RUNS = st.tuples(SCORES, SCORES, st.booleans())


@settings(max_examples=40)
@given(
    st.integers(1, 3).flatmap(lambda runs: st.lists(st.lists(RUNS, min_size=runs, max_size=runs), min_size=1, max_size=8)),
    st.sampled_from((TrialStatus.UNCOVERED, TrialStatus.UNSCORED)),
)
def test_whatever_a_candidate_leaves_open_neither_helps_nor_convicts_it(
    cases: list[list[tuple[float, float, bool]]], status: TrialStatus
) -> None:
    """It stands as if it had failed in those runs, where a change is to be shown, and as if it had not, where harm is."""

    def compared(fill: Trial) -> Pairs:
        baseline, candidate = [], []
        for number, runs in enumerate(cases):
            for repeat, (before, after, is_open) in enumerate(runs):
                baseline.append(trial(f"s{number}", before, tags=(MUST_PASS,), repeat=repeat))
                known = trial(f"s{number}", after, tags=(MUST_PASS,), repeat=repeat)
                candidate.append(replace(fill, case=known.case, repeat=repeat) if is_open else known)
        return pair(baseline, candidate, GUARDED, References())

    failure = replace(trial("", 0.0, a=0.0, status=TrialStatus.AGENT_ERROR), measures=Measures())
    left, failed = compared(replace(failure, status=status, rules=(), dimensions=())), compared(failure)
    perfect = compared(trial("", 1.0))

    for found, standing in ((left, failed), (left.at_best, perfect)):
        assert found.composite == standing.composite
        assert (found.authority_a, found.authority_b) == (standing.authority_a, standing.authority_b)
        assert found.dimensions == standing.dimensions
    assert left.must_pass_lost == perfect.must_pass_lost
    assert left.must_pass_lost + left.must_pass_unknown == failed.must_pass_lost
    assert left.candidate_amounts == failed.candidate_amounts
    assert left.unscored == pytest.approx(sum(sum(is_open for *_, is_open in runs) / len(runs) for runs in cases))


@pytest.mark.parametrize("evaded", [0, 40, 80])
def test_what_is_unknown_of_a_change_is_no_evidence_of_harm(evaded: int) -> None:
    """Half or all of the answers evade the rubric, and one sample in ten was not scored: none of it is known to be worse."""
    keys = [f"s{number}" for number in range(80)]
    baseline = [trial(key, 0.9, tags=("vip",)) for key in keys]
    candidate = [replace(trial(key, 0.95), rules=trial(key, 1.0).rules) for key in keys[evaded:]]
    candidate += [replace(silent(trial(key, 0.0)), rules=trial(key, 1.0).rules) for key in keys[:evaded]]
    candidate[:8] = [trial(found.case.key, 0.0, status=TrialStatus.UNSCORED) for found in candidate[:8]]

    gates = conclude(pair(baseline, candidate, GUARDED, References()), GUARDED).gates

    assert not [gate.name for gate in gates if gate.harm]
    assert {"authority_a_lower_bound", "authority_b_lower_bound"} <= {gate.name for gate in gates if not gate.passed}


def test_a_minimum_is_not_kept_by_evading_it_nor_broken() -> None:
    keys = [f"s{number}" for number in range(80)]
    baseline = [trial(key, 0.6) for key in keys]
    evasive = [replace(silent(trial(key, 0.0)), rules=trial(key, 1.0).rules) for key in keys[:20]]

    pairs = pair(baseline, [*evasive, *(trial(key, 0.6) for key in keys[20:])], GUARDED, References())

    assert (pairs.candidate_means["dimension:says"], pairs.filled_means["dimension:says"]) == pytest.approx((0.6, 0.45))
    (kept,) = [gate for gate in conclude(pairs, GUARDED).gates if gate.name == "minimum:says"]
    assert (kept.passed, kept.harm) == (False, False)
    assert kept.value == pytest.approx(0.45)


def test_what_nobody_recorded_of_one_run_leaves_the_others_of_its_case() -> None:
    baseline = [trial("s1", 0.5, repeat=0, status=TrialStatus.UNCOVERED), *(trial("s1", 0.5, repeat=run) for run in (1, 2))]
    candidate = [trial("s1", 1.0, repeat=0), trial("s1", 1.0, repeat=1), trial("s1", 1.0, repeat=2, status=TrialStatus.UNCOVERED)]

    pairs = pair(baseline, candidate, STANDARD, References())

    assert pairs.composites == ((0.75, 0.5),)
    assert pairs.at_best.composites == ((0.75, 1.0),)
    assert (pairs.unscored, pairs.authority_b) == (0.5, (0.0,))


def test_what_the_baseline_could_not_be_asked_is_left_out_of_both_arms() -> None:
    baseline = [trial("s1", 0.5), trial("s2", 0.5, status=TrialStatus.UNCOVERED)]
    candidate = [trial("s1", 1.0), trial("s2", 1.0)]

    pairs = pair(baseline, candidate, STANDARD, References())

    assert (pairs.cases, pairs.unscored) == (1, 0)
    assert screen(baseline, candidate, STANDARD, References()) == (0.75, 1.0)
    assert screen(candidate, baseline, STANDARD, References()) == (2.0, 0.75)


def test_a_percentile_is_of_the_first_answer_to_each_case_and_what_is_unknown_of_one_is_its_worst() -> None:
    limited = replace(STANDARD, constraints=(Constraint(metric="latency_ms", operator="<=", value=9, statistic=Statistic.P95),))
    answers = [
        trial("s1", 1.0),
        replace(trial("s1", 1.0, repeat=1), measures=Measures(latency_ms=70)),
        replace(trial("s2", 1.0, group="s1"), measures=Measures(latency_ms=80)),
        replace(trial("s3", 0.0, status=TrialStatus.AGENT_ERROR), measures=Measures()),
        trial("p1", 1.0, stimulus=True),
    ]

    pairs = pair(answers, answers, limited, References())

    assert pairs.candidate_answers == pairs.baseline_answers == {"latency_ms": (10, None)}
    assert pair(answers, answers, STANDARD, References()).candidate_answers == {}
