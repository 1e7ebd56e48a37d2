"""Model providers behind one narrow protocol."""

from typing import Protocol

from spectral_platform.llm.messages import ModelAnswer, ModelRequest


class Provider(Protocol):
    """Answers chat requests. Retries, cache, budget and ledger are the caller's, never the provider's."""

    @property
    def name(self) -> str:
        """The name that ledger rows carry, such as ``openai`` or ``simulator``."""

    @property
    def is_simulated(self) -> bool:
        """Whether answers are invented by the built-in simulator."""

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Ask once. Raises ``ProviderUnavailable`` (worth a retry) or ``ProviderRejected`` (not)."""
