"""What can go wrong with reading how things stand."""

from spectral_platform.core.errors import BusinessRuleViolationError


class UsageTooLong(BusinessRuleViolationError):
    """Usage is told of a year at most."""

    def __init__(self, most_days: int) -> None:
        super().__init__(
            f"Usage is told of at most {most_days} days at a time; choose since and until closer.", most_days=most_days
        )
