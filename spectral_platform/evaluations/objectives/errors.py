"""What can go wrong with objectives."""

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError, VersionConflictError


class ObjectiveNotFound(NotFoundError):
    """The objective does not exist in this workspace."""

    def __init__(self, objective_id: object) -> None:
        super().__init__(f"Objective {objective_id} not found.")


class ObjectiveChanged(VersionConflictError):
    """The objective has changed since the caller read it."""

    def __init__(self, objective_id: object, version: int) -> None:
        super().__init__(f"Objective {objective_id} is at version {version} now; read it again.", current_version=version)


class ObjectiveInUse(BusinessRuleViolationError):
    """What the workspace's scans use by default names the objective."""

    def __init__(self, objective_id: object) -> None:
        super().__init__(f"Objective {objective_id} is named by the workspace's scan_defaults; change those first.")


class ObjectiveMetricUnknown(BusinessRuleViolationError):
    """A term or constraint names a dimension that the rubric does not have."""

    def __init__(self, metrics: list[str], rubric_id: object) -> None:
        super().__init__(f"Rubric {rubric_id} has no {', '.join(metrics)}.", metrics=metrics)
