import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectral_platform.statistics import bounds, power


def test_sixty_cases_run_once_show_only_large_effects() -> None:
    spread = power.spread_of_difference()
    assert spread == pytest.approx(0.54, abs=0.005)
    assert power.minimum_detectable_effect(60, spread) == pytest.approx(0.20, abs=0.01)


@pytest.mark.parametrize(
    ("effect", "spread", "simulated"),
    [(0.05, 0.542, 800), (0.15, 0.542, 120), (0.20, 0.542, 70), (0.05, 0.20, 160), (0.10, 0.20, 60), (0.10, 0.30, 100)],
)
def test_the_closed_form_meets_the_simulated_table(effect: float, spread: float, simulated: int) -> None:
    assert power.cases_needed(effect, spread) == pytest.approx(simulated, rel=0.25)


@given(st.integers(5, 5000), st.floats(0, 0.6), st.sampled_from([0.05, 0.025, 0.01]))
def test_detectable_effect_and_cases_needed_are_inverse(cases: int, spread: float, alpha: float) -> None:
    effect = power.minimum_detectable_effect(cases, spread, alpha=alpha)
    if effect is not None:
        assert abs(power.cases_needed(effect, spread, alpha=alpha) - cases) <= 1


@given(st.floats(0.01, 0.9), st.floats(0, 0.6))
def test_a_stricter_level_needs_more_cases(effect: float, spread: float) -> None:
    assert power.cases_needed(effect, spread, alpha=0.01) >= power.cases_needed(effect, spread, alpha=0.05)


def test_with_hardly_any_cases_no_effect_is_detectable() -> None:
    assert power.minimum_detectable_effect(0, 0.54) is None
    assert power.minimum_detectable_effect(1, 0.54) is None


def test_repeats_stand_in_for_cases_up_to_a_point() -> None:
    assert power.repeats_needed(0.10, 250) == 1
    assert power.repeats_needed(0.10, 100) == 3
    assert power.repeats_needed(0.02, 100) is None


@pytest.mark.parametrize(("alpha", "cases"), [(0.05, 59), (0.025, 72), (0.01, 90)])
def test_a_percentile_needs_cases_even_where_every_answer_keeps_to_its_limit(alpha: float, cases: int) -> None:
    assert power.cases_for_clean_quantile(0.95, alpha=alpha) == bounds.cases_for_quantile(0.95, 0.0, alpha=alpha) == cases
