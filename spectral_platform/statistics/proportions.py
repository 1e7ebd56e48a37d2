"""Intervals on proportions, in plain arithmetic."""

import math
from statistics import NormalDist


def wilson_interval(successes: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided score interval on a proportion, (0, 1) without trials. Wilson (1927), JASA 22(158)."""
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    margin = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # At 0 and all successes the formula gives 0 and 1 but for rounding.
    low = 0.0 if successes == 0 else max(0.0, centre - margin)
    high = 1.0 if successes == trials else min(1.0, centre + margin)
    return low, high


def fisher_exact_less(successes: int, trials: int, other_successes: int, other_trials: int) -> float:
    """One-sided p-value that the first share is no lower than the other: the hypergeometric tail. Fisher (1935)."""
    total, marked = trials + other_trials, successes + other_successes
    least = max(0, marked - other_trials)
    ways = sum(math.comb(marked, k) * math.comb(total - marked, trials - k) for k in range(least, successes + 1))
    return ways / math.comb(total, trials)
