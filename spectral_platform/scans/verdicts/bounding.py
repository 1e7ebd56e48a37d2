"""Bounds on paired differences at the level of one look at the holdout."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from spectral_platform.core.randomness import derive
from spectral_platform.core.values import Value
from spectral_platform.scans.quoting import USUAL_RIGOR
from spectral_platform.statistics.bounds import DRAWS, Resampled, amount_upper_bound
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


@dataclass(frozen=True)
class Bounding:
    """How the bounds of one look are drawn. Every statistic has random numbers of its own, derived from the scan's seed."""

    seed: int
    strictness: Strictness
    draws: int = DRAWS
    _resampled: dict[tuple[str, tuple[float, ...]], Resampled] = field(default_factory=dict)

    def bound(self, differences: Sequence[float], name: str) -> Bounds:
        """Mean, lower bound at ``alpha`` and upper bound at ``harm_alpha`` of paired differences in [−1, 1]."""
        if not differences:
            return Bounds(mean=0.0, lower=-1.0, upper=1.0, n=0)
        resampled = self._resample(differences, name)
        return Bounds(
            mean=fmean(differences),
            lower=resampled.lower_bound(self.strictness.alpha),
            upper=resampled.upper_bound(self.strictness.harm_alpha),
            n=len(differences),
        )

    def cautious_upper(self, differences: Sequence[float], name: str) -> float:
        """Upper bound of a mean that must not be seen to fall, at ``HARM_ALPHA`` whatever the look.

        A look's own level asks more evidence of harm the earlier it is. To pass there, a change must not even seem to harm.
        """
        return self._resample(differences, name).upper_bound(HARM_ALPHA)

    def highest_mean(self, amounts: Sequence[float], name: str, *, ceiling: float | None = None) -> float:
        """Upper bound at ``alpha`` of the mean of amounts of at most ``ceiling``; without one nothing bounds them from above."""
        seed = derive(self.seed, "bound", name)
        return amount_upper_bound(amounts, self.strictness.alpha, seed=seed, ceiling=ceiling, draws=self.draws)

    def confidence(self, differences: Sequence[float], name: str) -> float:
        """How sure it is that the mean lies above 0, whichever looks there may have been before: Bonferroni over all of them."""
        if not differences:
            return 0.0
        p_value = self._resample(differences, name).rise_p_value()
        return max(0.0, 1 - self.strictness.looks * max(p_value, 1 / self.draws))

    def harm_p_value(self, differences: Sequence[float], name: str) -> float:
        """One-sided p-value that the differences lie below 0."""
        return self._resample(differences, name).fall_p_value()

    def _resample(self, differences: Sequence[float], name: str) -> Resampled:
        """The draws of one statistic, which all of its bounds share."""
        key = name, tuple(differences)
        if key not in self._resampled:
            self._resampled[key] = Resampled(differences, seed=derive(self.seed, "bound", name), draws=self.draws)
        return self._resampled[key]
