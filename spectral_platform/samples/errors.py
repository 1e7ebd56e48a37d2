"""What can go wrong with samples."""

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError


class SampleSetNotFound(NotFoundError):
    """The sample set does not exist in this workspace."""

    def __init__(self, sample_set_id: object) -> None:
        super().__init__(f"Sample set {sample_set_id} not found.")


class SampleNotFound(NotFoundError):
    """The sample does not exist in this workspace."""

    def __init__(self, sample_id: object) -> None:
        super().__init__(f"Sample {sample_id} not found.")


class SampleSetVersionNotFound(NotFoundError):
    """The sample set has no version of this number."""

    def __init__(self, number: object) -> None:
        super().__init__(f"Version {number} of the sample set not found.")


class SampleDuplicated(BusinessRuleViolationError):
    """The set has another sample with the same input, expected output and context."""

    def __init__(self, sample_id: object) -> None:
        super().__init__(f"With this content sample {sample_id} would be the same as another one of its set.")


class SampleSetEmpty(BusinessRuleViolationError):
    """A set without samples cannot be published."""

    def __init__(self, sample_set_id: object) -> None:
        super().__init__(f"Sample set {sample_set_id} has no samples to publish.")


class SampleFileUnreadable(BusinessRuleViolationError):
    """The file as a whole is not what it should be, so that no line of it can be trusted."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The file cannot be read: {reason}.")
