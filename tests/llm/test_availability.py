"""Which provider serves which model, and what is said when none does."""

from importlib.util import find_spec
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from spectral_platform.core.settings import Settings
from spectral_platform.llm.errors import ProviderUnconfigured
from spectral_platform.llm.messages import EndpointCall, Message, ModelRequest, Role
from spectral_platform.llm.providers import availability
from spectral_platform.llm.providers.availability import has_real_provider, require_providers
from spectral_platform.llm.providers.catalogue import open_providers
from spectral_platform.llm.providers.customer_endpoint import EndpointProvider

ENDPOINT = {"openai_base_url": "http://127.0.0.1:9/v1"}
ANTHROPIC = {"anthropic_api_key": "secret"}
GOOGLE = {"google_api_key": "secret"}


def asking(model: str) -> ModelRequest:
    return ModelRequest(model=model, messages=(Message(role=Role.USER, content="Hello?"),), max_output_tokens=1)


@pytest.mark.parametrize(
    ("model", "configured", "provider"),
    [
        ("sim/standard", {}, "simulator"),
        ("sim/standard", {**ENDPOINT, **ANTHROPIC}, "simulator"),
        ("gpt-5", ENDPOINT, "openai"),
        ("claude-sonnet-4-5", {**ENDPOINT, **ANTHROPIC}, "openai"),
        ("anthropic/claude-sonnet-4-5", ANTHROPIC, "anthropic"),
        ("anthropic/claude-sonnet-4-5", {**ENDPOINT, **ANTHROPIC}, "anthropic"),
        ("anthropic/claude-sonnet-4-5", {**ENDPOINT, **GOOGLE}, "openai"),
        ("google/gemini-2.5-flash", {**ENDPOINT, **GOOGLE}, "google"),
        ("google/gemma-3-27b-it", ENDPOINT, "openai"),
        ("meta-llama/llama-4", {**ENDPOINT, **ANTHROPIC, **GOOGLE}, "openai"),
    ],
)
async def test_the_name_of_a_model_says_who_serves_it(model: str, configured: dict[str, Any], provider: str) -> None:
    settings = Settings.model_validate(configured)

    require_providers(settings, [model])
    async with open_providers(settings) as providers:
        assert providers.serving(asking(model)).name == provider
    assert has_real_provider(settings, model) == (provider != "simulator")


@pytest.mark.parametrize(
    ("model", "configured", "missing"),
    [
        ("gpt-5", {}, ["SPECTRAL_OPENAI_BASE_URL or SPECTRAL_OPENAI_API_KEY"]),
        ("gpt-5", ANTHROPIC, ["SPECTRAL_OPENAI_BASE_URL or SPECTRAL_OPENAI_API_KEY"]),
        ("anthropic/claude-sonnet-4-5", {}, ["SPECTRAL_ANTHROPIC_API_KEY"]),
        ("google/gemini-2.5-flash", ANTHROPIC, ["SPECTRAL_GOOGLE_API_KEY"]),
    ],
)
async def test_a_model_that_nobody_serves_is_refused_with_what_is_missing(
    model: str, configured: dict[str, Any], missing: list[str]
) -> None:
    settings = Settings.model_validate(configured)

    with pytest.raises(ProviderUnconfigured) as refusal:
        require_providers(settings, ["sim/standard", model])

    assert refusal.value.extensions == {"models": [model], "missing": missing}
    assert not has_real_provider(settings, model)


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5", "google/gemini-2.5-flash"])
async def test_a_key_without_its_library_is_named_and_never_another_provider_asked(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        availability, "find_spec", lambda name: None if name in {"anthropic", "google.genai"} else find_spec(name)
    )
    settings = Settings.model_validate({**ENDPOINT, **ANTHROPIC, **GOOGLE})
    extra = model.partition("/")[0]

    with pytest.raises(ProviderUnconfigured) as refusal:
        require_providers(settings, [model])
    async with open_providers(settings) as providers:
        with pytest.raises(ProviderUnconfigured):
            providers.serving(asking(model))
        assert providers.serving(asking("gpt-5")).name == "openai"

    assert refusal.value.extensions["missing"] == [f"pip install 'spectral-api[{extra}]'"]


async def test_endpoints_of_one_host_are_paced_by_workspace() -> None:
    call = EndpointCall(url="https://agents.acme.example/run", body={})
    request = asking("acme").model_copy(update={"endpoint": call})
    endpoints = EndpointProvider(Settings().outbound, scan_id=None, headers={}, timeout_s=1)
    lines = []
    for workspace_id in (uuid4(), uuid4()):
        for _ in range(2):
            async with open_providers(Settings(), endpoints, workspace_id=workspace_id) as providers:
                lines.append(providers.line(providers.serving(request), request))

    assert lines[0] is lines[1] is not lines[2] is lines[3]
    assert {line.name for line in lines if line is not None} == {"agents.acme.example"}


@pytest.mark.parametrize(
    "address",
    ["gateway.example.com/v1", "localhost:8000", "http://", "ftp://gateway", "http://gateway:70000", "http://gateway:0", " "],
)
@pytest.mark.parametrize("name", ["openai_base_url", "anthropic_base_url", "google_base_url"])
def test_an_address_that_nobody_can_call_stops_the_start(name: str, address: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: address})
