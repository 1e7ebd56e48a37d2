"""The simulator's chance: hashes of what is asked, so that the same request always meets the same luck."""

import math
from functools import lru_cache
from statistics import NormalDist

from spectral_platform.core.randomness import derive

CASE_CORRELATION = 0.4
"""Share of the variance of a pass-or-fail outcome that belongs to the case: tau-bench, 50 tasks × 4 trials (engine 4.1)."""

_RHO = math.sin(CASE_CORRELATION * math.pi / 2)
"""Correlation of the latent normals that gives outcomes this intra-class correlation (exact at p = 1/2)."""

_NORMAL = NormalDist()
_SPAN = 2.0**64


def uniform(*purpose: object) -> float:
    """A number in (0, 1) that belongs to the purpose."""
    return (derive(0, "simulator", *purpose) + 0.5) / _SPAN


def happens(propensity: float, *, behaviour: str, case: str, run: str) -> bool:
    """Whether a behaviour shows in this run of the case.

    √ρ·z(case, behaviour) + √(1−ρ)·z(run, behaviour) < Φ⁻¹(propensity): some cases are hard for every prompt, and two
    runs of one prompt still differ. ``run`` names prompt, case, parameters and seed.
    """
    if propensity <= 0 or propensity >= 1:
        return propensity >= 1
    luck = _NORMAL.inv_cdf(_open(uniform("run", run, case, behaviour)))
    return math.sqrt(_RHO) * _hardness(case, behaviour) + math.sqrt(1 - _RHO) * luck < _NORMAL.inv_cdf(propensity)


@lru_cache(maxsize=8192)  # every prompt meets the same cases
def _hardness(case: str, behaviour: str) -> float:
    return _NORMAL.inv_cdf(_open(uniform("case", case, behaviour)))


def _open(number: float) -> float:
    return min(max(number, 1e-12), 1 - 1e-12)  # rounding may reach 1.0, where the quantile is infinite
