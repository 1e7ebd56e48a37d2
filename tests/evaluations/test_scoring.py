from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.scoring import (
    CaseScore,
    CaseStatus,
    DimensionEvaluation,
    Measures,
    References,
    RuleEvaluation,
    paired_composites,
    reference_measures,
    score_case,
)
from spectral_platform.evaluations.terms import Direction, ObjectiveTerm

CASE_SCORE = TypeAdapter(CaseScore)
scores = st.none() | st.floats(0, 1)
weights = st.floats(0.01, 100)
amounts = st.none() | st.floats(0, 1e6)


def evaluation(score: float | None) -> Evaluation:
    if score is None:
        return Evaluation.not_applicable("x@1", "There is nothing to compare with.")
    if score < 1:
        return Evaluation.failure("x@1", "The answer must be better.", score=score)
    return Evaluation.success("x@1")


def rule(score: float | None, *, weight: float = 1, critical: bool = False, key: str = "r") -> RuleEvaluation:
    return RuleEvaluation(key=key, weight=weight, critical=critical, evaluation=evaluation(score))


def dimension(score: float | None, *, weight: float = 1, minimum: float | None = None, key: str = "d") -> DimensionEvaluation:
    return DimensionEvaluation(key=key, weight=weight, minimum=minimum, evaluation=evaluation(score))


def term(metric: str, weight: float = 1, direction: Direction | None = None) -> ObjectiveTerm:
    more_is_better = metric == "quality" or metric.startswith("dimension:")
    usual = Direction.MAXIMIZE if more_is_better else Direction.MINIMIZE
    return ObjectiveTerm(metric=metric, direction=direction or usual, weight=weight)


def score(**changes: Any) -> CaseScore:
    fields: dict[str, Any] = {
        "rules": [],
        "dimensions": [],
        "measures": Measures(),
        "terms": [],
        "references": References(),
    }
    return score_case(**(fields | changes))


rule_lists = st.lists(st.builds(rule, scores, weight=weights, critical=st.booleans()), max_size=5)
dimension_lists = st.lists(st.builds(dimension, scores, weight=weights), max_size=5)
term_lists = st.lists(
    st.builds(
        term,
        st.sampled_from(["quality", "dimension:d", "cost_usd", "latency_ms", "total_tokens"]),
        weights,
        st.sampled_from(Direction),
    ),
    unique_by=lambda one: one.metric,
    max_size=5,
)
measures = st.builds(Measures, cost_usd=amounts, latency_ms=amounts, total_tokens=amounts)
references = st.builds(References, cost_usd=amounts, latency_ms=amounts, total_tokens=amounts)


@given(rule_lists, dimension_lists, measures, term_lists, references, st.sampled_from(CaseStatus))
def test_every_score_is_a_share_or_na(
    rules: list[RuleEvaluation],
    dimensions: list[DimensionEvaluation],
    measured: Measures,
    terms: list[ObjectiveTerm],
    frozen: References,
    status: CaseStatus,
) -> None:
    found = score(rules=rules, dimensions=dimensions, measures=measured, terms=terms, references=frozen, status=status)
    for part in (found.authority_a, found.authority_b, found.quality, found.composite, *found.terms.values()):
        assert part is None or 0 <= part <= 1
    assert CASE_SCORE.validate_json(CASE_SCORE.dump_json(found)) == found


def test_quality_is_half_of_each_authority() -> None:
    found = score(rules=[rule(1), rule(0, key="s", weight=3)], dimensions=[dimension(0.5)])
    assert (found.authority_a, found.authority_b, found.quality, found.composite) == (0.25, 0.5, 0.375, 0.375)


def test_what_does_not_apply_renormalises() -> None:
    only_b = score(rules=[rule(None)], dimensions=[dimension(0.8), dimension(None, key="e", weight=9)])
    assert (only_b.authority_a, only_b.authority_b, only_b.quality) == (None, 0.8, 0.8)
    nothing = score(rules=[rule(None)], dimensions=[dimension(None)])
    assert (nothing.quality, nothing.composite) == (None, None)


@given(st.lists(st.tuples(scores, weights), min_size=1, max_size=5), weights)
def test_an_evaluation_that_does_not_apply_changes_nothing(judged: list[tuple[float | None, float]], weight: float) -> None:
    known = [dimension(value, weight=share, key=f"d{n}") for n, (value, share) in enumerate(judged)]
    further = dimension(None, weight=weight, key="na")
    assert score(dimensions=[*known, further]).composite == score(dimensions=known).composite


