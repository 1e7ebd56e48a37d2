"""What a provider says when it refuses, as tenants read it."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from starlette.responses import JSONResponse, RedirectResponse

from spectral_platform.llm.errors import ProviderDenied
from spectral_platform.llm.messages import Message, ModelRequest, Role
from spectral_platform.llm.providers import Provider
from spectral_platform.llm.providers.anthropic import AnthropicProvider
from spectral_platform.llm.providers.google import GoogleProvider
from spectral_platform.llm.providers.openai_compatible import OpenAICompatibleProvider
from spectral_platform.llm.providers.refusals import refusal, retry_after
from tests.fixtures.llm import AGENT, ModelServer
from tests.fixtures.receiver import receiving

KEY = "sk-of-the-operator-0123456789"


@pytest.fixture
async def providers(model_server: ModelServer) -> AsyncIterator[list[Provider]]:
    async with AsyncExitStack() as opened:
        yield [
            await opened.enter_async_context(OpenAICompatibleProvider(base_url=model_server.url, api_key=KEY, timeout_s=30)),
            await opened.enter_async_context(AnthropicProvider(base_url=model_server.root, api_key=KEY, timeout_s=30)),
            await opened.enter_async_context(GoogleProvider(base_url=model_server.root, api_key=KEY, timeout_s=30)),
        ]


async def test_a_gateway_that_quotes_the_key_tells_nobody_what_it_is(
    providers: list[Provider], model_server: ModelServer
) -> None:
    error = {"code": 401, "message": f"Received API Key = {KEY}, which is unknown", "status": "UNAUTHENTICATED"}
    question = ModelRequest(model=AGENT, messages=(Message(role=Role.USER, content="Hello?"),), max_output_tokens=1)

    for provider in providers:
        for status in (401, 200) if provider.name == "openai" else (401,):
            model_server.fault = lambda number, body, status=status: JSONResponse({"error": error}, status_code=status)
            with pytest.raises(ProviderDenied, match="Received API Key") as caught:
                await provider.complete(question)
            assert KEY[:12] not in caught.value.detail
    assert KEY in json.dumps([dict(sent) for sent in model_server.headers])


async def test_no_key_goes_where_a_provider_redirects_to(providers: list[Provider], model_server: ModelServer) -> None:
    question = ModelRequest(model=AGENT, messages=(Message(role=Role.USER, content="Hello?"),), max_output_tokens=1)

    async with receiving("127.0.0.2") as elsewhere:
        model_server.fault = lambda number, body: RedirectResponse(elsewhere.url, status_code=307)
        for provider in providers:
            with pytest.raises(ProviderDenied, match="307, a redirect"):
                await provider.complete(question)

    assert elsewhere.received == []


def test_what_no_database_can_hold_is_left_out() -> None:
    assert refusal(400, "a\x00b \ud800", {}).detail == "The provider answered 400: ab ?"


def test_a_key_that_is_a_word_is_no_secret() -> None:
    assert refusal(400, "none of these", {}, api_key="none").detail.endswith("none of these")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 06 Nov 2020 08:49:37 GMT"}, 0),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_as_it_is_written(headers: dict[str, Any], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
