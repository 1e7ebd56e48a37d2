"""What a mean hides: single dimensions, single cases, and groups of cases that get worse."""

from dataclasses import replace
from statistics import fmean
from typing import Any

import pytest

from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.contains import Contains
from spectral_platform.evaluations.terms import Constraint, Statistic
from spectral_platform.scans.pairing import Pairs
from spectral_platform.scans.quoting import Noise
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.verdicts.bounding import only_look, plan_strictness
from spectral_platform.scans.verdicts.gating import Conclusion, conclude
from spectral_platform.scans.verdicts.verdict import Gate, GateResult
from spectral_platform.worlds.rules import load_world


def dimension(key: str, *, minimum: float | None = None) -> Dimension:
    return Dimension(key=key, name=key.title(), description="About it.", weight=1, evaluator=Contains(value="x"), minimum=minimum)


def standard(*dimensions: Dimension) -> Standard:
    return Standard(world=load_world("general-agent-conduct@1.0.0"), dimensions=dimensions, terms=(), constraints=())


STANDARD = standard(dimension("tone"), dimension("facts", minimum=0.2))


def pairs(composite: list[float], **more: object) -> Pairs:
    """Pairs of an agent whose change shows in the composite as given and harms no authority."""
    facts = {
        "composites": [(max(0.0, -difference), max(0.0, difference)) for difference in composite],
        "authority_a": (0.0,) * 200,
        "authority_b": tuple(composite),
        "unscored": 0,
        "stimuli": 60,
        "unscored_stimuli": 0,
        "critical_worsened": 0,
        "critical_mended": 0,
        "baseline_means": {},
        "candidate_means": {"dimension:facts": 0.9},
        "baseline_costs": (),
        "candidate_costs": (),
    }
    return Pairs.model_validate(facts | more)


def look(composite: list[float], *, noise: float = 0.0, dev_gain: float | None = None, **more: object) -> Conclusion:
    return conclude(pairs(composite, **more), STANDARD, noise=noise, dev_gain=dev_gain)


def gate(concluded: Conclusion, name: str) -> GateResult:
    return next(result for result in concluded.gates if result.name == name)


def test_repeats_average_the_noise_out_that_excuses_lost_cases() -> None:
    """Pass or fail as in tau-bench, Beta(.606, .837): of 400 000 cases 10.8 % differ so by three runs of each."""
    noise = Noise(cases=15, disagreement=0.29, icc=0.4, run_variance=0.147)

    assert [noise.disagreement_of(repeats) for repeats in (1, 3)] == pytest.approx([0.29, 0.11], abs=0.005)
    assert noise.model_copy(update={"run_variance": 9.0}).disagreement_of(3) == 0.29
    assert noise.model_copy(update={"disagreement": 0.0, "run_variance": 0.0}).disagreement_of(3) == 0


def test_a_dimension_that_falls_is_harm_though_the_composite_rises() -> None:
    concluded = look([0.3] * 100, dimensions={"tone": [-0.2] * 100, "facts": [0.4] * 100})

    assert gate(concluded, "composite_lower_bound").passed
    assert not gate(concluded, "dimension:tone").passed
    assert gate(concluded, "dimension:tone").harm
    assert gate(concluded, "dimension:facts").passed
    assert not concluded.stops


def test_a_dimension_with_a_minimum_must_be_shown_to_hold_and_another_only_not_shown_to_fall() -> None:
    mixed = [0.6, -0.6] * 15
    concluded = look([0.3] * 100, dimensions={"tone": mixed, "facts": mixed})

    assert gate(concluded, "dimension:tone").passed
    assert not gate(concluded, "dimension:facts").passed
    assert not gate(concluded, "dimension:facts").harm


@pytest.mark.parametrize(
    ("severe", "noise", "passed", "harm"),
    [(0, 0.0, True, False), (4, 0.0, True, False), (9, 0.0, False, False), (30, 0.0, False, True), (17, 0.3, True, False)],
)
def test_severe_regressions_are_held_against_what_chance_alone_makes(severe: int, noise: float, passed: bool, harm: bool) -> None:
    concluded = look([-0.6] * severe + [0.4] * (100 - severe), noise=noise)

    assert (gate(concluded, "severe_regressions").passed, gate(concluded, "severe_regressions").harm) == (passed, harm)


