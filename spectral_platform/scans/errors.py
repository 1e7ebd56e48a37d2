"""What can go wrong with scans."""

from uuid import UUID

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError


class ScanNotFound(NotFoundError):
    """The scan does not exist in this workspace."""

    def __init__(self, scan_id: UUID) -> None:
        super().__init__(f"Scan {scan_id} not found.")


class ScanNotPossible(BusinessRuleViolationError):
    """Something that a scan needs is missing."""

    def __init__(self, detail: str, *, missing: list[str]) -> None:
        super().__init__(detail, missing=missing)


class BudgetTooSmall(BusinessRuleViolationError):
    """The budget does not reach as far as the first look at the holdout."""

    def __init__(self, *, calls: int, max_model_calls: int, usd: str | None, max_usd: str) -> None:
        need = f"{calls} model calls" + (f" and {usd} USD" if usd is not None else "")
        super().__init__(
            f"One candidate needs about {need}; the budget is {max_model_calls} calls and {max_usd} USD.",
            quote={"model_calls": calls, "max_usd": usd, "max_candidates": 0},
        )


class ScanAlreadyActive(BusinessRuleViolationError):
    """Another scan of the agent has not ended yet."""

    def __init__(self, scan_id: UUID) -> None:
        super().__init__(f"Scan {scan_id} of the same agent has not ended yet; wait for it or cancel it.")


class MixedSimulation(BusinessRuleViolationError):
    """A scan is simulated wholly or not at all."""

    def __init__(self, models: list[str]) -> None:
        super().__init__(
            f"A scan is simulated wholly or not at all, and these models mix both: {', '.join(models)}.", models=models
        )


class RetryNotPossible(BusinessRuleViolationError):
    """Only a scan that failed or was cancelled can be tried again."""

    def __init__(self, status: str) -> None:
        super().__init__(f"The scan is {status}; only a failed or cancelled one can be tried again.")


class ArtifactNotFound(NotFoundError):
    """The scan has no such file."""

    def __init__(self, artifact: UUID | str, status: str) -> None:
        super().__init__(f"The scan has no file {artifact}. It is {status}; files are written with its verdict.")


class ArtifactLinkNotFound(NotFoundError):
    """The link is not one of ours, has expired, or its file is gone."""

    def __init__(self) -> None:
        super().__init__("There is nothing at this link. It may have expired.")


class StepNotFound(NotFoundError):
    """The scan has no such step."""

    def __init__(self, step_id: UUID) -> None:
        super().__init__(f"The scan has no step {step_id}.")
