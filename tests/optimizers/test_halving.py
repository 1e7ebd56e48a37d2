from hypothesis import given
from hypothesis import strategies as st

from spectral_platform.optimizers.halving import KEPT, RUNS_PER_RUNG, better_half, plan_rungs, planned_runs


@given(arms=st.integers(1, 100), cases=st.integers(1, 500))
def test_arms_are_halved_until_two_are_left_and_all_run_on_the_same_cases(arms: int, cases: int) -> None:
    rungs = plan_rungs(arms, cases)

    assert rungs[0].arms == arms
    assert [rung.cases for rung in rungs] == sorted(rung.cases for rung in rungs)
    assert sum(rung.new for rung in rungs) == rungs[-1].cases <= cases
    left = {str(arm): 0.0 for arm in range(arms)}
    for rung in rungs:
        assert len(left) == rung.arms
        left = dict.fromkeys(better_half(left), 0.0)
    assert len(left) == min(KEPT, arms)
    assert planned_runs(arms, cases) <= len(rungs) * max(RUNS_PER_RUNG, arms)


def test_without_arms_or_cases_nothing_runs() -> None:
    assert plan_rungs(0, 10) == plan_rungs(4, 0) == ()


def test_the_better_half_goes_on_and_of_equals_those_that_came_first() -> None:
    assert better_half({"a": 0.0, "b": 0.2, "c": 0.0, "d": -0.1, "e": 0.1, "f": 0.0}) == ("b", "e", "a")