def test_one_broken_case_that_must_pass_is_enough() -> None:
    assert gate(look([0.3] * 100), "must_pass").passed
    broken = gate(look([0.3] * 100, must_pass_lost=1), "must_pass")
    assert broken.harm
    assert not broken.passed


def test_a_group_of_cases_that_gets_worse_is_found_and_a_small_one_is_not_tested() -> None:
    slices = {"refunds": [-0.4] * 25, "orders": [0.5] * 60, "rare": [-1.0] * 19}
    concluded = look([0.3] * 100, slices=slices)

    assert gate(concluded, "slice:refunds").harm
    assert gate(concluded, "slice:orders").passed
    assert not [result for result in concluded.gates if result.name == "slice:rare"]


def test_noise_in_many_groups_is_no_harm() -> None:
    slices = {f"tag{number}": [0.5, -0.5] * 10 + [-0.2] * number for number in range(20)}
    concluded = look([0.3] * 100, slices=slices)

    assert all(result.passed for result in concluded.gates if result.gate is Gate.SLICES)


def test_a_gain_that_does_not_arrive_warns_and_blocks_nothing() -> None:
    concluded = look([0.1] * 200, dev_gain=0.4)

    assert gate(concluded, "transfer_ratio").value == pytest.approx(0.25)
    assert not gate(concluded, "transfer_ratio").passed
    assert not any(result.harm for result in concluded.gates if result.gate is Gate.TRANSFER)
    assert concluded.stops


def test_a_look_is_stricter_than_the_whole_and_the_last_one_nearly_as_strict() -> None:
    looks = plan_strictness(120)
    whole = only_look(120)

    assert [strictness.cases for strictness in looks] == [60, 90, 120]
    assert looks[0].alpha < looks[1].alpha < looks[2].alpha < whole.alpha
    assert [strictness.is_last for strictness in looks] == [False, False, True]
    assert looks[0].harm_alpha == pytest.approx(0.0056, abs=1e-4)


def test_a_clear_gain_stops_at_the_first_look_and_a_faint_one_does_not() -> None:
    first = plan_strictness(160)[0]
    clear, faint = [0.4, 0.2] * 40, [0.3, -0.2] * 40

    stopped = conclude(pairs(clear), STANDARD, strictness=first)
    going_on = conclude(pairs(faint), STANDARD, strictness=first)

    assert stopped.stops
    assert stopped.effect.alpha == first.alpha
    assert not going_on.stops


def test_a_finalist_that_is_surely_no_better_stops_and_one_that_is_behind_by_chance_does_not() -> None:
    first = plan_strictness(160)[0]
    surely = conclude(pairs([-0.2, -0.1] * 40), STANDARD, strictness=first)
    by_chance = conclude(pairs([0.5, -0.55] * 40), STANDARD, strictness=first)

    assert surely.stops
    assert by_chance.effect.estimate < 0
    assert not by_chance.stops


def test_too_few_cases_never_stop() -> None:
    first = plan_strictness(80)[0]
    assert not conclude(pairs([0.5] * 40), STANDARD, strictness=first).stops
    assert not conclude(pairs([-0.5] * 40), STANDARD, strictness=first).stops


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("critical_failures", {"critical_worsened": 6}),
        ("dimension:tone", {"dimensions": {"tone": [-0.4] * 17 + [0.3] * 4 + [0.0] * 79}}),
        ("slice:vip", {"slices": {"vip": [-0.4] * 20 + [0.5] * 5}}),
    ],
)
def test_an_early_look_goes_on_where_harm_is_likely_but_not_yet_sure(name: str, seen: dict[str, Any]) -> None:
    early = conclude(pairs([0.4] * 100, **seen), STANDARD, strictness=plan_strictness(200)[0])
    late = look([0.4] * 100, **seen)

    assert (gate(early, name).passed, gate(early, name).harm, early.stops) == (False, False, False)
    assert (gate(late, name).passed, gate(late, name).harm) == (False, True)


