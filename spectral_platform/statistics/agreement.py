"""How far two runs on the same cases agree: the agent's own noise, and changes from pass to fail."""

import math
import statistics
from collections.abc import Sequence

from spectral_platform.core.values import Value


class RunNoise(Value):
    """What two runs of the unchanged agent on the same cases say about its noise; scores lie in [0, 1].

    ``disagreement`` is the share of cases on which the runs differ by half a point or more, ``icc`` the share of the
    total variance that is the cases' own.
    """

    cases: int
    disagreement: float
    run_variance: float
    case_variance: float
    icc: float


def measure_run_noise(first: Sequence[float], second: Sequence[float]) -> RunNoise:
    """Split the variance of two runs by one-way analysis of variance, ICC(1,1) of Shrout and Fleiss (1979).

    The variance within is ``mean((x − y)²) / 2``, the one between cases ``max(0, Var((x + y) / 2) − within / 2)``.
    Raises ``ValueError`` when the runs do not pair or have fewer than two cases.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError("noise is measured on at least two cases, each run twice")
    gaps = [x - y for x, y in zip(first, second, strict=True)]
    within = statistics.fmean(gap * gap for gap in gaps) / 2
    between = max(0.0, statistics.variance([(x + y) / 2 for x, y in zip(first, second, strict=True)]) - within / 2)
    total = within + between
    return RunNoise(
        cases=len(gaps),
        disagreement=sum(abs(gap) >= 0.5 for gap in gaps) / len(gaps),
        run_variance=within,
        case_variance=between,
        icc=between / total if total else 1.0,
    )


def mcnemar_exact(worsened: int, improved: int) -> float:
    """One-sided p-value that a change makes cases fail no more often than it mends them.

    The binomial tail P(X ≥ worsened) of worsened + improved fair coins: McNemar (1947), Psychometrika 12(2), in its
    exact form; 1 without discordant pairs.
    """
    discordant = worsened + improved
    tail = sum(math.comb(discordant, count) for count in range(worsened, discordant + 1))
    return tail / int(2**discordant)
