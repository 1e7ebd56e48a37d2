"""Parent selection of the reflective search: candidates that are best on some case, weighted by how many (GEPA)."""

from collections.abc import Mapping

from spectral_platform.core.randomness import generator


def frontier_weights(scores: Mapping[str, Mapping[str, float]]) -> dict[str, int]:
    """For each candidate that no other dominates, the number of cases on which it scores best (ties count for all).

    ``scores[candidate][case]`` in [0, 1]; only cases that every candidate has been scored on are compared. A candidate
    is dominated when each case it is best on has another, undominated candidate just as good (Agrawal et al. 2025,
    arXiv 2507.19457, algorithm 2, as the gepa package carries it out).
    """
    if not scores:
        return {}
    shared = set.intersection(*(set(row) for row in scores.values()))
    best_on: dict[str, set[str]] = {candidate: set() for candidate in scores}
    for case in shared:
        top = max(row[case] for row in scores.values())
        for candidate, row in scores.items():
            if row[case] == top:
                best_on[candidate].add(case)
    if not shared:
        return dict.fromkeys(scores, 1)
    order = sorted(scores, key=lambda candidate: (len(best_on[candidate]), sum(scores[candidate].values()), candidate))
    kept = list(order)
    for candidate in order:  # the weakest first, so that of two equal fronts the better mean survives
        others = [best_on[other] for other in kept if other != candidate]
        if others and best_on[candidate] <= set.union(*others):
            kept.remove(candidate)
    return {candidate: len(best_on[candidate]) for candidate in sorted(kept)}


def sample_parent(scores: Mapping[str, Mapping[str, float]], *, seed: int, round_index: int) -> str:
    """The key of the parent of this round, drawn in proportion to the frontier weights."""
    weights = frontier_weights(scores)
    names = sorted(weights)
    return generator(seed, "parent", round_index).choices(names, weights=[weights[name] for name in names])[0]
