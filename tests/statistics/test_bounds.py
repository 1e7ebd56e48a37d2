import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from spectral_platform.statistics import bounds, proportions

differences = st.lists(st.floats(-1, 1), min_size=1, max_size=40)


def test_the_gaffke_bound_equals_clopper_pearson_on_pass_and_fail() -> None:
    passes = [1.0] * 45 + [0.0] * 5
    lower = bounds.gaffke_lower_bound(passes, 0.05, worst=0.0)
    assert lower == pytest.approx(bounds.clopper_pearson_lower(45, 50, 0.05))
    assert lower == pytest.approx(0.8012, abs=0.0001)
    upper = bounds.gaffke_upper_bound(passes, 0.05, worst=0.0)
    assert upper == pytest.approx(bounds.clopper_pearson_upper(45, 50, 0.05))


def test_the_gaffke_bound_nears_student_t_for_many_cases() -> None:
    values = np.random.default_rng(3).normal(0.1, 0.2, 1000).clip(-1, 1)
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    student = float(values.mean() - stats.t.ppf(0.95, len(values) - 1) * error)
    assert bounds.gaffke_lower_bound(values, 0.05) == pytest.approx(student, abs=0.003)


@settings(max_examples=50)
@given(differences)
def test_the_bounds_enclose_the_mean_and_stay_in_the_interval(values: list[float]) -> None:
    lower = bounds.gaffke_lower_bound(values, 0.05)
    upper = bounds.gaffke_upper_bound(values, 0.05)
    assert -1 <= lower <= float(np.mean(values)) + 1e-9
    assert float(np.mean(values)) - 1e-9 <= upper <= 1


@settings(max_examples=50)
@given(differences.flatmap(lambda values: st.tuples(st.just(values), st.permutations(values))))
def test_the_bound_ignores_the_order_of_the_cases(
    orders: tuple[list[float], list[float]],
) -> None:
    first, second = (bounds.gaffke_lower_bound(values, 0.05) for values in orders)
    assert first == second


@settings(max_examples=50)
@given(differences, st.integers(0, 39), st.floats(0, 1))
def test_a_better_case_never_lowers_the_bound(values: list[float], place: int, gain: float) -> None:
    better = [*values]
    better[place % len(values)] = min(1.0, better[place % len(values)] + gain)
    before = bounds.gaffke_lower_bound(sorted(values), 0.05)
    assert bounds.gaffke_lower_bound(sorted(better), 0.05) >= before - 1e-8


@settings(max_examples=150)
@given(st.data())
def test_the_bound_equals_clopper_pearson_however_many_pass(data: st.DataObject) -> None:
    trials = data.draw(st.integers(1, 3000))
    successes = data.draw(st.integers(0, trials))
    alpha = data.draw(st.sampled_from([1e-6, 0.0015, 0.05, 0.2]))
    passes = np.repeat([1.0, 0.0], [successes, trials - successes])

    lower = bounds.gaffke_lower_bound(passes, alpha, worst=0.0)
    upper = bounds.gaffke_upper_bound(passes, alpha, worst=0.0)

    assert lower == pytest.approx(bounds.clopper_pearson_lower(successes, trials, alpha), rel=1e-7, abs=1e-9)
    assert upper == pytest.approx(bounds.clopper_pearson_upper(successes, trials, alpha), rel=1e-7, abs=1e-9)


