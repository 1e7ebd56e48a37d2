"""Many tests at once: which of them hold when a family of them may err only so often."""

from collections.abc import Mapping


def holm(p_values: Mapping[str, float], alpha: float) -> frozenset[str]:
    """The names of the hypotheses that are rejected, with at most ``alpha`` probability of rejecting any true one.

    Steps down from the smallest p-value, each against alpha / (how many are left): Holm (1979), Scandinavian Journal of
    Statistics 6(2).
    """
    rejected: set[str] = set()
    for left, name in zip(range(len(p_values), 0, -1), sorted(p_values, key=lambda name: (p_values[name], name)), strict=True):
        if p_values[name] > alpha / left:
            break
        rejected.add(name)
    return frozenset(rejected)
