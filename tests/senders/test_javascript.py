"""What programs on opentelemetry-js and on Vercel's AI SDK send is read in full, and their model calls are paid for once."""

from pathlib import Path
from typing import Any

import pytest

from spectral_platform.core import clock
from spectral_platform.otel.decoding import decode
from spectral_platform.otel.encoding import Encoding
from spectral_platform.traces.spans import SpanDraft, SpanKind
from tests.fixtures.callers import Person

GOLDENS = Path(__file__).parent / "goldens"
VERCEL = ("vercel_4", "vercel_5", "vercel_6", "vercel_7", "vercel_7_legacy")
CALL, CLAUDE, EMBEDDING = "0.0001512", "0.001445", "0.00000024"
"""What one call costs by the price book: 176 input tokens, 1024 cached and 80 output ones; then Claude's."""
AT_FULL_PRICE = "0.000228"
"""What it costs when the SDK keeps the number of cached tokens to itself."""
COSTS = {"support": (2560, "0.0003024"), "streamer": (1280, CALL), "extractor": (1280, CALL), "cached": (1280, CLAUDE)}
EXCEPTIONS = {
    ("vercel_5", "support"): (2560, "0.000456"),
    ("vercel_5", "extractor"): (1280, AT_FULL_PRICE),
    ("vercel_6", "extractor"): (1280, AT_FULL_PRICE),
}


def recorded(name: str) -> list[SpanDraft]:
    golden = next(GOLDENS.glob(f"{name}.*"))
    encoding = Encoding.JSON if golden.suffix == ".json" else Encoding.PROTOBUF
    decoded = decode(golden.read_bytes(), encoding, None, limit_bytes=10**6, now=clock.now())
    assert decoded.rejections == []
    return decoded.drafts


def span_of(drafts: list[SpanDraft], root: SpanDraft, kind: SpanKind) -> SpanDraft:
    return next(draft for draft in drafts if draft.trace_id == root.trace_id and draft.kind is kind)


def test_opentelemetry_js_in_json_arrives_whole() -> None:
    model, tool, agent = recorded("opentelemetry_js")

    assert (model.kind, model.model, model.input) == (SpanKind.LLM, "gpt-4o-mini", "Where is my order? 🚚")
    assert (model.attributes["gen_ai.request.temperature"], model.attributes["gen_ai.response.finish_reasons"]) == (0.5, ["stop"])
    assert [(event["name"], event["attributes"]) for event in model.events] == [("first chunk", {"after_ms": 12})]
    assert (model.links[0]["span_id"], model.links[0]["attributes"]) == (agent.span_id, {"why": "asked"})
    assert (tool.status, tool.status_message, tool.parent_span_id) == ("error", "no such order", agent.span_id)
    assert (agent.service, agent.resource["telemetry.sdk.language"]) == ("shop", "nodejs")


@pytest.mark.parametrize("name", VERCEL)
def test_calls_of_the_ai_sdk_become_agents_models_and_tools(name: str) -> None:
    drafts = recorded(name)
    root = next(draft for draft in drafts if draft.agent_name == "support" and draft.parent_span_id is None)
    model, tool = span_of(drafts, root, SpanKind.LLM), span_of(drafts, root, SpanKind.TOOL)

    assert (root.kind, root.session_id, root.user_id, root.tags) == (SpanKind.AGENT, "session-7", "ann", ("beta", "web"))
    assert (root.input, root.output) == ("Where is my order A-7?", "Your order A-7 is on its way.")
    assert (model.model, model.provider, model.input) == ("gpt-4o-mini-2024-07-18", "openai", "Where is my order A-7?")
    assert (model.input_tokens, model.output_tokens) == (1200, 80)
    assert (tool.input, tool.output) == ('{"order_id":"A-7"}', '{"state":"on its way"}')
    objects = [draft.output for draft in drafts if draft.agent_name == "extractor"]
    assert set(objects) == {'{"order_id":"A-7"}'}
    assert {draft.input for draft in drafts if draft.kind is SpanKind.EMBEDDING} == {
        "order A-7",
        '["order A-7"]',
        '["order A-7","order B-8"]',
    }
    failed = next(draft for draft in drafts if draft.agent_name == "failing")
    assert (failed.status, failed.status_message) == ("error", "The model `gpt-nonexistent` does not exist")


@pytest.mark.parametrize("name", VERCEL)
def test_cached_tokens_of_anthropic_are_part_of_the_input_whichever_version_counts(name: str) -> None:
    called = [draft for draft in recorded(name) if draft.model == "claude-haiku-4-5" and draft.kind is SpanKind.LLM]

    assert [(call.input_tokens, call.cached_input_tokens, call.cache_write_tokens) for call in called] == [(1200, 200, 100)]
    assert {call.provider for call in called} == {"anthropic"}


async def traces_of(person: Person) -> dict[str, dict[str, Any]]:
    """The traces of a workspace by the agent that they name."""
    answer = await person.client.get(f"{person.w}/traces", params={"limit": 200})
    return {trace["agent_name"] or trace["name"]: trace for trace in answer.json()["results"]}


@pytest.mark.parametrize("name", VERCEL)
async def test_model_calls_beneath_a_span_with_the_same_usage_are_paid_for_once(name: str, owner: Person) -> None:
    headers = {"X-Workspace-Id": str(owner.workspace_id), "Content-Type": Encoding.PROTOBUF.value}
    sent = await owner.client.post("/otel/v1/traces", content=(GOLDENS / f"{name}.binpb").read_bytes(), headers=headers)
    traces = await traces_of(owner)

    assert sent.status_code == 200
    for agent, cost in COSTS.items():
        expected = EXCEPTIONS.get((name, agent), cost)
        assert (traces[agent]["total_tokens"], traces[agent]["cost_usd"]) == expected, agent
    embedded = next(trace for trace in traces.values() if trace["models"] == ["text-embedding-3-small"])
    assert (embedded["total_tokens"], embedded["cost_usd"]) == (12, EMBEDDING)
    assert (traces["failing"]["status"], traces["failing"]["total_tokens"]) == ("error", None)
