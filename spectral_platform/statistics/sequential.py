"""Looking before the end: at which level each look at growing data may decide, so that all looks together keep theirs.

Alpha is spent as O'Brien and Fleming's boundaries do, through the function of Lan and DeMets (1983), Biometrika 70(3):
``α(t) = 2 (1 − Φ(z(α/2) / √t))`` at the share t of the cases. The boundary of look k, given that no earlier one was crossed,
follows from the joint normal distribution of the looks; a bound that is no z-test is taken at the boundary's nominal level.
"""

import math
from collections.abc import Mapping

from spectral_platform.core.values import Value

LOOKS = (0.5, 0.75, 1.0)
"""Shares of the cases at which the data is looked at."""

BOUNDARIES: Mapping[float, tuple[float, ...]] = {
    0.05: (2.5380, 2.0159, 1.7201),
    0.025: (2.9626, 2.3590, 2.0141),
    0.01: (3.4604, 2.7649, 2.3625),
}
"""z at each of ``LOOKS``, by the one-sided level of all together."""


class Look(Value):
    """One look at the data: how many cases have been seen, and the one-sided level at which it may decide."""

    number: int
    cases: int
    alpha: float
    is_last: bool


def plan_looks(cases: int, alpha: float) -> tuple[Look, ...]:
    """The looks at so many cases. Raises ``KeyError`` for a level whose boundaries are not tabulated."""
    return tuple(
        Look(number=number, cases=math.ceil(share * cases), alpha=nominal_level(alpha, number), is_last=number == len(LOOKS))
        for number, share in enumerate(LOOKS, start=1)
    )


def nominal_level(alpha: float, look: int) -> float:
    """The one-sided level of the look of this number, from 1: the normal tail above its boundary."""
    return math.erfc(BOUNDARIES[alpha][look - 1] / math.sqrt(2)) / 2
