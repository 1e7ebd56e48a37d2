"""Prediction-powered means against ppi_py, and against a judge that favours one arm."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from ppi_py import ppi_mean_ci, ppi_mean_pointestimate

from spectral_platform.statistics.ppi import labels_needed, powered_mean

Drawn = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def drawn(seed: int, labelled: int, unlabelled: int, *, effect: float = 0.1, bias: float = 0.0) -> Drawn:
    """Paired differences in −1, 0 and 1: the people's, the judge's on the same pairs, the judge's on others."""
    random = np.random.default_rng(seed)
    total = labelled + unlabelled
    human = random.choice([-1.0, 0.0, 1.0], total, p=[0.25 - effect / 2, 0.5, 0.25 + effect / 2])
    judged = np.where(random.random(total) < 0.8, human, random.choice([-1.0, 0.0, 1.0], total))
    judged = np.clip(judged + (random.random(total) < bias), -1, 1)
    return human[:labelled], judged[:labelled], judged[labelled:]


@pytest.mark.parametrize(("seed", "labelled", "unlabelled"), [(1, 30, 200), (2, 60, 200), (3, 400, 4000)])
def test_the_estimate_is_that_of_ppi_py(seed: int, labelled: int, unlabelled: int) -> None:
    human, judged, others = drawn(seed, labelled, unlabelled)
    found = powered_mean(human, judged, others, alpha=0.05)
    assert found.estimate == pytest.approx(float(ppi_mean_pointestimate(human, judged, others)[0]), abs=1e-4)
    assert 0 < found.judge_weight < 1


def test_the_bound_is_that_of_ppi_py_where_labels_are_many() -> None:
    human, judged, others = drawn(4, 2000, 20_000)
    low, _ = ppi_mean_ci(human, judged, others, alpha=0.10)  # both sides, so .05 on the lower one
    assert powered_mean(human, judged, others, alpha=0.05).lower == pytest.approx(float(low[0]), abs=1e-4)


def test_pairs_that_were_chosen_unequally_count_by_their_inverse_probability() -> None:
    human, judged, others = drawn(5, 60, 200)
    inclusion = np.where(np.abs(judged) > 0, 1.0, 0.3)
    found = powered_mean(human, judged, others, alpha=0.05, inclusion=inclusion)
    options: dict[str, Any] = {"lam": found.judge_weight, "w": 1 / inclusion}
    assert found.estimate == pytest.approx(float(ppi_mean_pointestimate(human, judged, others, **options)[0]), abs=1e-9)
    assert found.estimate != pytest.approx(powered_mean(human, judged, others, alpha=0.05).estimate, abs=1e-3)


def test_a_judge_that_favours_the_candidate_convinces_itself_but_not_the_labels() -> None:
    by_judge = by_labels = 0
    for seed in range(200):
        human, judged, others = drawn(seed, 60, 200, effect=0, bias=0.15)
        by_judge += others.mean() - 1.645 * others.std() / np.sqrt(others.size) > 0
        by_labels += powered_mean(human, judged, others, alpha=0.05).lower > 0
    assert by_judge / 200 > 0.3
    assert by_labels / 200 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_a_judge_that_knows_nothing_has_no_weight() -> None:
    human = [1.0, -1.0, 0.5, 0.0]
    found = powered_mean(human, [0.0] * 4, [0.0] * 9, alpha=0.05)
    assert (found.judge_weight, found.estimate) == (0, 0.125)


def test_more_labels_are_asked_for_only_where_they_could_help() -> None:
    human, judged, others = drawn(7, 30, 2000, effect=0.2)
    seen = powered_mean(human, judged, others, alpha=0.05)
    wanted = labels_needed(seen, alpha=0.05)
    assert wanted is not None
    assert (wanted > 30) == (seen.lower <= 0)
    assert labels_needed(powered_mean([-x for x in human], judged, others, alpha=0.05), alpha=0.05) is None


@pytest.mark.parametrize(
    ("human", "judged", "unlabelled", "inclusion"),
    [([1.0], [1.0], [0.0, 1.0], None), ([1.0, 0.0], [1.0], [0.0, 1.0], None), ([1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0])],
)
def test_too_little_is_refused(human: list[float], judged: list[float], unlabelled: list[float], inclusion: Any) -> None:
    with pytest.raises(ValueError, match=r"pairs|probability"):
        powered_mean(human, judged, unlabelled, alpha=0.05, inclusion=inclusion)