def test_how_many_cases_lose_much_is_bounded_at_the_level_of_the_look() -> None:
    composite = [0.4] * 97 + [-0.6] * 3
    early = conclude(pairs(composite), STANDARD, strictness=plan_strictness(200)[0])

    assert gate(look(composite), "severe_regressions").passed
    assert not gate(early, "severe_regressions").passed


@pytest.mark.parametrize(
    ("amounts", "passes", "harms"),
    [
        ([3_000.0] * 50, True, False),
        ([3_000.0, 4_900.0] * 50, False, False),
        ([3_000.0, 5_100.0] * 50, False, True),
    ],
    ids=["surely below", "below as it came out", "above"],
)
@pytest.mark.parametrize("metric", ["cost_usd", "latency_ms", "total_tokens"])
def test_an_upper_limit_of_an_amount_holds_when_its_bound_does(
    metric: str, amounts: list[float], *, passes: bool, harms: bool
) -> None:
    limited = replace(STANDARD, constraints=(Constraint(metric=metric, operator="<=", value=4_000),))
    means = {"dimension:facts": 0.9, metric: fmean(amounts)}
    change = pairs([0.3] * 100, candidate_means=means, baseline_means={metric: 3_500}, candidate_amounts={metric: amounts})

    result = gate(conclude(change, limited), f"constraint:{metric}")

    assert (result.passed, result.harm) == (passes, harms)
    assert result.value is not None
    assert result.value >= fmean(amounts)


def test_no_bound_makes_up_for_a_mean_that_breaks_its_limit() -> None:
    limited = replace(STANDARD, constraints=(Constraint(metric="cost_usd", operator="<=", value=0.02),))
    of_all_runs, near_duplicates_being_one = 0.03, [0.01] * 100
    change = pairs(
        [0.3] * 100, candidate_means={"cost_usd": of_all_runs}, candidate_amounts={"cost_usd": near_duplicates_being_one}
    )

    result = gate(conclude(change, limited), "constraint:cost_usd")

    assert (result.passed, result.harm) == (False, True)


def test_amounts_that_all_lie_on_their_limit_keep_to_it() -> None:
    limited = replace(STANDARD, constraints=(Constraint(metric="cost_usd", operator="<=", value=0.002),))
    change = pairs([0.3] * 94, candidate_means={"cost_usd": 0.002}, candidate_amounts={"cost_usd": [0.002] * 94})

    assert gate(conclude(change, limited), "constraint:cost_usd").passed


@pytest.mark.parametrize(
    ("ceiling", "passes"), [(None, False), (0.02, True), (0.4, False)], ids=["nothing", "enough", "too little"]
)
def test_what_is_unknown_of_amounts_is_at_its_ceiling_or_shows_no_limit_to_be_kept(
    ceiling: float | None, *, passes: bool
) -> None:
    limited = replace(STANDARD, constraints=(Constraint(metric="cost_usd", operator="<=", value=0.01),))
    amounts = {"cost_usd": [0.005] * 95 + [None] * 5}
    ceilings = {} if ceiling is None else {"cost_usd": ceiling}
    means = {"dimension:facts": 0.9, "cost_usd": 0.005}
    change = pairs([0.3] * 100, candidate_means=means, candidate_amounts=amounts, candidate_ceilings=ceilings)

    result = gate(conclude(change, limited), "constraint:cost_usd")

    assert (result.passed, result.harm, result.value is None) == (passes, False, ceiling is None)
    assert "What 5 of 100 cases took is unknown" in result.detail


def test_a_limit_that_is_broken_by_what_is_known_alone_is_not_kept_whatever_is_unknown() -> None:
    limited = replace(STANDARD, constraints=(Constraint(metric="cost_usd", operator="<=", value=0.01),))
    harms = []
    for unknown in (10, 90):
        amounts = {"cost_usd": [0.02] * (100 - unknown) + [None] * unknown}
        change = pairs([0.3] * 100, candidate_means={"cost_usd": 0.02}, candidate_amounts=amounts)
        result = gate(conclude(change, limited), "constraint:cost_usd")
        harms.append((result.passed, result.harm))

    assert harms == [(False, True), (False, False)]


