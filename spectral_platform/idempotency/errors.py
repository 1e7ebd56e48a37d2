"""What can go wrong when a request is sent again."""

from spectral_platform.core.errors import InProgressError, KeyReusedError


class RequestInProgress(InProgressError):
    """A request with this Idempotency-Key is still being carried out."""

    def __init__(self) -> None:
        super().__init__("The same request is still being carried out. Send it again a little later to get its answer.")


class IdempotencyKeyReused(KeyReusedError):
    """This Idempotency-Key was used for another request."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key came with another body before. Use a new key for a new request.")
