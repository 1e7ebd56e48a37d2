"""What can go wrong with traces."""

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError, UnavailableError


class TraceNotFound(NotFoundError):
    """The trace does not exist in this workspace."""

    def __init__(self, trace_id: str) -> None:
        super().__init__(f"Trace {trace_id} not found.")


class SpanNotFound(NotFoundError):
    """The trace has no such span."""

    def __init__(self, trace_id: str, span_id: str) -> None:
        super().__init__(f"Trace {trace_id} has no span {span_id}.")


class FeedbackLinkNotFound(NotFoundError):
    """The link was not made here, has expired, or what it was for is erased."""

    def __init__(self) -> None:
        super().__init__("This link is not good, or not any more.")


class StorageFull(UnavailableError):
    """The database has no room for more spans; what is stored can be read and deleted."""

    def __init__(self) -> None:
        super().__init__(
            "The database has too little room left to take in spans. Keep them and send them again later; "
            "whoever runs the server can make room, and ingestion then goes on by itself.",
            retry_after_s=30,
        )


class Busy(UnavailableError):
    """The server takes in as many spans as it can hold; send these again a little later."""

    def __init__(self) -> None:
        super().__init__("The server is taking in as many spans as it can hold. Send these again a little later.")


class SearchTooBroad(BusinessRuleViolationError):
    """What was asked for would read too much of the workspace."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"There is no answer within {seconds} seconds. Ask for less: narrow it by since and until, an agent, or rarer words."
        )
