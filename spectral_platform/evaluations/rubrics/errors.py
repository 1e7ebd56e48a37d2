"""What can go wrong with rubrics."""

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError, VersionConflictError


class RubricNotFound(NotFoundError):
    """The rubric, or this version of it, does not exist in this workspace."""

    def __init__(self, rubric_id: object, version: int | None = None) -> None:
        which = f"Rubric {rubric_id}" if version is None else f"Version {version} of rubric {rubric_id}"
        super().__init__(f"{which} not found.")


class RubricChanged(VersionConflictError):
    """The rubric has changed since the caller read it."""

    def __init__(self, rubric_id: object, version: int) -> None:
        super().__init__(f"Rubric {rubric_id} is at version {version} now; read it again.", current_version=version)


class RubricInUse(BusinessRuleViolationError):
    """An objective, or what the workspace's scans use by default, refers to the rubric."""

    def __init__(self, rubric_id: object, *, by: str = "an objective") -> None:
        super().__init__(f"Rubric {rubric_id} is named by {by}; delete or change that first.")


class DimensionInUse(BusinessRuleViolationError):
    """An objective names a dimension that the new version would not have."""

    def __init__(self, rubric_id: object, dimensions: list[str]) -> None:
        super().__init__(
            f"An objective of rubric {rubric_id} names {', '.join(dimensions)}; change the objective first.",
            dimensions=dimensions,
        )
