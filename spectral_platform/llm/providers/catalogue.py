"""Which provider serves which model, as the operator configured it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from spectral_platform.core.settings import Settings
from spectral_platform.llm.errors import ProviderUnconfigured
from spectral_platform.llm.messages import ModelAnswer, ModelRequest
from spectral_platform.llm.pacing import Line, Lines, lines_of_process
from spectral_platform.llm.providers import Provider
from spectral_platform.llm.providers.availability import (
    ENDPOINT_SETTINGS,
    EXTRAS,
    OPENAI,
    Extra,
    has_endpoint,
    is_simulated,
    load_provider,
)
from spectral_platform.llm.providers.cassettes import Recorder, ReplayProvider
from spectral_platform.llm.providers.simulator import SimulatorProvider


class Providers:
    """The providers of one process. ``extras`` are those with a prefix of their own; None stands for a missing library."""

    def __init__(
        self,
        simulator: Provider,
        real: Provider | None,
        endpoints: Provider | None = None,
        extras: Mapping[Extra, Provider | None] | None = None,
        lines: Lines | None = None,
        addresses: Mapping[str, str] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._simulator = simulator
        self._real = real
        self._endpoints = endpoints
        self._extras = extras or {}
        self._lines = lines
        self._addresses = addresses or {}
        self._recorder = recorder

    def serving(self, request: ModelRequest) -> Provider:
        """Who answers a request: the endpoint that it names, else who has its model. Raises ``ProviderUnconfigured``."""
        if request.endpoint is not None and self._endpoints is not None:
            return self._endpoints
        if is_simulated(request.model):
            return self._simulator
        for extra, provider in self._extras.items():
            if request.model.startswith(extra.prefix):
                if provider is None:
                    raise ProviderUnconfigured([request.model], missing=[extra.missing_library])
                return provider
        if self._real is None:
            raise ProviderUnconfigured([request.model], missing=[ENDPOINT_SETTINGS])
        return self._real

    def record(self, provider: Provider, request: ModelRequest, answer: ModelAnswer, cost_usd: Decimal | None) -> None:
        """Add a real answer to the cassette, where one is recorded."""
        if self._recorder is not None and not provider.is_simulated:
            self._recorder.record(provider.name, request, answer, cost_usd)

    def line(self, provider: Provider, request: ModelRequest) -> Line | None:
        """Where calls to this provider wait for their turn; None where none need to.

        Each host of a customer's endpoints has its own, and each workspace's apart: what one is told holds up no other.
        """
        if self._lines is None or provider.is_simulated:
            return None
        if provider is self._endpoints and request.endpoint is not None:
            return self._lines.at(urlsplit(request.endpoint.url).netloc, self._addresses.get(provider.name, provider.name))
        return self._lines.at(provider.name, self._addresses.get(provider.name, ""))


@asynccontextmanager
async def open_providers(
    settings: Settings, endpoints: Provider | None = None, *, workspace_id: UUID | None = None
) -> AsyncIterator[Providers]:
    """The configured providers, with their connections open until the block ends; ``endpoints`` calls those of a workspace."""
    if settings.replayed_cassette is not None:
        replayed = await asyncio.to_thread(ReplayProvider, settings.replayed_cassette)
        yield Providers(SimulatorProvider(), replayed, replayed if endpoints is not None else None)
        return
    async with AsyncExitStack() as opened:
        real = await opened.enter_async_context(await _endpoint(settings)) if has_endpoint(settings) else None
        extras: dict[Extra, Provider | None] = {}
        for extra in EXTRAS:
            if extra.key(settings) is not None:
                extras[extra] = await opened.enter_async_context(await extra.load(settings)) if extra.is_installed else None
        lines = lines_of_process(most=settings.provider_concurrency, patience_s=settings.provider_patience_s)
        addresses = {OPENAI: settings.openai_base_url or "", **{extra.name: extra.base_url(settings) or "" for extra in EXTRAS}}
        if endpoints is not None:
            addresses[endpoints.name] = f"{endpoints.name} {workspace_id}"
        recorder = Recorder(settings.cassette) if settings.cassette is not None else None
        yield Providers(SimulatorProvider(), real, endpoints, extras, lines, addresses, recorder)


async def _endpoint(settings: Settings) -> Any:
    key = settings.openai_api_key
    provider = await load_provider("openai_compatible", "OpenAICompatibleProvider")
    return provider(
        base_url=settings.openai_base_url,
        api_key=key.get_secret_value() if key else None,
        timeout_s=settings.model_call_timeout_s,
    )
