"""Successive halving: many arms on few shared cases, then the better half on more (Jamieson and Talwalkar, arXiv 1502.07943)."""

from collections.abc import Mapping
from math import ceil

from spectral_platform.core.values import Value

RUNS_PER_RUNG = 96
"""Runs that the arms of a rung share. Every rung costs the same, so the fewer are left, the better each is measured."""
KEPT = 2


class Rung(Value):
    """One round: so many arms, each on all cases up to ``cases``, of which ``new`` were not in the rung before."""

    arms: int
    cases: int
    new: int


def plan_rungs(arms: int, cases: int, *, keep: int = KEPT, runs: int = RUNS_PER_RUNG) -> tuple[Rung, ...]:
    """The rounds until ``keep`` arms are left; at least one, so that an arm is never kept unmeasured."""
    if not arms or not cases:
        return ()
    rungs: list[Rung] = []
    left, seen = arms, 0
    while not rungs or left > keep:
        reached = min(cases, seen + max(1, runs // left))
        rungs.append(Rung(arms=left, cases=reached, new=reached - seen))
        seen, left = reached, max(keep, ceil(left / 2)) if left > keep else 0
    return tuple(rungs)


def planned_runs(arms: int, cases: int) -> int:
    """What the rounds take in all."""
    return sum(rung.arms * rung.new for rung in plan_rungs(arms, cases))


def better_half(scores: Mapping[str, float], *, keep: int = KEPT) -> tuple[str, ...]:
    """The arms that go on, the best first; among equals those that were proposed first."""
    ranked = sorted(scores, key=lambda arm: -scores[arm])
    return tuple(ranked[: max(keep, ceil(len(ranked) / 2))])
