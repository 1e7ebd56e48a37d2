"""Which models somebody serves, told from the settings alone: it loads no client library."""

from collections.abc import Iterable

from spectral_platform.core.settings import Settings
from spectral_platform.llm.errors import ProviderUnconfigured

SIMULATED = "sim/"


def is_simulated(model: str) -> bool:
    """Whether the built-in simulator plays this model."""
    return model.startswith(SIMULATED)


def has_real_provider(settings: Settings) -> bool:
    """Whether the operator named an endpoint for real models."""
    return settings.openai_base_url is not None or settings.openai_api_key is not None


def require_providers(settings: Settings, models: Iterable[str]) -> None:
    """Raise ``ProviderUnconfigured`` for models that nobody serves. There is no fallback to the simulator."""
    unserved = [model for model in models if not is_simulated(model)]
    if unserved and not has_real_provider(settings):
        raise ProviderUnconfigured(sorted(set(unserved)))
