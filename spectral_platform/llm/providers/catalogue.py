"""Which provider serves which model, as the operator configured it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from spectral_platform.core.settings import Settings
from spectral_platform.llm.errors import ProviderUnconfigured
from spectral_platform.llm.messages import ModelRequest
from spectral_platform.llm.providers import Provider
from spectral_platform.llm.providers.availability import has_real_provider, is_simulated
from spectral_platform.llm.providers.openai_compatible import OpenAICompatibleProvider
from spectral_platform.llm.providers.simulator import SimulatorProvider


class Providers:
    """The providers of one process."""

    def __init__(self, simulator: Provider, real: Provider | None, endpoints: Provider | None = None) -> None:
        self._simulator = simulator
        self._real = real
        self._endpoints = endpoints

    def serving(self, request: ModelRequest) -> Provider:
        """Who answers a request: the endpoint that it names, else who has its model. Raises ``ProviderUnconfigured``."""
        if request.endpoint is not None and self._endpoints is not None:
            return self._endpoints
        if is_simulated(request.model):
            return self._simulator
        if self._real is None:
            raise ProviderUnconfigured([request.model])
        return self._real


@asynccontextmanager
async def open_providers(settings: Settings, endpoints: Provider | None = None) -> AsyncIterator[Providers]:
    """The configured providers, with their connections open until the block ends; ``endpoints`` calls those of customers."""
    simulator = SimulatorProvider()
    if not has_real_provider(settings):
        yield Providers(simulator, None, endpoints)
        return
    key = settings.openai_api_key
    async with OpenAICompatibleProvider(
        base_url=settings.openai_base_url,
        api_key=key.get_secret_value() if key else None,
        timeout_s=settings.model_call_timeout_s,
    ) as real:
        yield Providers(simulator, real, endpoints)