@given(
    st.lists(st.tuples(st.floats(0, 1), weights), min_size=1, max_size=5),
    st.integers(0, 4),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_better_dimension_never_lowers_the_composite(
    judged: list[tuple[float, float]], place: int, gain: float, authority_a: float
) -> None:
    better = [*judged]
    value, share = better[place % len(better)]
    better[place % len(better)] = (min(1.0, value + gain), share)
    before, after = (
        score(
            rules=[rule(authority_a)],
            dimensions=[dimension(value, weight=share, key=f"d{n}") for n, (value, share) in enumerate(vector)],
        ).composite
        for vector in (judged, better)
    )
    assert before is not None
    assert after is not None
    assert after >= before - 1e-12


@given(st.lists(st.tuples(scores, weights), min_size=1, max_size=5), st.floats(0.1, 10))
def test_only_the_proportion_of_weights_matters(judged: list[tuple[float | None, float]], factor: float) -> None:
    first, second = (
        score(dimensions=[dimension(value, weight=share * by, key=f"d{n}") for n, (value, share) in enumerate(judged)])
        for by in (1, factor)
    )
    assert first.composite == pytest.approx(second.composite)


def test_a_critical_failure_makes_the_answer_worthless() -> None:
    found = score(rules=[rule(0.9, critical=True), rule(1, key="s", weight=99)], dimensions=[dimension(1)])
    assert found.critical
    assert found.composite == 0
    assert found.quality == pytest.approx((99.9 / 100 + 1) / 2), "the vector stays as measured"
    assert not score(rules=[rule(None, critical=True), rule(0)]).critical


def test_an_agent_error_scores_zero_everywhere() -> None:
    found = score(rules=[rule(None, critical=True)], dimensions=[dimension(1)], status=CaseStatus.AGENT_ERROR)
    assert (found.authority_a, found.authority_b, found.quality, found.composite) == (0, 0, 0, 0)
    assert not found.critical
    assert score(status=CaseStatus.AGENT_ERROR).composite == 0


def test_minimums_are_reported_but_do_not_zero_the_case() -> None:
    found = score(dimensions=[dimension(0.4, minimum=0.5), dimension(0.9, minimum=0.5, key="e")])
    assert found.below_minimum == ("d",)
    assert found.composite == pytest.approx(0.65)


def test_costs_are_measured_against_the_frozen_references() -> None:
    frozen = reference_measures([Measures(latency_ms=100), Measures(latency_ms=300), Measures(latency_ms=200)])
    assert frozen == References(latency_ms=400)
    terms = [term("quality", 3), term("latency_ms", 1)]
    values = [
        score(dimensions=[dimension(1)], measures=Measures(latency_ms=ms), terms=terms, references=frozen).composite
        for ms in (0, 100, 400, 4000)
    ]
    assert values == [1, 0.9375, 0.75, 0.75]


def test_a_term_without_price_drops_out() -> None:
    terms = [term("quality", 1), term("cost_usd", 9)]
    found = score(dimensions=[dimension(0.6)], terms=terms, references=References(cost_usd=None))
    assert found.composite == pytest.approx(0.6)
    free = References(cost_usd=0)
    for cost, expected in ((0.0, 0.96), (0.1, 0.06)):
        paid = score(dimensions=[dimension(0.6)], terms=terms, measures=Measures(cost_usd=cost), references=free)
        assert paid.composite == pytest.approx(expected)


def test_without_quality_there_is_no_composite_where_quality_is_asked_for() -> None:
    terms = [term("quality"), term("latency_ms")]
    found = score(terms=terms, measures=Measures(latency_ms=1), references=References(latency_ms=2))
    assert found.composite is None


def test_a_dimension_can_be_an_objective_of_its_own() -> None:
    terms = [term("dimension:e"), term("dimension:absent", 5)]
    found = score(dimensions=[dimension(1), dimension(0.2, key="e")], terms=terms)
    assert found.composite == pytest.approx(0.2)
    assert found.terms == {"dimension:e": 0.2, "dimension:absent": None}


def test_a_pair_is_compared_on_what_is_known_of_both() -> None:
    terms = [term("quality", 1), term("cost_usd", 1)]
    frozen = References(cost_usd=2)
    priced = score(dimensions=[dimension(0.5)], terms=terms, measures=Measures(cost_usd=1), references=frozen)
    dear = score(dimensions=[dimension(0.5)], terms=terms, measures=Measures(cost_usd=2), references=frozen)
    unpriced = score(dimensions=[dimension(0.5)], terms=terms, references=frozen)
    assert paired_composites(priced, dear, terms) == (0.5, 0.25)
    assert paired_composites(priced, unpriced, terms) == (0.5, 0.5)


def test_a_failed_arm_is_zero_and_leaves_the_other_as_it_is() -> None:
    terms = [term("quality", 1), term("cost_usd", 1)]
    frozen = References(cost_usd=2)
    sound = score(dimensions=[dimension(0.5)], terms=terms, measures=Measures(cost_usd=2), references=frozen)
    crashed = score(dimensions=[dimension(None)], terms=terms, references=frozen, status=CaseStatus.AGENT_ERROR)
    unscored = score(dimensions=[dimension(None)], terms=terms, references=frozen)
    assert paired_composites(sound, crashed, terms) == (0.25, 0)
    assert paired_composites(crashed, crashed, terms) == (0, 0)
    assert paired_composites(sound, unscored, terms) is None


def test_a_measure_never_known_has_no_reference() -> None:
    assert reference_measures([]) == References()
    assert reference_measures([Measures(cost_usd=None), Measures(cost_usd=0.5)]) == References(cost_usd=1.0)
