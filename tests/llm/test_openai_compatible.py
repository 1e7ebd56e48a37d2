"""Any OpenAI-compatible endpoint over real HTTP, with everything that such endpoints do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from spectral_platform.llm.errors import ProviderRejected, ProviderUnavailable
from spectral_platform.llm.messages import Message, ModelRequest, Role
from spectral_platform.llm.providers.openai_compatible import OpenAICompatibleProvider
from tests.fixtures.llm import AGENT, ModelServer

SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}


@pytest.fixture
async def provider(model_server: ModelServer) -> AsyncIterator[OpenAICompatibleProvider]:
    async with OpenAICompatibleProvider(base_url=model_server.url, api_key="secret", timeout_s=30) as opened:
        yield opened


def request(**changes: Any) -> ModelRequest:
    messages = (Message(role=Role.SYSTEM, content="Help."), Message(role=Role.USER, content="When do you open?"))
    return ModelRequest(model=AGENT, messages=messages, max_output_tokens=100, **changes)


async def test_an_answer_comes_with_its_usage(provider: OpenAICompatibleProvider, model_server: ModelServer) -> None:
    answer = await provider.complete(request(temperature=0.2, seed=5, stop=("END",)))

    assert answer.text
    assert answer.input_tokens > 0
    assert answer.output_tokens > 0
    sent = model_server.bodies[0]
    assert (sent["model"], sent["temperature"], sent["seed"], sent["stop"], sent["max_tokens"]) == (AGENT, 0.2, 5, ["END"], 100)
    assert "top_p" not in sent


@pytest.mark.parametrize(("completed", "total"), [(10, 100), (60, 100), (60, None)])
async def test_what_a_model_thinks_is_counted_where_the_total_alone_has_it(
    provider: OpenAICompatibleProvider, model_server: ModelServer, completed: int, total: int | None
) -> None:
    usage = {"prompt_tokens": 40, "completion_tokens": completed} | ({} if total is None else {"total_tokens": total})
    choice = {"index": 0, "message": {"role": "assistant", "content": "At nine."}, "finish_reason": "stop"}
    model_server.fault = lambda number, body: JSONResponse({"model": AGENT, "choices": [choice], "usage": usage})

    answer = await provider.complete(request())

    assert (answer.input_tokens, answer.output_tokens) == (40, 60)


def calling(*calls: tuple[str, Any]) -> Response:
    functions = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": None, "tool_calls": functions}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return JSONResponse({"id": "1", "object": "chat.completion", "created": 0, "model": AGENT, "choices": [choice]})


async def test_an_answer_that_calls_tools_says_which_and_with_what(
    provider: OpenAICompatibleProvider, model_server: ModelServer
) -> None:
    written = [("search", '{"query": "tea\\u0000"}'), ("list", ""), ("odd", "not json"), ("odder", "[1]"), ("deep", "[" * 500)]
    model_server.fault = lambda number, body: calling(*written)
    tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}

    answer = await provider.complete(request(tools=(tool,)))

    assert model_server.bodies[0]["tools"] == [tool]
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")
    assert [(call.name, call.arguments) for call in answer.tool_calls] == [
        ("search", {"query": "tea"}),
        ("list", {}),
        ("odd", "not json"),
        ("odder", "[1]"),
        ("deep", "[" * 500),
    ]


async def test_a_request_without_tools_names_none(provider: OpenAICompatibleProvider, model_server: ModelServer) -> None:
    answer = await provider.complete(request())

    assert "tools" not in model_server.bodies[0]
    assert answer.tool_calls == ()


def comparison(*texts: str) -> ModelRequest:
    messages = tuple(Message(role=Role.USER, content=text) for text in texts)
    return ModelRequest(model="embedder", messages=messages, max_output_tokens=1, compares=True)


async def test_two_texts_are_compared_by_their_embeddings(provider: OpenAICompatibleProvider, model_server: ModelServer) -> None:
    same, other = [await provider.complete(comparison("abc", text)) for text in ("abc", "xyz")]

    assert model_server.bodies[0] == {"model": "embedder", "input": ["abc", "abc"], "encoding_format": "float"}
    assert float(same.text) == pytest.approx(1)
    assert 0 < float(other.text) < 0.5
    assert (same.input_tokens, same.output_tokens) == (7, 0)


@pytest.mark.parametrize("vectors", [[], [[1.0]], [[0.0], [0.0]], [[1.0], [1.0, 2.0]], [[1e308], [1e308]]])
async def test_embeddings_that_cannot_be_compared_are_unavailable(
    provider: OpenAICompatibleProvider, model_server: ModelServer, vectors: list[list[float]]
) -> None:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    answer = {"object": "list", "model": "embedder", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    model_server.fault = lambda number, body: JSONResponse(answer)

    with pytest.raises(ProviderUnavailable):
        await provider.complete(comparison("a", "b"))


@pytest.mark.parametrize("counted", [-1, None, "many", 2**31])
async def test_embeddings_with_an_absurd_count_of_tokens_are_unavailable(
    provider: OpenAICompatibleProvider, model_server: ModelServer, counted: object
) -> None:
    data = [{"object": "embedding", "index": index, "embedding": [1.0]} for index in range(2)]
    answer = {"object": "list", "model": "embedder", "data": data, "usage": {"prompt_tokens": counted, "total_tokens": 1}}
    model_server.fault = lambda number, body: JSONResponse(answer)

    with pytest.raises(ProviderUnavailable):
        await provider.complete(comparison("a", "b"))


def failing(status: int, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"message": "no"}}, status_code=status, headers=headers)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_what_may_pass_is_unavailable(provider: OpenAICompatibleProvider, model_server: ModelServer, status: int) -> None:
    model_server.fault = lambda number, body: failing(status, {"Retry-After": "7"})

    with pytest.raises(ProviderUnavailable) as refusal:
        await provider.complete(request())

    assert refusal.value.retry_after_s == 7
    assert model_server.received == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_will_not_pass_is_rejected(provider: OpenAICompatibleProvider, model_server: ModelServer, status: int) -> None:
    model_server.fault = lambda number, body: failing(status)

    with pytest.raises(ProviderRejected):
        await provider.complete(request())


@pytest.mark.parametrize(
    "body",
    [
        PlainTextResponse("not json at all", media_type="application/json"),
        PlainTextResponse("<html>busy</html>", media_type="text/html"),
        JSONResponse({"choices": []}),
        JSONResponse({"unexpected": True}),
        JSONResponse([]),
    ],
)
async def test_an_unreadable_answer_is_unavailable(
    provider: OpenAICompatibleProvider, model_server: ModelServer, body: Response
) -> None:
    model_server.fault = lambda number, request_body: body

    with pytest.raises(ProviderUnavailable):
        await provider.complete(request())


async def test_an_endpoint_that_hangs_is_unavailable(model_server: ModelServer) -> None:
    model_server.latency_s = 5
    async with OpenAICompatibleProvider(base_url=model_server.url, api_key=None, timeout_s=0.2) as impatient:
        with pytest.raises(ProviderUnavailable):
            await impatient.complete(request())


async def test_nobody_listening_is_unavailable() -> None:
    async with OpenAICompatibleProvider(base_url="http://127.0.0.1:9/v1", api_key=None, timeout_s=1) as nobody:
        with pytest.raises(ProviderUnavailable):
            await nobody.complete(request())


async def test_structured_output_steps_down_until_the_endpoint_takes_it(
    provider: OpenAICompatibleProvider, model_server: ModelServer
) -> None:
    def refuse_formats(number: int, body: dict[str, Any]) -> Response | None:
        return failing(400) if "response_format" in body else None

    model_server.fault = refuse_formats

    await provider.complete(request(json_schema=SCHEMA))
    await provider.complete(request(json_schema=SCHEMA))

    asked = [body.get("response_format", {}).get("type") for body in model_server.bodies]
    assert asked == ["json_schema", "json_object", None, None]


CLOSED = {**SCHEMA, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        ({**CLOSED, "properties": {"answer": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}, True),
        (SCHEMA, False),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "properties": {"answer": {"type": "string", "default": ""}}}, False),
        ({**CLOSED, "properties": {"answer": {"type": "array", "items": SCHEMA}}}, False),
        ({"type": "object"}, False),
        ({"type": "object", "properties": ["answer"]}, False),
        ({"type": "string"}, False),
        ({"anyOf": [CLOSED, CLOSED]}, False),
        ({**CLOSED, "required": ["answer", "reason"]}, False),
        ({**CLOSED, "properties": {"answer": {}}}, False),
        ({**CLOSED, "properties": {"answer": {"type": "array"}}}, False),
        ({**CLOSED, "properties": {"answer": {"type": ["null", "object"]}}}, False),
    ],
)
async def test_only_a_schema_that_lists_and_requires_everything_is_held_to_strictly(
    schema: dict[str, Any], strict: bool, provider: OpenAICompatibleProvider, model_server: ModelServer
) -> None:
    await provider.complete(request(json_schema=schema))

    assert model_server.bodies[-1]["response_format"]["json_schema"] == {"name": "answer", "schema": schema, "strict": strict}


async def test_an_answer_without_usage_is_still_counted(provider: OpenAICompatibleProvider, model_server: ModelServer) -> None:
    message = {"role": "assistant", "content": "We open at nine."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": AGENT, "choices": [choice]}
    model_server.fault = lambda number, request_body: JSONResponse(body)

    answer = await provider.complete(request())

    assert answer.output_tokens == 4
    assert answer.input_tokens > 0


@pytest.mark.parametrize(
    ("content", "usage"),
    [
        ([{"type": "text"}], None),
        ("fine", {"prompt_tokens": None, "completion_tokens": -1, "total_tokens": 0}),
        ("fine", {"prompt_tokens": 2**40, "completion_tokens": 1, "total_tokens": 1}),
    ],
)
async def test_an_answer_of_another_shape_is_a_fault_of_the_provider(
    provider: OpenAICompatibleProvider, model_server: ModelServer, content: object, usage: object
) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": None}
    model_server.fault = lambda number, body: JSONResponse({"object": "chat.completion", "choices": [choice], "usage": usage})

    with pytest.raises(ProviderUnavailable):
        await provider.complete(request())


async def test_calls_that_are_refused_side_by_side_all_learn_what_the_model_takes(
    provider: OpenAICompatibleProvider, model_server: ModelServer
) -> None:
    def picky(number: int, body: dict[str, Any]) -> Response | None:
        if "max_tokens" in body:
            words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        elif "temperature" in body:
            words = "Unsupported value: 'temperature' does not support 0.2 with this model."
        else:
            return JSONResponse({"choices": [{"message": {"role": "assistant", "content": "At nine."}}]})
        return JSONResponse({"error": {"message": words}}, status_code=400)

    model_server.fault = picky

    answers = await asyncio.gather(*(provider.complete(request(temperature=0.2)) for _ in range(8)))

    assert [answer.text for answer in answers] == ["At nine."] * 8


async def test_of_two_parameters_that_exclude_each_other_one_is_left_out(
    provider: OpenAICompatibleProvider, model_server: ModelServer
) -> None:
    def either(number: int, body: dict[str, Any]) -> Response | None:
        words = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        refusal = JSONResponse({"error": {"message": words}}, status_code=400)
        return refusal if {"temperature", "top_p"} <= body.keys() else None

    model_server.fault = either

    await provider.complete(request(temperature=0.2, top_p=0.9))

    assert [("temperature" in body, "top_p" in body) for body in model_server.bodies] == [(True, True), (True, False)]
