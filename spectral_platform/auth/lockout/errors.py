"""What can go wrong for who tries too often."""

import math
from datetime import timedelta

from spectral_platform.core.errors import RateLimitedError


class TooManyAttempts(RateLimitedError):
    """Too many attempts failed; the wait doubles with each further one, up to a quarter of an hour."""

    def __init__(self, wait: timedelta) -> None:
        seconds = max(1, math.ceil(wait.total_seconds()))
        super().__init__(f"Too many attempts. Try again in {seconds} s.", retry_after_s=seconds)
