"""The simulator over HTTP: what it answers, what it takes, what it refuses, and whom."""

import json
from typing import Any

import httpx
import pytest

from spectral_api.problems import MEDIA_TYPE
from spectral_api.simulator.router import CONTEXT_TOKENS
from spectral_platform.core.settings import Settings
from spectral_platform.llm.watermark import is_watermarked
from tests.fixtures.callers import Person

COMPLETIONS = "/simulator/v1/chat/completions"
SYSTEM = "You are the support agent of a bicycle shop. Answer directly, from the articles alone."
QUESTION = "[KB-2] Returns: Goods can be returned within 30 days in the original box.\n\nCustomer: How do returns of goods work?"


def chat(**changes: Any) -> dict[str, Any]:
    """A request; ``None`` as a change leaves a field out."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    body = {"model": "sim/standard", "messages": messages} | changes
    return {name: value for name, value in body.items() if value is not None}


async def complete(owner: Person, **changes: Any) -> dict[str, Any]:
    """The body of an answer that must succeed."""
    headers = owner.bearing(await owner.key())
    answer = await owner.client.post(COMPLETIONS, json=chat(**changes), headers=headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def text_of(owner: Person, **changes: Any) -> str:
    text: str = (await complete(owner, **changes))["choices"][0]["message"]["content"]
    return text


async def refused(owner: Person, status: int, **changes: Any) -> dict[str, Any]:
    """The problem of an answer that must be refused."""
    headers = owner.bearing(await owner.key()) | {"Content-Type": "application/json"}
    answer = await owner.client.post(COMPLETIONS, content=json.dumps(chat(**changes)), headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    body: dict[str, Any] = answer.json()
    return body


async def test_an_answer_has_the_form_of_openai_and_says_that_it_is_simulated(owner: Person) -> None:
    answer = await owner.client.post(COMPLETIONS, json=chat(), headers=owner.bearing(await owner.key()))

    body = answer.json()
    assert answer.headers["x-spectral-simulated"] == "true"
    assert body["simulated"] is True
    assert body["system_fingerprint"] == "spectral-simulator"
    assert (body["object"], body["model"]) == ("chat.completion", "sim/standard")
    choice = body["choices"][0]
    assert (choice["index"], choice["finish_reason"], choice["message"]["role"]) == (0, "stop", "assistant")
    assert is_watermarked(choice["message"]["content"])
    usage = body["usage"]
    assert usage["prompt_tokens"] + usage["completion_tokens"] == usage["total_tokens"] > usage["completion_tokens"] > 0


async def test_the_models_for_agents_are_listed(owner: Person) -> None:
    answer = await owner.client.get("/simulator/v1/models", headers=owner.bearing(await owner.key()))

    assert answer.headers["x-spectral-simulated"] == "true"
    assert answer.json()["simulated"] is True
    assert {model["id"] for model in answer.json()["data"]} == {"sim/standard", "sim/mini"}


async def test_the_prompt_decides_what_the_answer_is_like(owner: Person) -> None:
    citing = [{"role": "developer", "content": f"{SYSTEM} Cite the source id of every fact."}, chat()["messages"][1]]
    plain = [await text_of(owner, seed=seed) for seed in range(12)]
    cited = [await text_of(owner, seed=seed, messages=citing) for seed in range(12)]

    assert sum("[KB-2]" in text for text in cited) > sum("[KB-2]" in text for text in plain)


async def test_a_request_has_one_answer_and_a_seed_draws_another(owner: Person) -> None:
    assert await text_of(owner, seed=1) == await text_of(owner, seed=1)
    assert len({await text_of(owner, seed=seed) for seed in range(10)}) > 1


async def test_content_may_come_in_parts(owner: Person) -> None:
    first, last = QUESTION.split("\n\n")
    parts = [{"type": "text", "text": first}, {"type": "text", "text": f"\n{last}"}]

    assert await text_of(owner, messages=[chat()["messages"][0], {"role": "user", "content": parts}]) == await text_of(owner)


@pytest.mark.parametrize(
    "parameters",
    [
        {"user": "customer-7", "metadata": {"run": "nightly"}, "store": True},
        {"n": 1, "logprobs": False, "top_logprobs": 0, "modalities": ["text"], "response_format": {"type": "text"}},
        {"tools": [{"type": "function", "function": {"name": "refund"}}], "tool_choice": "auto", "parallel_tool_calls": True},
        {"frequency_penalty": 0.5, "presence_penalty": 0.5, "logit_bias": {"50256": -100}, "reasoning_effort": "low"},
        {"stream": False, "stream_options": None, "service_tier": "auto", "max_completion_tokens": 4_000, "stop": []},
    ],
)
async def test_parameters_that_it_has_no_use_for_change_nothing(parameters: dict[str, Any], owner: Person) -> None:
    assert await text_of(owner, **parameters) == await text_of(owner)


@pytest.mark.parametrize(
    ("parameters", "location"),
    [
        ({"n": 2}, ["n"]),
        ({"logprobs": True}, ["logprobs"]),
        ({"tool_choice": "required"}, ["tool_choice"]),
        ({"tool_choice": {"type": "function", "function": {"name": "refund"}}}, ["tool_choice"]),
        ({"modalities": ["text", "audio"]}, ["modalities", 1]),
        ({"web_search_options": {}}, ["web_search_options"]),
        ({"temperature": 2.5}, ["temperature"]),
        ({"max_tokens": 0}, ["max_tokens"]),
        ({"seed": 2**63}, ["seed"]),
        ({"temperture": 0.5}, ["temperture"]),
        ({"messages": []}, ["messages"]),
        ({"messages": [{"role": "tool", "content": "7", "tool_call_id": "a"}]}, ["messages", 0, "role"]),
        ({"response_format": {"type": "xml"}}, ["response_format"]),
    ],
)
async def test_what_it_cannot_follow_is_named(parameters: dict[str, Any], location: list[str | int], owner: Person) -> None:
    problem = await refused(owner, 422, **parameters)

    assert ["body", *location] in [mistake["location"] for mistake in problem["errors"]]


async def test_an_image_is_refused(owner: Person) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}

    assert (await refused(owner, 422, messages=[{"role": "user", "content": [image]}]))["errors"]


@pytest.mark.parametrize("stop", ["", ["a", ""], ["a", "b", "c", "d", "e"]])
async def test_a_stop_that_stops_nothing_is_refused(stop: Any, owner: Person) -> None:
    assert (await refused(owner, 422, stop=stop))["errors"]


async def test_text_that_is_no_unicode_is_refused(owner: Person) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": {"const": "\ud800"}}}
    for part in ({"messages": [{"role": "user", "content": "\ud800"}]}, {"stop": "\ud800"}, {"response_format": form}):
        assert (await refused(owner, 422, **part))["errors"]


@pytest.mark.parametrize("model", ["gpt-5", "sim/judge", ""])
async def test_a_model_that_is_not_for_agents_is_not_found(model: str, owner: Person) -> None:
    problem = await refused(owner, 404, model=model)

    assert problem["type"] == "https://spectral.dev/errors/not-found"
    assert "sim/standard" in problem["detail"]


async def test_a_chat_that_is_too_long_is_refused(owner: Person) -> None:
    long = {"role": "user", "content": "word " * CONTEXT_TOKENS}

    assert (await refused(owner, 400, messages=[long]))["limit_tokens"] == CONTEXT_TOKENS


async def test_a_body_over_the_limit_is_too_large(owner: Person, settings: Settings) -> None:
    problem = await refused(owner, 413, messages=[{"role": "user", "content": "a" * settings.max_body_bytes}])

    assert problem["limit_bytes"] == settings.max_body_bytes


async def test_the_answer_ends_at_the_cap_and_at_stops(owner: Person) -> None:
    cut = await complete(owner, max_tokens=5)
    stopped = await text_of(owner, stop=" ")

    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 5
    assert " " not in stopped


async def test_json_fits_the_schema_that_was_asked_for(owner: Person) -> None:
    schema = {"type": "object", "properties": {"reply": {"type": "string"}, "sources": {"type": "array"}}}
    form = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema, "strict": True}}
    texts = [await text_of(owner, seed=seed, response_format=form) for seed in range(5)]
    free = [await text_of(owner, seed=seed, response_format={"type": "json_object"}) for seed in range(5)]

    assert {frozenset(json.loads(text)) for text in texts if text.startswith("{")} == {frozenset({"reply", "sources"})}
    assert any(isinstance(json.loads(text), dict) for text in free if text.startswith("{"))


@pytest.mark.parametrize("levels", [11, 300])
async def test_a_schema_without_end_is_refused(levels: int, owner: Person) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"more": schema}}
    form = {"type": "json_schema", "json_schema": {"name": "deep", "schema": schema}}

    assert (await refused(owner, 422, response_format=form))["errors"]


async def test_a_stream_says_the_same_in_pieces(owner: Person) -> None:
    headers = owner.bearing(await owner.key())
    options = {"include_usage": True}
    answer = await owner.client.post(COMPLETIONS, json=chat(stream=True, stream_options=options), headers=headers)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-spectral-simulated"] == "true"
    *events, end, after = answer.text.split("\n\n")
    assert (end, after) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert all(chunk["object"] == "chat.completion.chunk" and chunk["simulated"] is True for chunk in chunks)
    assert len({chunk["id"] for chunk in chunks}) == 1
    *spoken, last, usage = chunks
    assert spoken[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in spoken) == await text_of(owner)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"] == (await complete(owner))["usage"]


async def test_a_key_needs_no_workspace_and_a_person_names_one(
    client: httpx.AsyncClient, owner: Person, stranger: Person
) -> None:
    key = owner.bearing(await owner.key("read:workspace"))
    named = {"X-Workspace-Id": str(owner.workspace_id)}

    async def status(headers: dict[str, str], caller: httpx.AsyncClient = client) -> int:
        statuses = {
            (await caller.post(COMPLETIONS, json=chat(), headers=headers)).status_code,
            (await caller.get("/simulator/v1/models", headers=headers)).status_code,
        }
        assert len(statuses) == 1
        return statuses.pop()

    assert await status(key) == 200
    assert await status(named, owner.client) == 200
    assert await status({}, owner.client) == 400
    assert await status({"X-Workspace-Id": "12"}, owner.client) == 422
    assert await status(named, stranger.client) == 404
    assert await status(key | {"X-Workspace-Id": str(stranger.workspace_id)}) == 404
    assert await status({}) == 401
    assert await status(owner.bearing("sk_live_nonsense")) == 401
    assert await status(owner.bearing(await owner.key("write:traces"))) == 403


async def test_strangers_are_refused_before_they_learn_what_is_wrong(client: httpx.AsyncClient, owner: Person) -> None:
    sender = owner.bearing(await owner.key("write:traces"))

    assert (await client.post(COMPLETIONS, content=b"{")).status_code == 401
    assert (await client.post(COMPLETIONS, content=b"{", headers=sender)).status_code == 403
    assert (await client.get("/simulator/v1/models?limit=3", headers=sender)).status_code == 403
