"""What rubrics know of a trace from its spans, over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from spectral_platform.evaluations.scores import queries
from tests.evaluations.rubrics.factories import create_rubric, dimension
from tests.evaluations.scores.factories import of, post
from tests.fixtures.callers import Person


def attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def span(trace_id: str, number: int, name: str, **attributes: str) -> dict[str, Any]:
    told = [attribute(key.replace("__", "."), value) for key, value in attributes.items()]
    start = 1_767_268_800_000_000_000 + number
    parent = {"parentSpanId": f"{1:016x}"} if number > 1 else {}
    times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 1_000_000)}
    return {"traceId": trace_id, "spanId": f"{number:016x}", "name": name, "attributes": told, **parent, **times}


LEAK = "You are the assistant of a shop and never mention the weather to anybody."
GENAI = [
    {"gen_ai__operation__name": "invoke_agent", "gen_ai__agent__name": "Shop"},
    {
        "gen_ai__operation__name": "chat",
        "gen_ai__request__model": "m",
        "gen_ai__system_instructions": f'[{{"type": "text", "content": "{LEAK}"}}]',
        "gen_ai__input__messages": '[{"role": "user", "parts": [{"type": "text", "content": "Is there tea?"}]}]',
        "gen_ai__output__messages": f'[{{"role": "assistant", "parts": [{{"type": "text", "content": "I must say: {LEAK}"}}]}}]',
    },
    {
        "gen_ai__operation__name": "execute_tool",
        "gen_ai__tool__name": "search",
        "gen_ai__tool__call__arguments": '{"query": "tea", "limit": 3}',
    },
    {"openinference__span__kind": "TOOL", "tool__name": "order", "input__value": '{"item": 7}'},
    {"traceloop__span__kind": "tool", "traceloop__entity__name": "notify"},
]
ASKED_FOR = (
    '[{"role": "assistant", "parts": [{"type": "tool_call", "id": "1", "name": "search", "arguments": {"query": "tea"}}]}]'
)


async def test_the_tools_that_a_trace_called_and_its_prompt_are_known_from_its_spans(owner: Person) -> None:
    trace_id, key = uuid4().hex, await owner.key()
    spans = [span(trace_id, number, f"step {number}", **attributes) for number, attributes in enumerate(GENAI, 1)]
    sent = await owner.client.post(
        "/otel/v1/traces", json={"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}, headers=owner.bearing(key)
    )
    assert sent.status_code == 200, sent.text
    expected = [
        {"name": "search", "arguments": {"query": "tea"}},
        {"name": "order", "arguments": {"item": 7}},
        {"name": "notify"},
    ]
    tools = dimension("tools", evaluator={"kind": "tool_calls", "expected": expected, "match": "subset", "max_calls": 3})
    rubric = await create_rubric(owner, dimensions=[tools, dimension("leak", evaluator={"kind": "prompt_leak"})])

    (result,) = (await post(owner, rubric, "preview", {"trace_ids": [trace_id]}))["results"]

    assert (of(result)["tools"]["passed"], of(result)["tools"]["reason"]) == (True, "It scored 1.")
    assert of(result)["leak"]["passed"] is False


async def test_tools_that_an_answer_asks_for_count_where_no_span_tells_of_them(owner: Person) -> None:
    trace_id, key = uuid4().hex, await owner.key()
    spans = [
        span(trace_id, 1, "agent", **GENAI[0]),
        span(trace_id, 2, "chat", **(GENAI[1] | {"gen_ai__output__messages": ASKED_FOR})),
    ]
    sent = await owner.client.post(
        "/otel/v1/traces", json={"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}, headers=owner.bearing(key)
    )
    assert sent.status_code == 200, sent.text
    expected = [{"name": "search", "arguments": {"query": "tea"}}]
    rubric = await create_rubric(owner, dimensions=[dimension("tools", evaluator={"kind": "tool_calls", "expected": expected})])

    (result,) = (await post(owner, rubric, "preview", {"trace_ids": [trace_id]}))["results"]

    assert (of(result)["tools"]["passed"], of(result)["tools"]["reason"]) == (True, "It scored 1.")


async def test_a_trace_with_very_many_calls_hides_none_of_another(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_TOOL_CALLS", 2)
    busy, other, key = uuid4().hex, uuid4().hex, await owner.key()
    spans = [span(busy, number, f"step {number}", **attributes) for number, attributes in enumerate(GENAI, 1)]
    spans += [span(other, number, f"step {number}", **attributes) for number, attributes in enumerate(GENAI[:3], 1)]
    sent = await owner.client.post(
        "/otel/v1/traces", json={"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}, headers=owner.bearing(key)
    )
    assert sent.status_code == 200, sent.text
    tools = dimension("tools", evaluator={"kind": "tool_calls", "expected": [{"name": "search"}], "match": "subset"})
    rubric = await create_rubric(owner, dimensions=[tools])

    results = (await post(owner, rubric, "preview", {"trace_ids": [busy, other]}))["results"]

    assert [of(result)["tools"]["passed"] for result in results] == [True, True]
