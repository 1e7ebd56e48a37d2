"""How far two raters agree on yes and no: Cohen's kappa, Gwet's AC1, sensitivity and specificity, each with its interval."""

import math
from statistics import NormalDist

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.statistics.proportions import wilson_interval


class Interval(Value):
    """An estimate with its two-sided interval."""

    estimate: float = Field(description="The figure itself.", examples=[0.74])
    lower: float = Field(description="Lower end of its 95 % interval.", examples=[0.6])
    upper: float = Field(description="Upper end of its 95 % interval.", examples=[0.88])


class Ratings(Value):
    """How often two raters said yes and no of the same things. The second one is the yardstick.

    ``false_yes`` counts what only the first one passed, ``false_no`` what only the second one passed.
    """

    both_yes: int = Field(default=0, ge=0, description="Both passed it.")
    false_yes: int = Field(default=0, ge=0, description="The judge passed what people did not.")
    false_no: int = Field(default=0, ge=0, description="The judge did not pass what people passed.")
    both_no: int = Field(default=0, ge=0, description="Neither passed it.")

    @property
    def n(self) -> int:
        """How many things both rated."""
        return self.both_yes + self.false_yes + self.false_no + self.both_no

    @property
    def agreed(self) -> int:
        """How often they said the same."""
        return self.both_yes + self.both_no

    def __add__(self, other: "Ratings") -> "Ratings":
        """Both tables as one."""
        return Ratings(
            both_yes=self.both_yes + other.both_yes,
            false_yes=self.false_yes + other.false_yes,
            false_no=self.false_no + other.false_no,
            both_no=self.both_no + other.both_no,
        )


def agreement(ratings: Ratings) -> Interval | None:
    """The share of ratings that agree, with Wilson's interval."""
    return _share(ratings.agreed, ratings.n)


def sensitivity(ratings: Ratings) -> Interval | None:
    """Of what the yardstick passes, the share that the first rater passes too."""
    return _share(ratings.both_yes, ratings.both_yes + ratings.false_no)


def specificity(ratings: Ratings) -> Interval | None:
    """Of what the yardstick does not pass, the share that the first rater does not pass either."""
    return _share(ratings.both_no, ratings.both_no + ratings.false_yes)


def cohens_kappa(ratings: Ratings, *, confidence: float = 0.95) -> Interval | None:
    """Agreement beyond chance, (p_o − p_e) / (1 − p_e); None where all ratings of both are the same.

    Cohen (1960), Educational and Psychological Measurement 20(1). The interval is that of Fleiss, Cohen and Everitt (1969),
    Psychological Bulletin 72(5). Where both always agree, or never, its width is 0 whatever their number; there the interval of
    the share of agreement takes its place, at the chance agreement that was seen.
    """
    if not ratings.n:
        return None
    n = ratings.n
    yes = (ratings.both_yes + ratings.false_yes) / n, (ratings.both_yes + ratings.false_no) / n
    chance = yes[0] * yes[1] + (1 - yes[0]) * (1 - yes[1])
    if math.isclose(chance, 1.0):
        return None
    observed = ratings.agreed / n
    kappa = (observed - chance) / (1 - chance)
    if ratings.agreed in {0, n}:
        low, high = wilson_interval(ratings.agreed, n, confidence=confidence)
        return _interval(kappa, (low - chance) / (1 - chance), (high - chance) / (1 - chance))
    rows, columns = (yes[0], 1 - yes[0]), (yes[1], 1 - yes[1])
    cells = ((ratings.both_yes / n, ratings.false_yes / n), (ratings.false_no / n, ratings.both_no / n))
    same = sum(cells[i][i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(2))
    crossed = (1 - kappa) ** 2 * sum(cells[i][1 - i] * (columns[i] + rows[1 - i]) ** 2 for i in range(2))
    variance = (same + crossed - (kappa - chance * (1 - kappa)) ** 2) / ((1 - chance) ** 2 * n)
    return _normal(kappa, variance, confidence)


def gwets_ac1(ratings: Ratings, *, confidence: float = 0.95) -> Interval | None:
    """Agreement beyond chance that does not collapse when nearly everything passes, as kappa does.

    Chance agreement is 2 π (1 − π), where π is the mean share of yes. Gwet (2008), British Journal of Mathematical and
    Statistical Psychology 61(1), with the variance given there.
    """
    if not ratings.n:
        return None
    n = ratings.n
    yes = (2 * ratings.both_yes + ratings.false_yes + ratings.false_no) / (2 * n)
    chance = 2 * yes * (1 - yes)
    observed = ratings.agreed / n
    ac1 = (observed - chance) / (1 - chance)
    shares = (yes, 1 - yes)
    cells = ((ratings.both_yes / n, ratings.false_yes / n), (ratings.false_no / n, ratings.both_no / n))
    once = sum(cells[k][k] * (1 - shares[k]) for k in range(2)) - observed * chance
    twice = sum(cells[k][m] * (1 - (shares[k] + shares[m]) / 2) ** 2 for k in range(2) for m in range(2)) - chance**2
    spread = observed * (1 - observed) - 4 * (1 - ac1) * once + 4 * (1 - ac1) ** 2 * twice
    if ratings.agreed in {0, n}:
        low, high = wilson_interval(ratings.agreed, n, confidence=confidence)
        return _interval(ac1, (low - chance) / (1 - chance), (high - chance) / (1 - chance))
    return _normal(ac1, spread / (n * (1 - chance) ** 2), confidence)


def _share(successes: int, trials: int) -> Interval | None:
    if not trials:
        return None
    low, high = wilson_interval(successes, trials)
    return Interval(estimate=successes / trials, lower=low, upper=high)


def _normal(estimate: float, variance: float, confidence: float) -> Interval:
    margin = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(max(0.0, variance))
    return _interval(estimate, estimate - margin, estimate + margin)


def _interval(estimate: float, lower: float, upper: float) -> Interval:
    return Interval(estimate=estimate, lower=max(-1.0, min(lower, estimate)), upper=min(1.0, max(upper, estimate)))
