"""What can go wrong with schedules."""

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError, VersionConflictError


class ScheduleNotFound(NotFoundError):
    """The schedule does not exist in this workspace."""

    def __init__(self, schedule_id: object) -> None:
        super().__init__(f"Schedule {schedule_id} not found.")


class ScheduleChanged(VersionConflictError):
    """The schedule has changed since the caller read it."""

    def __init__(self, schedule_id: object, version: int) -> None:
        super().__init__(f"Schedule {schedule_id} is at version {version} now; read it again.", current_version=version)


class ScheduleNameTaken(BusinessRuleViolationError):
    """Another schedule of the workspace has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a schedule called {name} already.")


class TooManySchedules(BusinessRuleViolationError):
    """The workspace has as many schedules as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"A workspace has at most {limit} schedules. Delete one that is not used.", limit=limit)


class ScheduleIsDisabled(BusinessRuleViolationError):
    """The schedule is disabled, so that nothing starts it."""

    def __init__(self, schedule_id: object) -> None:
        super().__init__(f"Schedule {schedule_id} is disabled. Enable it first.")


class OverrideRefused(BusinessRuleViolationError):
    """The schedule's token does not let its holder change this."""

    def __init__(self, fields: list[str]) -> None:
        super().__init__(
            f"A schedule's token cannot set {', '.join(fields)}: that takes a member's credential or a key.", fields=fields
        )
