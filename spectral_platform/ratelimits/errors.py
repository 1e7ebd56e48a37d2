"""What can go wrong when requests are counted."""

from spectral_platform.core.errors import RateLimitedError


class TooManyRequests(RateLimitedError):
    """The caller or the address has used up its requests for now."""

    def __init__(self, *, quota: int, window_s: int, retry_after_s: int) -> None:
        super().__init__(
            f"No more than {quota} requests in {window_s} seconds. Try again in {retry_after_s} seconds.",
            retry_after_s=retry_after_s,
        )
