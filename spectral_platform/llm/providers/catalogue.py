"""Which provider serves which model, as the operator configured it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from spectral_platform.core.settings import Settings
from spectral_platform.llm.errors import ProviderUnconfigured
from spectral_platform.llm.providers import Provider
from spectral_platform.llm.providers.availability import has_real_provider, is_simulated
from spectral_platform.llm.providers.openai_compatible import OpenAICompatibleProvider
from spectral_platform.llm.providers.simulator import SimulatorProvider


class Providers:
    """The providers of one process."""

    def __init__(self, simulator: Provider, real: Provider | None) -> None:
        self._simulator = simulator
        self._real = real

    def serving(self, model: str) -> Provider:
        """The provider of a model. Raises ``ProviderUnconfigured``."""
        if is_simulated(model):
            return self._simulator
        if self._real is None:
            raise ProviderUnconfigured([model])
        return self._real


@asynccontextmanager
async def open_providers(settings: Settings) -> AsyncIterator[Providers]:
    """The configured providers, with their connections open until the block ends."""
    simulator = SimulatorProvider()
    if not has_real_provider(settings):
        yield Providers(simulator, None)
        return
    key = settings.openai_api_key
    async with OpenAICompatibleProvider(
        base_url=settings.openai_base_url,
        api_key=key.get_secret_value() if key else None,
        timeout_s=settings.model_call_timeout_s,
    ) as real:
        yield Providers(simulator, real)
