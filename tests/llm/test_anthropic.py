"""Anthropic's Messages API over real HTTP: what goes out in its protocol, and what comes back as an answer of ours."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from spectral_platform.llm.errors import ProviderDenied, ProviderRejected, ProviderUnavailable
from spectral_platform.llm.messages import Message, ModelRequest, Role
from spectral_platform.llm.providers.anthropic import AnthropicProvider
from tests.fixtures.llm import AGENT, ModelServer

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
TOOL = {"type": "function", "function": {"name": "search", "description": "Search.", "parameters": {"type": "object"}}}


@pytest.fixture
async def provider(model_server: ModelServer) -> AsyncIterator[AnthropicProvider]:
    async with AnthropicProvider(base_url=model_server.root, api_key="secret", timeout_s=30) as opened:
        yield opened


def request(**changes: Any) -> ModelRequest:
    messages = (Message(role=Role.SYSTEM, content="Help."), Message(role=Role.USER, content="When do you open?"))
    return ModelRequest(model=f"anthropic/{AGENT}", messages=messages, max_output_tokens=100, **changes)


def said(*content: dict[str, Any], stop_reason: str = "end_turn", **usage: Any) -> Response:
    counted = {"input_tokens": 10, "output_tokens": 5, **usage}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": AGENT}
    return JSONResponse({**head, "content": list(content), "stop_reason": stop_reason, "usage": counted})


def refused(status: int, kind: str = "api_error", message: str = "no", headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"type": "error", "error": {"type": kind, "message": message}}, status_code=status, headers=headers)


async def test_a_request_goes_out_in_the_protocol_of_anthropic(provider: AnthropicProvider, model_server: ModelServer) -> None:
    answer = await provider.complete(request(temperature=0.2, seed=5, stop=("END",), tools=(TOOL,), extra={"top_k": 3}))

    assert answer.text
    assert (answer.finish_reason, answer.input_tokens > 0, answer.output_tokens > 0) == ("stop", True, True)
    assert model_server.bodies == [
        {
            "model": AGENT,
            "system": "Help.",
            "messages": [{"role": "user", "content": "When do you open?"}],
            "max_tokens": 100,
            "temperature": 0.2,
            "top_k": 3,
            "stop_sequences": ["END"],
            "tools": [{"name": "search", "description": "Search.", "input_schema": {"type": "object"}}],
        }
    ]
    assert model_server.headers[0]["authorization"] == "Bearer secret"


async def test_every_token_is_counted_once(provider: AnthropicProvider, model_server: ModelServer) -> None:
    usage: dict[str, Any] = {
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 40},
    }
    thinking = {"type": "thinking", "thinking": "Let me see.", "signature": "s"}
    model_server.fault = lambda number, body: said(thinking, {"type": "text", "text": "At nine."}, **usage)

    answer = await provider.complete(request())

    assert answer.text == "At nine."
    counted = (answer.input_tokens, answer.cached_input_tokens, answer.cache_write_tokens)
    assert counted == (130, 100, 20)
    assert (answer.output_tokens, answer.reasoning_tokens) == (50, 40)


async def test_tools_that_are_called_come_with_their_arguments(provider: AnthropicProvider, model_server: ModelServer) -> None:
    call = {"type": "tool_use", "id": "t1", "name": "search", "input": {"query": "tea\x00"}}
    model_server.fault = lambda number, body: said(call, stop_reason="tool_use")

    answer = await provider.complete(request(tools=(TOOL,)))

    assert [(tool.name, tool.arguments) for tool in answer.tool_calls] == [("search", {"query": "tea"})]
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [("max_tokens", "length"), ("stop_sequence", "stop"), ("refusal", "content_filter"), ("pause_turn", "pause_turn")],
)
async def test_why_a_model_stopped_is_told_in_one_language(
    stop_reason: str, finish_reason: str, provider: AnthropicProvider, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: said(stop_reason=stop_reason)

    assert (await provider.complete(request())).finish_reason == finish_reason


async def test_structured_output_steps_down_to_a_tool_and_then_to_text(
    provider: AnthropicProvider, model_server: ModelServer
) -> None:
    arguments = {"type": "tool_use", "id": "t", "name": "answer", "input": {"answer": "At nine."}}

    def without_schemas(number: int, body: dict[str, Any]) -> Response | None:
        return refused(400, "invalid_request_error", "output_config: unknown") if "output_config" in body else said(arguments)

    model_server.fault = without_schemas
    by_tool = [await provider.complete(request(json_schema=SCHEMA)) for _ in range(2)]
    model_server.fault = lambda number, body: refused(400) if "tools" in body else None
    await provider.complete(request(json_schema=SCHEMA))

    assert [(answer.text, answer.tool_calls, answer.finish_reason) for answer in by_tool] == [
        ('{"answer":"At nine."}', (), "stop")
    ] * 2
    first, second, again, *plain = model_server.bodies
    assert first["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert second["tool_choice"] == again["tool_choice"] == {"type": "tool", "name": "answer"}
    assert ["tools" in body for body in plain] == [True, False]


async def test_a_parameter_that_a_model_refuses_by_name_is_left_out_from_then_on(
    provider: AnthropicProvider, model_server: ModelServer
) -> None:
    def without_temperature(number: int, body: dict[str, Any]) -> Response | None:
        refusal = refused(400, "invalid_request_error", "`temperature` is not supported by this model")
        return refusal if "temperature" in body else None

    model_server.fault = without_temperature

    for _ in range(2):
        await provider.complete(request(temperature=0.5, top_p=0.9))

    sent = [("temperature" in body, "top_p" in body) for body in model_server.bodies]
    assert sent == [(True, True), (False, True), (False, True)]


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (429, "rate_limit_error", ProviderUnavailable),
        (500, "api_error", ProviderUnavailable),
        (529, "overloaded_error", ProviderUnavailable),
        (400, "invalid_request_error", ProviderRejected),
        (413, "request_too_large", ProviderRejected),
        (401, "authentication_error", ProviderDenied),
        (403, "permission_error", ProviderDenied),
        (404, "not_found_error", ProviderDenied),
    ],
)
async def test_errors_are_told_apart_by_what_may_mend_them(
    status: int, kind: str, error: type[Exception], provider: AnthropicProvider, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: refused(status, kind, headers={"Retry-After": "7"})

    with pytest.raises(error) as caught:
        await provider.complete(request())

    assert isinstance(caught.value, ProviderDenied) == (error is ProviderDenied)
    if isinstance(caught.value, ProviderUnavailable):
        assert caught.value.retry_after_s == 7
        assert caught.value.is_throttled == (status in {429, 529})
        assert not caught.value.is_charged
    assert model_server.received == 1


async def test_an_account_without_credit_is_denied_and_not_the_agents_fault(
    provider: AnthropicProvider, model_server: ModelServer
) -> None:
    words = "Your credit balance is too low to access the Anthropic API."
    model_server.fault = lambda number, body: refused(400, "invalid_request_error", words)

    with pytest.raises(ProviderDenied):
        await provider.complete(request())


async def test_an_endpoint_that_hangs_is_unavailable_and_charged(model_server: ModelServer) -> None:
    model_server.latency_s = 5
    async with AnthropicProvider(base_url=model_server.root, api_key="secret", timeout_s=0.1) as impatient:
        with pytest.raises(ProviderUnavailable) as caught:
            await impatient.complete(request())
    model_server.latency_s = 0

    assert caught.value.is_charged


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>busy</html>", media_type="text/html"),
        Response('{"type": "message", "content": [{"ty', media_type="application/json"),
        JSONResponse([]),
        JSONResponse({"type": "message"}),
        JSONResponse({"type": "message", "content": "words", "usage": None}),
        said(input_tokens=2**40),
        Response("[" * 100_000, media_type="application/json"),
        Response("busy", headers={"Content-Encoding": "gzip"}, media_type="application/json"),
    ],
)
async def test_an_answer_of_another_shape_is_a_fault_of_the_provider(
    answer: Response, provider: AnthropicProvider, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: answer

    with pytest.raises(ProviderUnavailable):
        await provider.complete(request())


async def test_extra_parameters_cannot_lift_the_cap_that_the_budget_counts_on(
    provider: AnthropicProvider, model_server: ModelServer
) -> None:
    with pytest.raises(ProviderRejected, match="max_tokens"):
        await provider.complete(request(extra={"max_tokens": 1_000_000}))

    assert model_server.received == 0


async def test_what_embeds_nothing_says_so(provider: AnthropicProvider) -> None:
    with pytest.raises(ProviderRejected):
        await provider.complete(request(compares=True))
