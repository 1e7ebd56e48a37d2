"""What can go wrong when a model is asked."""

from collections.abc import Iterable
from typing import Self

from spectral_platform.core.errors import BusinessRuleViolationError, UnavailableError


class ProviderUnconfigured(BusinessRuleViolationError):
    """No provider is configured for a model that the request needs."""

    slug = "provider-unconfigured"
    title = "Provider Unconfigured"

    def __init__(self, models: list[str], *, missing: Iterable[str]) -> None:
        lacking = list(dict.fromkeys(missing))
        super().__init__(
            f"No provider serves {', '.join(models)}. Missing on the server: {'; '.join(lacking)}. "
            "An agent on a sim/* model needs no provider.",
            models=models,
            missing=lacking,
        )


class ProviderUnavailable(UnavailableError):
    """The provider does not answer now; the same request may succeed later.

    ``is_throttled`` says that it asks for fewer calls, ``is_charged`` that it may have worked on the call and may bill it.
    """

    def __init__(
        self, detail: str, *, retry_after_s: float | None = None, is_throttled: bool = False, is_charged: bool = False
    ) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.is_throttled = is_throttled
        self.is_charged = is_charged


class ProviderGivenUp(ProviderUnavailable):
    """The provider was waited for as long as is worth it, or as there is time."""


class ProviderRejected(BusinessRuleViolationError):
    """The provider refuses the request, and will refuse it again."""


class RequestNotUnderstood(ProviderRejected):
    """The provider refuses the form of the request; in another form it may take it."""


class ProviderDenied(ProviderRejected):
    """The provider serves this key or this model nothing, whatever is asked; that says nothing about the agent.

    ``is_of_key`` says that it is the key that it does not know, or knows no longer.
    """

    def __init__(self, detail: str, *, is_of_key: bool = False) -> None:
        super().__init__(detail)
        self.is_of_key = is_of_key


class CassetteMiss(BusinessRuleViolationError):
    """The cassette that is replayed has no answer to a question."""

    def __init__(self, cassette: str, *, model: str, key: str, asked: str) -> None:
        super().__init__(
            f"The cassette {cassette} has no answer of {model} to {asked} (key {key[:16]}). Nobody else is asked: "
            "record it again, with the seed and the samples that it is replayed with.",
            model=model,
            key=key,
        )
        self._lacks = (cassette, model, key)

    def about_sealed_case(self) -> Self:
        """The error without the question, of which nobody is to read anything."""
        cassette, model, key = self._lacks
        return type(self)(cassette, model=model, key=key, asked="a question about a sealed case")


class CassetteUnreadable(BusinessRuleViolationError):
    """The file that is to be replayed is no cassette."""

    def __init__(self, cassette: str, problem: str) -> None:
        super().__init__(f"The cassette {cassette} cannot be read: {problem}.")


class BudgetExhausted(BusinessRuleViolationError):
    """The scan's budget does not cover another call."""

    def __init__(self) -> None:
        super().__init__("The scan's budget does not cover another model call.")


class AttemptSuperseded(BusinessRuleViolationError):
    """Another worker has taken the scan over; this one must write nothing more."""

    def __init__(self) -> None:
        super().__init__("Another worker has taken this scan over.")
