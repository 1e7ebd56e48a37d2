"""Playing many scans whose truth is known, side by side, and holding the shares that come out against what they must be."""

import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray

SEED = 20250701

Array = NDArray[np.float64]


def random_of(*place: object) -> np.random.Generator:
    """Random numbers of one scan of one scenario, whoever computes it."""
    return np.random.default_rng([SEED, *(abs(hash_of(part)) for part in place)])


def hash_of(part: object) -> int:
    """A number that names the part, the same in every process."""
    return part if isinstance(part, int) else int.from_bytes(str(part).encode()[:32].ljust(32, b"\0"), "big") % 2**63


def simulate(pool: ProcessPoolExecutor, scan: Callable[[int], tuple[float, ...]], scans: int) -> Array:
    """The mean of every figure over so many scans."""
    figures: Array = np.array(list(pool.map(scan, range(scans), chunksize=max(1, scans // 16)))).mean(axis=0)
    return figures


def allowed(alpha: float, scans: int) -> float:
    """What a null may be accepted at: alpha and two standard errors of the simulation."""
    return alpha + 2 * math.sqrt(alpha * (1 - alpha) / scans)


class Judge:
    """Keeps whether every figure is as it must be."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def check(self, name: str, is_right: bool) -> str:
        """A word for the table."""
        if not is_right:
            self.failures.append(name)
        return "yes" if is_right else "NO"