@settings(max_examples=150)
@given(st.lists(st.integers(-999, 1000), min_size=1, max_size=60, unique=True))
def test_the_p_value_is_that_of_the_sum_in_exact_arithmetic(thousandths: list[int]) -> None:
    """For points that all differ, partial fractions give the chance of a positive sum."""
    points = [-1000, *thousandths]
    chance = sum(
        (math.prod(Fraction(point, point - other) for other in points if other != point) for point in points if point > 0),
        start=Fraction(0),
    )

    found = bounds.rise_p_value([each / 1000 for each in thousandths])

    assert found == pytest.approx(float(1 - chance), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("cases", [1, 6, 40, 300])
@pytest.mark.parametrize("alpha", [0.005, 0.05, 0.2])
def test_the_bound_is_the_quantile_of_randomly_weighted_means(cases: int, alpha: float) -> None:
    random = np.random.default_rng(cases)
    values = random.choice([-0.9, 0.0, 0.1, 1.0], cases, p=[0.1, 0.4, 0.3, 0.2])
    weights = random.dirichlet(np.ones(cases + 1), 20_000)

    below = np.mean(weights @ np.append(values, -1.0) <= bounds.gaffke_lower_bound(values, alpha))

    assert below == pytest.approx(alpha, abs=4 * math.sqrt(alpha * (1 - alpha) / 20_000))


@settings(max_examples=100)
@given(differences, st.sampled_from([0.001, 0.05, 0.2]))
def test_a_lower_bound_is_above_zero_where_the_p_value_is_below_its_level(values: list[float], alpha: float) -> None:
    rises, bound = bounds.rise_p_value(values), bounds.gaffke_lower_bound(values, alpha)
    assume(abs(bound) > 1e-8)
    assert (bound > 0) == (rises < alpha)


def test_a_bound_is_the_other_one_of_the_values_turned_round() -> None:
    values = np.random.default_rng(6).uniform(-1, 1, 30)
    assert bounds.gaffke_lower_bound(values, 0.01) == -bounds.gaffke_upper_bound(-values, 0.01)
    assert bounds.fall_p_value(values) == bounds.rise_p_value(-values)


def test_a_stricter_level_gives_a_lower_bound() -> None:
    values = np.linspace(-0.2, 0.6, 60)
    strict, usual = (bounds.gaffke_lower_bound(values, alpha) for alpha in (0.01, 0.05))
    assert strict < usual


def test_without_cases_the_bound_is_the_worst() -> None:
    assert bounds.gaffke_lower_bound([], 0.05) == -1
    assert bounds.gaffke_upper_bound([], 0.05) == 1


@pytest.mark.parametrize("values", [[1.5], [-1.01, 0.0], [math.nan]])
def test_values_outside_the_interval_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="values lie in"):
        bounds.gaffke_lower_bound(values, 0.05)


@pytest.mark.parametrize(
    ("gain", "loss", "share_of_losses", "cases"),
    [(0.05, -0.45, 0.10, 30), (0.02, -0.98, 0.02, 30), (0.02, -0.98, 0.02, 100)],
)
def test_many_tiny_gains_with_rare_catastrophes_are_not_accepted(
    gain: float, loss: float, share_of_losses: float, cases: int
) -> None:
    """The mean is zero, where the t-test accepts 13 to 56 % of the time."""
    random = np.random.default_rng(20250701)
    scans = 200
    accepted_by_t = accepted = 0
    for _ in range(scans):
        sample = np.where(random.random(cases) < share_of_losses, loss, gain)
        accepted += bounds.gaffke_lower_bound(sample, 0.05) > 0
        error = sample.std(ddof=1) / math.sqrt(cases)
        accepted_by_t += bool(sample.mean() - stats.t.ppf(0.95, cases - 1) * error > 0)
    assert accepted / scans <= 0.05
    assert accepted_by_t / scans > 0.08, "the null has to be one that bites"


def test_an_unchanged_agent_is_rarely_taken_for_a_better_one() -> None:
    random = np.random.default_rng(20250702)
    scans, cases = 400, 50
    accepted = 0
    for _ in range(scans):
        difficulty = random.beta(0.606, 0.837, cases)
        sample = (random.random(cases) < difficulty).astype(float) - (random.random(cases) < difficulty)
        accepted += bounds.gaffke_lower_bound(sample, 0.05) > 0
    assert accepted / scans <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / scans)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (1, 300)])
def test_proportions_agree_with_scipy(successes: int, trials: int) -> None:
    result = stats.binomtest(successes, trials)
    exact = result.proportion_ci(0.90, "exact")
    assert bounds.clopper_pearson_lower(successes, trials, 0.05) == pytest.approx(exact.low)
    assert bounds.clopper_pearson_upper(successes, trials, 0.05) == pytest.approx(exact.high)
    wilson = result.proportion_ci(0.95, "wilson")
    assert proportions.wilson_interval(successes, trials) == pytest.approx((wilson.low, wilson.high))


def test_a_proportion_without_trials_is_unknown() -> None:
    assert proportions.wilson_interval(0, 0) == (0.0, 1.0)


def test_the_cost_ratio_bound_is_exact_when_every_pair_has_the_same_ratio() -> None:
    assert bounds.ratio_upper_bound([2, 4, 6], [1, 2, 3], 0.05) == pytest.approx(2)


def test_the_cost_ratio_bound_covers_the_true_ratio() -> None:
    random = np.random.default_rng(4)
    covered = 0
    for _ in range(200):
        baseline = random.lognormal(0, 0.5, 60)
        candidate = 1.2 * baseline * random.lognormal(-0.02, 0.2, 60)
        covered += bounds.ratio_upper_bound(list(candidate), list(baseline), 0.05) >= 1.2
    assert covered / 200 >= 0.90


