"""Bounds on paired differences at the level of one look at the holdout."""

from collections.abc import Sequence
from statistics import fmean

from spectral_platform.core.values import Value
from spectral_platform.scans.quoting import USUAL_RIGOR
from spectral_platform.statistics.bounds import gaffke_lower_bound, gaffke_upper_bound
from spectral_platform.statistics.sequential import LOOKS, plan_looks
from spectral_platform.workspaces.policies.autonomy import Rigor

HARM_ALPHA = 0.05
"""One-sided level of harm, and of an effect too small to matter, over all looks."""


class Strictness(Value):
    """Which look at the holdout this is and the one-sided levels at which it speaks."""

    look: int
    looks: int
    cases: int
    of_cases: int
    alpha: float
    """Of what is good about a change."""
    last_alpha: float
    """The same at the last look, by which it is planned how many cases show something."""
    minimum_pairs: int
    """Sealed pairs without which nothing is decided."""
    harm_alpha: float
    """Of harm, and of there being no change worth making."""

    @property
    def is_last(self) -> bool:
        """Whether no further look follows."""
        return self.look == self.looks


def plan_strictness(cases: int, rigor: Rigor = USUAL_RIGOR) -> tuple[Strictness, ...]:
    """The looks at a holdout of so many samples."""
    levels = plan_looks(cases, rigor.alpha)
    return tuple(
        Strictness(
            look=good.number,
            looks=len(LOOKS),
            cases=good.cases,
            of_cases=cases,
            alpha=good.alpha,
            last_alpha=levels[-1].alpha,
            minimum_pairs=rigor.minimum_pairs,
            harm_alpha=harm.alpha,
        )
        for good, harm in zip(levels, plan_looks(cases, HARM_ALPHA), strict=True)
    )


def only_look(cases: int, rigor: Rigor = USUAL_RIGOR) -> Strictness:
    """A single look at all cases, which has the levels to itself."""
    return Strictness(
        look=1,
        looks=1,
        cases=cases,
        of_cases=cases,
        alpha=rigor.alpha,
        last_alpha=rigor.alpha,
        minimum_pairs=rigor.minimum_pairs,
        harm_alpha=HARM_ALPHA,
    )


class Bounds(Value):
    """A mean paired difference with its bounds."""

    mean: float
    lower: float
    upper: float
    n: int


def bound(differences: Sequence[float], at_best: Sequence[float], strictness: Strictness) -> Bounds:
    """Bounds on the mean of paired differences in [−1, 1] at the level of one look.

    The lower one at ``alpha``; the upper one, at ``harm_alpha``, of what the differences are with the unknown at its best.
    """
    return Bounds(
        mean=fmean(differences) if differences else 0.0,
        lower=gaffke_lower_bound(differences, strictness.alpha),
        upper=gaffke_upper_bound(at_best, strictness.harm_alpha),
        n=len(differences),
    )
