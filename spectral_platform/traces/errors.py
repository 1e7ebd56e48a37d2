"""What can go wrong with traces."""

from spectral_platform.core.errors import NotFoundError


class TraceNotFound(NotFoundError):
    """The trace does not exist in this workspace."""

    def __init__(self, trace_id: str) -> None:
        super().__init__(f"Trace {trace_id} not found.")


class SpanNotFound(NotFoundError):
    """The trace has no such span."""

    def __init__(self, trace_id: str, span_id: str) -> None:
        super().__init__(f"Trace {trace_id} has no span {span_id}.")
