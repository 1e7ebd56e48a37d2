"""What can go wrong with labels."""

from collections.abc import Sequence

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError


class LabelRequestNotFound(NotFoundError):
    """Nobody is asked for this label in this rubric."""

    def __init__(self, label_request_id: object) -> None:
        super().__init__(f"Label request {label_request_id} not found.")


class DimensionsUnmarked(BusinessRuleViolationError):
    """A label marks exactly the dimensions that it is asked for."""

    def __init__(self, wanted: Sequence[str]) -> None:
        super().__init__(f"Mark each of these dimensions once, and no other: {', '.join(wanted)}.", dimensions=list(wanted))
