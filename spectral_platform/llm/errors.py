"""What can go wrong when a model is asked."""

from spectral_platform.core.errors import BusinessRuleViolationError, UnavailableError


class ProviderUnconfigured(BusinessRuleViolationError):
    """No provider is configured for a model that the request needs."""

    slug = "provider-unconfigured"
    title = "Provider Unconfigured"

    def __init__(self, models: list[str]) -> None:
        super().__init__(
            f"No provider serves {', '.join(models)}. Set SPECTRAL_OPENAI_BASE_URL, SPECTRAL_OPENAI_API_KEY and "
            "SPECTRAL_OPENAI_MODEL, or run the agent on a sim/* model.",
            models=models,
        )


class ProviderUnavailable(UnavailableError):
    """The provider does not answer now; the same request may succeed later."""

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class ProviderRejected(BusinessRuleViolationError):
    """The provider refuses the request, and will refuse it again."""


class ProviderDenied(ProviderRejected):
    """The provider serves this key or this model nothing, whatever is asked; that says nothing about the agent."""


class BudgetExhausted(BusinessRuleViolationError):
    """The scan's budget does not cover another call."""

    def __init__(self) -> None:
        super().__init__("The scan's budget does not cover another model call.")


class AttemptSuperseded(BusinessRuleViolationError):
    """Another worker has taken the scan over; this one must write nothing more."""

    def __init__(self) -> None:
        super().__init__("Another worker has taken this scan over.")
