from collections import Counter

from spectral_platform.optimizers.pareto import frontier_weights, sample_parent


def test_a_candidate_counts_by_the_cases_it_is_best_on() -> None:
    scores = {"a": {"1": 1.0, "2": 0.0, "3": 0.5}, "b": {"1": 0.0, "2": 1.0, "3": 0.4}}
    assert frontier_weights(scores) == {"a": 2, "b": 1}


def test_a_dominated_candidate_is_pruned() -> None:
    scores = {"a": {"1": 1.0, "2": 1.0}, "b": {"1": 1.0, "2": 0.5}, "c": {"1": 0.2, "2": 0.2}}
    assert frontier_weights(scores) == {"a": 2}


def test_of_two_equal_candidates_one_stays() -> None:
    assert len(frontier_weights({"a": {"1": 0.5}, "b": {"1": 0.5}})) == 1


def test_cases_that_only_some_were_scored_on_do_not_count() -> None:
    scores = {"a": {"1": 1.0, "2": 0.0}, "b": {"1": 0.9, "2": 0.9, "3": 1.0}}
    assert frontier_weights(scores) == {"a": 1, "b": 1}


def test_candidates_without_a_shared_case_are_equal() -> None:
    assert frontier_weights({"a": {"1": 1.0}, "b": {"2": 0.0}}) == {"a": 1, "b": 1}
    assert frontier_weights({}) == {}


def test_parents_are_drawn_in_proportion_and_repeatably() -> None:
    scores = {"a": {"1": 1.0, "2": 1.0, "3": 1.0, "4": 0.0}, "b": {"1": 0.0, "2": 0.0, "3": 0.0, "4": 1.0}}
    drawn = Counter(sample_parent(scores, seed=1, round_index=index) for index in range(400))
    assert 250 < drawn["a"] < 350
    assert sample_parent(scores, seed=1, round_index=7) == sample_parent(scores, seed=1, round_index=7)