def test_a_case_that_must_pass_and_was_not_scored_lets_nothing_pass() -> None:
    result = gate(look([0.3] * 100, must_pass_unknown=1), "must_pass")

    assert (result.passed, result.harm) == (False, False)
    assert result.detail.endswith("1 more may have: not all of their answers were scored in everything.")


def test_a_lower_limit_holds_its_mean() -> None:
    limited = replace(STANDARD, constraints=(Constraint(metric="total_tokens", operator=">=", value=90),))
    amounts = [80.0, 101.0] * 10
    change = pairs([0.3] * 100, candidate_means={"total_tokens": fmean(amounts)}, candidate_amounts={"total_tokens": amounts})

    assert gate(conclude(change, limited), "constraint:total_tokens").value == fmean(amounts)


@pytest.mark.parametrize(
    ("slow", "of", "passes", "harms", "needed"),
    [
        (0, 60, False, False, 72),
        (0, 72, True, False, None),
        (1, 94, False, False, 173),
        (1, 200, True, False, None),
        (6, 94, False, False, None),
        (12, 94, False, True, None),
    ],
    ids=["too few cases", "none above", "one above", "one above of many", "above as it came out", "surely above"],
)
def test_a_percentile_keeps_to_its_limit_when_its_exact_bound_does(
    slow: int, of: int, needed: int | None, *, passes: bool, harms: bool
) -> None:
    limited = replace(
        STANDARD, constraints=(Constraint(metric="latency_ms", operator="<=", value=4_000, statistic=Statistic.P95),)
    )
    answers = {"latency_ms": [900.0] * (of - slow) + [9_000.0] * slow}
    change = pairs([0.3] * of, candidate_answers=answers, baseline_answers={"latency_ms": [900.0] * of})

    concluded = conclude(change, limited)
    result = gate(concluded, "constraint:p95:latency_ms")

    assert (result.passed, result.harm) == (passes, harms)
    assert concluded.statistics["limit_cases_needed"] == needed
    assert (result.value is None) == (of < 72)


def test_slow_answers_are_no_harm_where_the_baseline_was_as_slow_and_slower() -> None:
    limited = replace(
        STANDARD, constraints=(Constraint(metric="latency_ms", operator="<=", value=4_000, statistic=Statistic.P95),)
    )
    change = pairs([0.3] * 94, candidate_answers={"latency_ms": [5_000.0] * 94}, baseline_answers={"latency_ms": [6_000.0] * 94})

    result = gate(conclude(change, limited), "constraint:p95:latency_ms")

    assert (result.passed, result.harm) == (False, False)
    assert result.detail == (
        "The p95 of latency_ms must be <= 4000; it is 5000. With 97.50% confidence it is at most 5000. "
        "94 of 94 answers lie above the limit; more cases would not show that it is kept."
    )


def test_what_is_unknown_of_answers_shows_neither_that_a_limit_is_kept_nor_that_it_is_broken() -> None:
    limited = replace(
        STANDARD, constraints=(Constraint(metric="total_tokens", operator="<=", value=400, statistic=Statistic.P95),)
    )
    known, unknown = [100.0] * 75, [None] * 25
    answers = {"total_tokens": known + unknown}
    change = pairs([0.3] * 100, candidate_answers=answers, baseline_answers=answers)

    result = gate(conclude(change, limited), "constraint:p95:total_tokens")

    assert (result.passed, result.harm, result.value) == (False, False, None)
    assert "25 of 100 answers lie above the limit, or are unknown (25)" in result.detail
    broken = {"total_tokens": [900.0] * 75 + unknown}
    worse = pairs([0.3] * 100, candidate_answers=broken, baseline_answers=answers)
    assert gate(conclude(worse, limited), "constraint:p95:total_tokens").harm


def test_cases_are_planned_at_the_level_of_the_last_look_where_the_budget_ended_before_it() -> None:
    limited = replace(
        STANDARD, constraints=(Constraint(metric="latency_ms", operator="<=", value=4_000, statistic=Statistic.P95),)
    )
    change = pairs([0.1] * 30, candidate_answers={"latency_ms": [900.0] * 30}, baseline_answers={"latency_ms": [900.0] * 30})
    early = conclude(change, limited, strictness=plan_strictness(60)[0])

    assert early.statistics["limit_cases_needed"] == 75
