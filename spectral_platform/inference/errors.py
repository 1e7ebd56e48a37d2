"""What can go wrong when a template is inferred."""

from uuid import UUID

from spectral_platform.core.errors import BusinessRuleViolationError, UnavailableError


class ScanWithoutAgent(BusinessRuleViolationError):
    """The scan does not cover the agent."""

    def __init__(self, scan_id: UUID, agent_id: UUID) -> None:
        super().__init__(f"Scan {scan_id} does not cover agent {agent_id}, so it says nothing about which prompts to read.")


class TemplateNotInferred(BusinessRuleViolationError):
    """No template was found that could be saved."""

    def __init__(self, prompts: int) -> None:
        super().__init__(
            f"{prompts} prompts were read, and no text is common to enough of them: there is nothing to save. "
            "Without `save` the answer shows what was read.",
            prompts=prompts,
        )


class InferenceInterrupted(UnavailableError):
    """The inference took too long or too much memory."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The inference did not end within {seconds:g} s and the memory it may use; ask for fewer prompts.")
