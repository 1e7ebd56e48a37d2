"""Which provider serves which model, told from the settings alone: no client library is loaded for that.

A model's name says who serves it: ``sim/…`` is the built-in simulator, ``anthropic/…`` and ``google/…`` are those providers where
the operator gave their key, and everything else is a model of the OpenAI-compatible endpoint. Without the key a name with such a
prefix is the endpoint's too, because gateways and servers of open models have names like these; no call ever moves from one
provider to another because it failed.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pydantic import SecretStr

from spectral_platform.core.settings import Settings
from spectral_platform.llm.errors import ProviderUnconfigured

SIMULATED = "sim/"
OPENAI = "openai"
SIMULATOR = "simulator"
REPLAY = "replay"
ENDPOINT_SETTINGS = "SPECTRAL_OPENAI_BASE_URL or SPECTRAL_OPENAI_API_KEY"


@dataclass(frozen=True, slots=True)
class Extra:
    """A provider whose client library is installed with the extra of its name."""

    name: str
    library: str
    provider: str

    @property
    def prefix(self) -> str:
        """How the names of its models begin."""
        return f"{self.name}/"

    def key(self, settings: Settings) -> SecretStr | None:
        """The operator's key; with one, the provider serves the models with its prefix."""
        found: SecretStr | None = getattr(settings, f"{self.name}_api_key")
        return found

    def base_url(self, settings: Settings) -> str | None:
        """Where it is reached instead of its public address."""
        found: str | None = getattr(settings, f"{self.name}_base_url")
        return found

    @property
    def is_installed(self) -> bool:
        """Whether the client library can be imported."""
        package, _, inner = self.library.partition(".")
        if not inner:
            return find_spec(package) is not None
        return find_spec(package) is not None and find_spec(self.library) is not None

    async def load(self, settings: Settings) -> Any:
        """The provider, for which its client library is loaded."""
        key = self.key(settings)
        assert key is not None
        provider = await load_provider(self.name, self.provider)
        return provider(base_url=self.base_url(settings), api_key=key.get_secret_value(), timeout_s=settings.model_call_timeout_s)

    @property
    def missing_key(self) -> str:
        """What to set."""
        return f"SPECTRAL_{self.name.upper()}_API_KEY"

    @property
    def missing_library(self) -> str:
        """What to install."""
        return f"pip install 'spectral-api[{self.name}]'"


async def load_provider(module: str, provider: str) -> Any:
    """A provider's class, once it is to be called: its client library takes a second or more, for which no event loop waits."""
    return getattr(await asyncio.to_thread(import_module, f"{__package__}.{module}"), provider)


EXTRAS = (Extra("anthropic", "anthropic", "AnthropicProvider"), Extra("google", "google.genai", "GoogleProvider"))


def is_simulated(model: str) -> bool:
    """Whether the built-in simulator plays this model."""
    return model.startswith(SIMULATED)


def extra_of(settings: Settings, model: str) -> Extra | None:
    """The provider beside the OpenAI-compatible endpoint that serves this model, if one does."""
    return next((extra for extra in EXTRAS if model.startswith(extra.prefix) and extra.key(settings) is not None), None)


def provider_name(settings: Settings, model: str) -> str:
    """The name under which the ledger has who serves this model."""
    extra = extra_of(settings, model)
    return SIMULATOR if is_simulated(model) else extra.name if extra is not None else OPENAI


def has_endpoint(settings: Settings) -> bool:
    """Whether the operator named an OpenAI-compatible endpoint."""
    return settings.openai_base_url is not None or settings.openai_api_key is not None


def has_real_provider(settings: Settings, model: str) -> bool:
    """Whether somebody other than the simulator serves this model."""
    return not is_simulated(model) and not _missing(settings, model)


def is_replayed(settings: Settings, model: str) -> bool:
    """Whether a cassette answers for this model."""
    return settings.replayed_cassette is not None and not is_simulated(model)


def require_providers(settings: Settings, models: Iterable[str]) -> None:
    """Raise ``ProviderUnconfigured`` for models that nobody serves. There is no fallback to the simulator."""
    lacking = {model: missing for model in models if not is_simulated(model) and (missing := _missing(settings, model))}
    if lacking:
        raise ProviderUnconfigured(sorted(lacking), missing=[what for model in sorted(lacking) for what in lacking[model]])


def _missing(settings: Settings, model: str) -> list[str]:
    """What the operator would have to set or install for this model."""
    if settings.replayed_cassette is not None:
        return []
    extra = extra_of(settings, model)
    if extra is not None:
        return [] if extra.is_installed else [extra.missing_library]
    if has_endpoint(settings):
        return []
    named = next((extra for extra in EXTRAS if model.startswith(extra.prefix)), None)
    if named is None:
        return [ENDPOINT_SETTINGS]
    return [named.missing_key, *([] if named.is_installed else [named.missing_library])]
