"""Agreement of two raters, against statsmodels, scipy and published figures."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa as reference_kappa
from statsmodels.stats.proportion import proportion_confint

from spectral_platform.statistics.proportions import fisher_exact_less
from spectral_platform.statistics.raters import (
    Ratings,
    agreement,
    cohens_kappa,
    gwets_ac1,
    sensitivity,
    specificity,
)

TABLES = [(40, 9, 6, 45), (118, 5, 2, 0), (3, 1, 1, 3), (10, 30, 2, 8), (1, 0, 5, 94)]
counts = st.integers(0, 60)


def ratings(both_yes: int, false_yes: int, false_no: int, both_no: int) -> Ratings:
    return Ratings(both_yes=both_yes, false_yes=false_yes, false_no=false_no, both_no=both_no)


@pytest.mark.parametrize("table", TABLES)
def test_kappa_and_its_interval_are_those_of_statsmodels(table: tuple[int, int, int, int]) -> None:
    found = cohens_kappa(ratings(*table))
    expected = reference_kappa([[table[0], table[1]], [table[2], table[3]]])
    assert found is not None
    assert found.estimate == pytest.approx(expected.kappa)
    assert found.lower == pytest.approx(max(-1, expected.kappa_low))
    assert found.upper == pytest.approx(min(1, expected.kappa_upp))


@pytest.mark.parametrize("table", TABLES)
def test_shares_have_the_score_interval_of_statsmodels(table: tuple[int, int, int, int]) -> None:
    both_yes, false_yes, false_no, both_no = table
    for found, hits, of in (
        (agreement(ratings(*table)), both_yes + both_no, sum(table)),
        (sensitivity(ratings(*table)), both_yes, both_yes + false_no),
        (specificity(ratings(*table)), both_no, both_no + false_yes),
    ):
        assert found is not None
        assert found.estimate == hits / of
        assert (found.lower, found.upper) == pytest.approx(proportion_confint(hits, of, method="wilson"), abs=1e-12)


def test_ac1_holds_where_kappa_collapses() -> None:
    """Gwet (2002), "Kappa statistic is not satisfactory": 118 and 0 agree, 5 and 2 do not."""
    found = ratings(118, 5, 2, 0)
    kappa, ac1 = cohens_kappa(found), gwets_ac1(found)
    assert kappa is not None
    assert ac1 is not None
    assert (round(kappa.estimate, 4), round(ac1.estimate, 4)) == (-0.0234, 0.9408)


def test_the_interval_of_ac1_has_the_width_of_its_bootstrap() -> None:
    table = (40, 9, 6, 45)
    random = np.random.default_rng(1)
    drawn = [gwets_ac1(ratings(*map(int, row))) for row in random.multinomial(100, np.array(table) / 100, 2000)]
    spread = float(np.std([each.estimate for each in drawn if each is not None]))
    found = gwets_ac1(ratings(*table))
    assert found is not None
    assert (found.upper - found.lower) / (2 * 1.96) == pytest.approx(spread, rel=0.05)


def test_kappa_is_as_wide_as_the_design_says() -> None:
    """At agreement .85 and chance .5 the half-width is .14 for 100 labels."""
    found = cohens_kappa(ratings(43, 7, 8, 42))
    assert found is not None
    assert (found.upper - found.lower) / 2 == pytest.approx(0.14, abs=0.005)


def test_what_cannot_be_told_is_none() -> None:
    assert cohens_kappa(Ratings()) is gwets_ac1(Ratings()) is agreement(Ratings()) is None
    assert cohens_kappa(ratings(30, 0, 0, 0)) is None
    assert specificity(ratings(30, 0, 2, 0)) is None


def test_perfect_agreement_of_few_is_not_certain() -> None:
    few, many = cohens_kappa(ratings(5, 0, 0, 5)), cohens_kappa(ratings(50, 0, 0, 50))
    assert few is not None
    assert many is not None
    assert few.estimate == many.estimate == few.upper == 1
    assert few.lower < 0.5 < 0.9 < many.lower


@given(counts, counts, counts, counts)
def test_every_interval_holds_its_estimate(both_yes: int, false_yes: int, false_no: int, both_no: int) -> None:
    found = ratings(both_yes, false_yes, false_no, both_no)
    for interval in (agreement(found), cohens_kappa(found), gwets_ac1(found), sensitivity(found), specificity(found)):
        if interval is not None:
            assert -1 <= interval.lower <= interval.estimate <= interval.upper <= 1


@given(counts, counts, counts, counts)
def test_the_exact_test_is_that_of_scipy(a: int, b: int, c: int, d: int) -> None:
    expected = stats.fisher_exact([[a, b], [c, d]], alternative="less").pvalue
    assert math.isclose(fisher_exact_less(a, a + b, c, c + d), expected, rel_tol=1e-6)