def test_costs_of_nothing_compare() -> None:
    assert bounds.ratio_upper_bound([0, 0], [0, 0], 0.05) == 1
    assert bounds.ratio_upper_bound([1, 0], [0, 0], 0.05) == math.inf
    with pytest.raises(ValueError, match="at least one pair"):
        bounds.ratio_upper_bound([], [], 0.05)
    with pytest.raises(ValueError, match="either side"):
        bounds.ratio_upper_bound([1], [1, 2], 0.05)


@settings(max_examples=50)
@given(st.lists(st.floats(0, 100), max_size=200), st.floats(0, 100), st.sampled_from([0.05, 0.022, 0.0015]))
def test_a_percentile_surely_keeps_to_a_limit_when_few_enough_values_exceed_it(
    values: list[float], limit: float, alpha: float
) -> None:
    """Clopper and Pearson's bound on the share above the limit says the same in other words."""
    over = sum(value > limit for value in values)

    highest = bounds.quantile_upper_bound(values, 0.95, alpha)
    lowest = bounds.quantile_lower_bound(values, 0.95, alpha)

    assert (highest <= limit) == (bounds.clopper_pearson_upper(over, len(values), alpha) <= 0.05)
    assert (lowest > limit) == (bounds.clopper_pearson_lower(over, len(values), alpha) > 0.05)
    assert lowest <= highest
    assert bounds.quantile_upper_bound([*values, 101.0], 0.95, alpha) >= min(highest, 101.0)


def test_the_95th_percentile_is_bounded_from_59_values_on() -> None:
    assert math.isinf(bounds.quantile_upper_bound(range(58), 0.95, 0.05))
    assert bounds.quantile_upper_bound(range(59), 0.95, 0.05) == 58


@pytest.mark.parametrize(("over", "alpha", "cases"), [(0.01, 0.05, 124), (0.02, 0.025, 338), (0.05, 0.05, None)])
def test_a_percentile_needs_more_cases_the_more_answers_lie_above_the_limit(over: float, alpha: float, cases: int | None) -> None:
    assert bounds.cases_for_quantile(0.95, over, alpha=alpha) == cases


@pytest.mark.parametrize("over", [0.005, 0.01, 0.02])
def test_the_planned_cases_show_a_percentile_to_be_kept_in_four_scans_of_five(over: float) -> None:
    cases = bounds.cases_for_quantile(0.95, over, alpha=0.05)
    assert cases is not None
    above = np.arange(cases + 1)
    is_shown = stats.binom.cdf(above, cases, 0.05) <= 0.05
    assert stats.binom.pmf(above, cases, over)[is_shown].sum() >= 0.8


amounts = st.lists(st.floats(0, 1e4), min_size=1, max_size=60)


@settings(max_examples=40)
@given(amounts, st.floats(0, 1e4), st.floats(0.1, 10))
def test_the_bound_of_a_mean_of_amounts_lies_above_it_and_moves_with_the_amounts(
    values: list[float], shift: float, scale: float
) -> None:
    bound = bounds.amount_upper_bound(values, 0.025)
    moved = bounds.amount_upper_bound([shift + scale * value for value in values], 0.025)

    assert float(np.mean(values)) - 1e-6 <= bound <= 2 * max(values) - min(values) + 1e-6
    assert moved == pytest.approx(shift + scale * bound, rel=1e-6, abs=1e-6)
    assert bounds.amount_upper_bound(values, 0.0015) >= bound


def test_a_mean_of_no_amounts_has_no_bound() -> None:
    with pytest.raises(ValueError, match="at least one"):
        bounds.amount_upper_bound([], 0.05)


def test_a_mean_that_lies_on_its_limit_is_seldom_shown_to_keep_to_it_however_skewed_the_amounts() -> None:
    """The usual bootstrap lets through three times as many."""
    random = np.random.default_rng(5)
    scans = random.lognormal(-0.5, 1.0, (150, 60))  # the mean is 1
    shown = [bounds.amount_upper_bound(scan, 0.05) < 1 for scan in scans]
    by_bootstrap = [bounds.ratio_upper_bound(scan, np.ones(60).tolist(), 0.05) < 1 for scan in scans]
    assert np.mean(shown) <= 0.05 < np.mean(by_bootstrap)
