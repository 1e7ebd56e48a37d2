"""Bounds on paired differences at the level of one look at the holdout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from spectral_platform.core.randomness import derive
from spectral_platform.core.values import Value
from spectral_platform.scans.quoting import USUAL_RIGOR
from spectral_platform.statistics.bounds import DRAWS, Resampled, amount_upper_bound, draws_at, resample
from spectral_platform.statistics.sequential import LOOKS, plan_looks
from spectral_platform.workspaces.policies.autonomy import Rigor

HARM_ALPHA = 0.05
"""One-sided level of harm, and of an effect too small to matter, over all looks."""
SLICE_PREFIX = "slice:"


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
    """The bounds of one look on paired differences in [−1, 1], by the name of what differs, drawn from the scan's seed."""

    seed: int
    strictness: Strictness
    differences: Mapping[str, Sequence[float]]
    if_best: Mapping[str, Sequence[float]] | None = None
    """The same where what the candidate leaves open speaks for it; None where it leaves nothing open."""
    draws: int = DRAWS

    @cached_property
    def _resampled(self) -> dict[str, Resampled]:
        return self._resample(self.differences, min(self.strictness.alpha, self.strictness.harm_alpha))

    @cached_property
    def _resampled_if_best(self) -> dict[str, Resampled]:
        return self._resampled if self.if_best is None else self._resample(self.if_best, self.strictness.harm_alpha)

    def _resample(self, differences: Mapping[str, Sequence[float]], alpha: float) -> dict[str, Resampled]:
        """Draw for this level; slices, of which there may be many, are only asked for harm."""
        by_level: dict[float, dict[str, Sequence[float]]] = {alpha: {}, self.strictness.harm_alpha: {}}
        for name, values in differences.items():
            by_level[self.strictness.harm_alpha if name.startswith(SLICE_PREFIX) else alpha][name] = values
        found: dict[str, Resampled] = {}
        for level, asked in by_level.items():
            found |= resample(asked, seed=derive(self.seed, "bound"), draws=draws_at(level, self.draws))
        return found

    def bound(self, name: str) -> Bounds:
        """Mean, lower bound at ``alpha``, and upper bound at ``harm_alpha`` with the unknown at its best."""
        differences = self.differences[name]
        return Bounds(
            mean=fmean(differences) if differences else 0.0,
            lower=self._resampled[name].lower_bound(self.strictness.alpha),
            upper=self._resampled_if_best[name].upper_bound(self.strictness.harm_alpha),
            n=len(differences),
        )

    def cautious_upper(self, name: str) -> float:
        """Upper bound of a mean that must not be seen to fall, at ``HARM_ALPHA`` whatever the look.

        A look's own level asks more evidence of harm the earlier it is. To pass there, a change must not even seem to harm.
        """
        return self._resampled[name].upper_bound(HARM_ALPHA)

    def highest_mean(self, amounts: Sequence[float], name: str, *, ceiling: float | None = None) -> float:
        """Upper bound at ``alpha`` of the mean of amounts of at most ``ceiling``; without one nothing bounds them from above."""
        seed = derive(self.seed, "bound", name)
        return amount_upper_bound(amounts, self.strictness.alpha, seed=seed, ceiling=ceiling, draws=self.draws)

    def confidence(self, name: str) -> float:
        """How sure it is that the mean lies above 0, whichever looks there may have been before: Bonferroni over all of them."""
        return max(0.0, 1 - self.strictness.looks * self._resampled[name].rise_p_value())

    def seeming_p_value(self, name: str) -> float:
        """One-sided p-value that the differences lie below 0, with the unknown at its worst."""
        return self._resampled[name].fall_p_value()

    def harm_p_value(self, name: str) -> float:
        """The same with the unknown at its best: what is not known is no evidence of harm."""
        return self._resampled_if_best[name].fall_p_value()
