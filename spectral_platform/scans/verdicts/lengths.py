"""How far a change of scores goes with a change of the answers' lengths, which judges are known to like."""

from collections.abc import Sequence
from statistics import StatisticsError, correlation, fmean, linear_regression

from spectral_platform.core.values import Value


class LengthCovariate(Value):
    """The lengths of answers in both arms, in characters, and how the scores go with them. It is reported and decides nothing."""

    baseline_mean: float
    finalist_mean: float
    correlation: float | None
    """Pearson's, of the changes of length and score; None where one of them does not vary."""
    slope_per_100_characters: float | None
    effect_at_equal_length: float | None
    """What least squares leave of the effect where the length does not change (ANCOVA; Dubois et al. 2024, arXiv 2404.04475)."""

    @property
    def sentence(self) -> str:
        """In words."""
        lengths = f"Answers have {self.baseline_mean:.0f} characters before the change and {self.finalist_mean:.0f} after it"
        if self.correlation is None or self.effect_at_equal_length is None:
            return f"{lengths}; the changes of length and score do not go together."
        return (
            f"{lengths}; the changes of length and score correlate by {self.correlation:+.2f}, and at equal length the effect is "
            f"{self.effect_at_equal_length:+.3f}."
        )


def length_covariate(differences: Sequence[float], lengths: Sequence[tuple[float, float]]) -> LengthCovariate | None:
    """The covariate of paired differences of scores, with the lengths of both answers of each pair; None without pairs."""
    if not differences:
        return None
    changes = [after - before for before, after in lengths]
    together = slope = intercept = None
    try:
        together = correlation(changes, differences)
        slope, intercept = linear_regression(changes, differences)
    except StatisticsError:  # too few pairs, or no variation
        pass
    return LengthCovariate(
        baseline_mean=fmean(before for before, _ in lengths),
        finalist_mean=fmean(after for _, after in lengths),
        correlation=together,
        slope_per_100_characters=None if slope is None else 100 * slope,
        effect_at_equal_length=intercept if together is not None else None,
    )
