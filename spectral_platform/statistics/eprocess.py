"""Watching without an end: evidence against "no loss" that may be read at any time, as often as one likes."""

import math
from collections.abc import Iterable

STAKES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the capital that the mixed bettors risk on every difference; small ones find small effects late, large ones large
effects soon."""


class EProcess:
    """The capital of a mixture of bettors who start with 1 and bet that the mean of the observed values is above 0.

    ``W_t = mean over λ of Π (1 + λ x_i)`` for values in [−1, 1]. While the mean is 0 or less, whatever the distribution and
    the dependence on the past, the probability that W ever reaches 1/α is at most α (Ville's inequality), so it may be looked
    at after each value. To watch for a loss, feed it the differences turned round. Waudby-Smith and Ramdas (2024),
    "Estimating means of bounded random variables by betting", JRSS-B 86(1).
    """

    def __init__(self) -> None:
        self._logs = [0.0] * len(STAKES)
        self.count = 0

    def add(self, values: Iterable[float]) -> float:
        """Take in further values and return the capital. Raises ``ValueError`` on a value outside of [−1, 1]."""
        for value in values:
            if not -1 <= value <= 1:
                raise ValueError("values lie in [-1, 1]")
            self._logs = [log + math.log1p(stake * value) for log, stake in zip(self._logs, STAKES, strict=True)]
            self.count += 1
        return self.capital

    def repeat(self, value: float, times: int) -> float:
        """Take in the same value several times, at the cost of one. Raises ``ValueError`` as ``add`` does."""
        before = self._logs
        self._logs = [0.0] * len(STAKES)
        self.add([value])
        self._logs = [known + times * log for known, log in zip(before, self._logs, strict=True)]
        self.count += times - 1
        return self.capital

    @property
    def capital(self) -> float:
        """W, the evidence so far; 1 before anything was seen, at most the largest float there is."""
        largest = max(self._logs)
        exponent = largest + math.log(sum(math.exp(log - largest) for log in self._logs) / len(STAKES))
        return math.exp(min(exponent, _LARGEST))

    def rejects(self, alpha: float) -> bool:
        """Whether the capital says at level ``alpha`` that the mean is above 0."""
        return self.capital >= 1 / alpha


_LARGEST = 709.0
"""exp of more than this is no float."""
