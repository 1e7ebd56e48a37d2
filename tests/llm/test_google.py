"""Google's Gemini API over real HTTP: what goes out in its protocol, and what comes back as an answer of ours."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from spectral_platform.llm.errors import ProviderDenied, ProviderRejected, ProviderUnavailable
from spectral_platform.llm.messages import Message, ModelRequest, Role
from spectral_platform.llm.providers.google import GoogleProvider
from tests.fixtures.llm import AGENT, ModelServer

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
TOOL = {"type": "function", "function": {"name": "search", "description": "Search.", "parameters": {"type": "object"}}}


@pytest.fixture
async def provider(model_server: ModelServer) -> AsyncIterator[GoogleProvider]:
    async with GoogleProvider(base_url=model_server.root, api_key="secret", timeout_s=30) as opened:
        yield opened


def request(**changes: Any) -> ModelRequest:
    messages = (
        Message(role=Role.SYSTEM, content="Help."),
        Message(role=Role.USER, content="Hello?"),
        Message(role=Role.ASSISTANT, content="Hello."),
        Message(role=Role.USER, content="When do you open?"),
    )
    return ModelRequest(model=f"google/{AGENT}", messages=messages, max_output_tokens=100, **changes)


def said(*parts: dict[str, Any], finish_reason: str = "STOP", **usage: Any) -> Response:
    counted = {"promptTokenCount": 10, "candidatesTokenCount": 5, **usage}
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish_reason}
    return JSONResponse({"candidates": [candidate], "usageMetadata": counted})


def refused(status: int, name: str = "INTERNAL", message: str = "no", headers: dict[str, str] | None = None) -> Response:
    error = {"code": status, "message": message, "status": name}
    return JSONResponse({"error": error}, status_code=status, headers=headers)


async def test_a_request_goes_out_in_the_protocol_of_google(provider: GoogleProvider, model_server: ModelServer) -> None:
    answer = await provider.complete(request(temperature=0.2, seed=5, stop=("END",), tools=(TOOL,), extra={"labels": {"a": "b"}}))

    assert answer.text
    assert (answer.finish_reason, answer.input_tokens > 0, answer.output_tokens > 0) == ("stop", True, True)
    (sent,) = model_server.bodies
    assert sent["systemInstruction"]["parts"] == [{"text": "Help."}]
    assert [turn["role"] for turn in sent["contents"]] == ["user", "model", "user"]
    assert sent["generationConfig"] == {"temperature": 0.2, "seed": 5, "stopSequences": ["END"], "maxOutputTokens": 100}
    (declared,) = sent["tools"][0]["functionDeclarations"]
    assert list(declared.values()) == ["Search.", "search", {"type": "object"}]
    assert (sent["model"], sent["labels"]) == (AGENT, {"a": "b"})
    assert model_server.headers[0]["x-goog-api-key"] == "secret"


async def test_every_token_is_counted_once(provider: GoogleProvider, model_server: ModelServer) -> None:
    usage: dict[str, Any] = {
        "promptTokenCount": 130,
        "cachedContentTokenCount": 100,
        "candidatesTokenCount": 10,
        "thoughtsTokenCount": 40,
    }
    model_server.fault = lambda number, body: said({"text": "Let me see.", "thought": True}, {"text": "At nine."}, **usage)

    answer = await provider.complete(request())

    assert answer.text == "At nine."
    assert (answer.input_tokens, answer.cached_input_tokens) == (130, 100)
    assert (answer.output_tokens, answer.reasoning_tokens) == (50, 40)


async def test_tools_that_are_called_come_with_their_arguments(provider: GoogleProvider, model_server: ModelServer) -> None:
    model_server.fault = lambda number, body: said({"functionCall": {"name": "search", "args": {"query": "tea"}}})

    answer = await provider.complete(request(tools=(TOOL,)))

    assert [(tool.name, tool.arguments) for tool in answer.tool_calls] == [("search", {"query": "tea"})]
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")


@pytest.mark.parametrize(
    ("said_reason", "finish_reason"),
    [("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("MALFORMED_FUNCTION_CALL", "malformed_function_call")],
)
async def test_why_a_model_stopped_is_told_in_one_language(
    said_reason: str, finish_reason: str, provider: GoogleProvider, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: said(finish_reason=said_reason)

    assert (await provider.complete(request())).finish_reason == finish_reason


async def test_a_prompt_that_is_blocked_is_an_answer_without_words(provider: GoogleProvider, model_server: ModelServer) -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 10}}
    model_server.fault = lambda number, body: JSONResponse(blocked)

    answer = await provider.complete(request())

    assert (answer.text, answer.finish_reason, answer.input_tokens, answer.output_tokens) == ("", "content_filter", 10, 0)


async def test_structured_output_steps_down_until_the_model_takes_it(provider: GoogleProvider, model_server: ModelServer) -> None:
    def without_json(number: int, body: dict[str, Any]) -> Response | None:
        return refused(400, "INVALID_ARGUMENT") if "responseMimeType" in body["generationConfig"] else None

    model_server.fault = without_json

    for _ in range(2):
        await provider.complete(request(json_schema=SCHEMA))

    asked = [body["generationConfig"] for body in model_server.bodies]
    assert [config.get("responseMimeType") for config in asked] == ["application/json", "application/json", None, None]
    assert [config.get("responseJsonSchema") for config in asked] == [SCHEMA, None, None, None]


@pytest.mark.parametrize(
    ("status", "name", "error"),
    [
        (429, "RESOURCE_EXHAUSTED", ProviderUnavailable),
        (500, "INTERNAL", ProviderUnavailable),
        (503, "UNAVAILABLE", ProviderUnavailable),
        (504, "DEADLINE_EXCEEDED", ProviderUnavailable),
        (400, "INVALID_ARGUMENT", ProviderRejected),
        (403, "PERMISSION_DENIED", ProviderDenied),
        (404, "NOT_FOUND", ProviderDenied),
    ],
)
async def test_errors_are_told_apart_by_what_may_mend_them(
    status: int, name: str, error: type[Exception], provider: GoogleProvider, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: refused(status, name, headers={"Retry-After": "7"})

    with pytest.raises(error) as caught:
        await provider.complete(request())

    if isinstance(caught.value, ProviderUnavailable):
        assert caught.value.retry_after_s == 7
        assert caught.value.is_throttled == (status in {429, 503})
    assert model_server.received == 1


async def test_a_key_that_is_not_valid_is_denied(provider: GoogleProvider, model_server: ModelServer) -> None:
    words = "API key not valid. Please pass a valid API key."
    model_server.fault = lambda number, body: refused(400, "INVALID_ARGUMENT", words)

    with pytest.raises(ProviderDenied):
        await provider.complete(request())


async def test_nobody_listening_is_unavailable_and_not_charged() -> None:
    async with GoogleProvider(base_url="http://127.0.0.1:9", api_key="secret", timeout_s=1) as nobody:
        with pytest.raises(ProviderUnavailable) as caught:
            await nobody.complete(request())

    assert not caught.value.is_charged


async def test_an_endpoint_that_hangs_is_unavailable_and_charged(model_server: ModelServer) -> None:
    model_server.latency_s = 5
    async with GoogleProvider(base_url=model_server.root, api_key="secret", timeout_s=0.1) as impatient:
        with pytest.raises(ProviderUnavailable) as caught:
            await impatient.complete(request())
    model_server.latency_s = 0

    assert caught.value.is_charged


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>busy</html>", media_type="text/html"),
        Response('{"candidates": [{"content"', media_type="application/json"),
        JSONResponse({}),
        JSONResponse({"candidates": [{"content": "words"}]}),
        said(promptTokenCount=2**31),
        Response(status_code=204),
        Response("[" * 100_000, media_type="application/json"),
        Response("busy", headers={"Content-Encoding": "gzip"}, media_type="application/json"),
    ],
)
async def test_an_answer_of_another_shape_is_a_fault_of_the_provider(
    answer: Response, provider: GoogleProvider, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: answer

    with pytest.raises(ProviderUnavailable):
        await provider.complete(request())


async def test_two_texts_are_compared_by_their_embeddings(provider: GoogleProvider) -> None:
    def comparison(*texts: str) -> ModelRequest:
        messages = tuple(Message(role=Role.USER, content=text) for text in texts)
        return ModelRequest(model="google/embedder", messages=messages, max_output_tokens=1, compares=True)

    same, other = [await provider.complete(comparison("abc", text)) for text in ("abc", "xyz")]

    assert float(same.text) == pytest.approx(1)
    assert 0 < float(other.text) < 0.5


async def test_extra_parameters_cannot_lift_the_cap_that_the_budget_counts_on(
    provider: GoogleProvider, model_server: ModelServer
) -> None:
    with pytest.raises(ProviderRejected, match="generationConfig"):
        await provider.complete(request(extra={"generationConfig": {"maxOutputTokens": 1_000_000}}))

    assert model_server.received == 0
