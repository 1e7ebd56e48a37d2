"""What instrumented Python programs send is read in full, as recordings of it show.

Each program asks where order A-7 is: of an agent with a tool, of a stream, of a model that does not exist, of one that nobody has
a price for, and of Anthropic's models where it can.
"""

from collections.abc import Sequence

import pytest

from spectral_platform.core import clock
from spectral_platform.otel.decoding import decode
from spectral_platform.otel.encoding import Encoding
from spectral_platform.traces.spans import MODEL_KINDS, SpanDraft, SpanKind
from tests.senders import models
from tests.senders.record import GOLDENS

QUESTION, ANSWER, FOUND = "Where is my order?", models.ANSWER, "A-7: shipped"
TREES = {
    "opentelemetry": """
        invoke_agent support agent
          chat gpt-4o-mini llm
          execute_tool find_order tool
          chat gpt-4o-mini llm""",
    "openinference": """
        support agent
          ChatCompletion llm
          find_order tool
          ChatCompletion llm""",
    "traceloop": """
        orders.workflow chain
          support.agent agent
            openai.chat llm
            find_order.tool tool
            openai.chat llm""",
    "traceloop_old": """
        orders.workflow chain
          support.agent agent
            openai.chat llm
            find_order.tool tool
            openai.chat llm""",
    "langsmith": """
        orders chain
          support agent
            model chain
              ChatOpenAI llm
            tools chain
              find_order tool
            model chain
              ChatOpenAI llm""",
    "pydantic_ai": """
        orders other
          invoke_agent support agent
            chat gpt-4o-mini llm
            execute_tool find_order tool
            chat gpt-4o-mini llm""",
    "pydantic_ai_old": """
        agent run agent
          chat gpt-4o-mini llm
          running tools chain
            running tool tool
          chat gpt-4o-mini llm""",
    "openai_v2": """
        orders other
          chat gpt-4o-mini llm
          chat gpt-4o-mini llm""",
}
"""Of each program's first trace: the spans, in the order of their start, and what each is."""
LANGCHAIN_TREES = {
    "openinference": """
        clerk agent
          model chain
            ChatOpenAI llm
          tools chain
            look_up tool
          model chain
            ChatOpenAI llm""",
    "traceloop": """
        invoke_agent clerk agent
          clerk.workflow agent
            execute_task model chain
              ChatOpenAI.chat llm
            execute_task tools chain
              execute_tool look_up tool
            execute_task model chain
              ChatOpenAI.chat llm""",
}
WITHOUT_CACHED = {"openai_v2"}
WITHOUT_REASONING = {"openai_v2", "traceloop_old"}
DIALECTS = {
    "opentelemetry": {"gen_ai"},
    "openinference": {"openinference"},
    "traceloop": {"traceloop", "gen_ai"},
    "traceloop_old": {"traceloop"},
    "langsmith": {"langsmith"},
    "pydantic_ai": {"logfire"},
    "pydantic_ai_old": {"logfire"},
    "openai_v2": {"gen_ai", "plain"},
}
"""``gen_ai`` beside another one is what Anthropic's own SDK traces, and the start of an agent of LangGraph."""
WHO = {
    "opentelemetry": ("support", "orders", "conversation-7", "customer-7", ("beta", "eu")),
    "openinference": ("support", "bicycle-shop", "conversation-7", "customer-7", ("beta", "eu")),
    "traceloop": ("support", "orders", "conversation-7", "customer-7", ()),
    "traceloop_old": ("support", "support", "conversation-7", "customer-7", ()),
    "langsmith": ("support", "bicycle-shop", "conversation-7", "customer-7", ("beta", "eu")),
    "pydantic_ai": ("support", "bicycle-shop", None, None, ()),
    "pydantic_ai_old": ("support", "bicycle-shop", None, None, ()),
}
"""What the agent's span says of agent, workflow, session, user and tags."""


def recorded(program: str) -> list[SpanDraft]:
    body = (GOLDENS / f"{program}.binpb").read_bytes()
    decoded = decode(body, Encoding.PROTOBUF, None, limit_bytes=10**6, now=clock.now())
    assert decoded.rejections == []
    return sorted(decoded.drafts, key=lambda draft: draft.started_at)


def trace_of(drafts: Sequence[SpanDraft], name: str) -> list[SpanDraft]:
    """The spans of the trace that has one so called, in the order of their start."""
    trace_id = next(draft.trace_id for draft in drafts if draft.name == name)
    return [draft for draft in drafts if draft.trace_id == trace_id]


def tree_of(drafts: Sequence[SpanDraft], parent: str | None = None, depth: int = 0) -> list[str]:
    lines = []
    for draft in drafts:
        if draft.parent_span_id == parent:
            lines += [f"{'  ' * depth}{draft.name} {draft.kind}", *tree_of(drafts, draft.span_id, depth + 1)]
    return lines


def lines_of(tree: str) -> list[str]:
    lines = tree.strip("\n").splitlines()
    return [line.removeprefix(" " * 8) for line in lines]


def called(drafts: Sequence[SpanDraft], model: str) -> list[SpanDraft]:
    return [draft for draft in drafts if draft.kind in MODEL_KINDS and (draft.model or "").startswith(model)]


@pytest.mark.parametrize("program", TREES)
def test_the_spans_of_an_agents_run_keep_their_shape_and_say_what_they_are(program: str) -> None:
    drafts = recorded(program)
    assert tree_of(trace_of(drafts, lines_of(TREES[program])[0].rpartition(" ")[0])) == lines_of(TREES[program])
    assert {draft.dialect for draft in drafts} == DIALECTS[program]


@pytest.mark.parametrize("program", LANGCHAIN_TREES)
def test_the_spans_of_langchains_agent_keep_their_shape_and_speak_plainly(program: str) -> None:
    tree = lines_of(LANGCHAIN_TREES[program])
    drafts = trace_of(recorded(program), tree[0].rpartition(" ")[0])
    agent = next(draft for draft in drafts if draft.session_id)
    tool = next(draft for draft in drafts if draft.kind is SpanKind.TOOL)

    assert tree_of(drafts) == tree
    assert (agent.kind, agent.agent_name, agent.input, agent.output) == (SpanKind.AGENT, "clerk", QUESTION, ANSWER)
    assert (agent.session_id, agent.user_id) == ("conversation-8", "customer-8")
    assert (tool.agent_name, tool.output) == ("clerk", FOUND)
    assert "A-7" in (tool.input or "")
    assert {draft.provider for draft in drafts} == {"openai", None}


@pytest.mark.parametrize("program", TREES)
def test_model_calls_show_their_model_texts_and_tokens(program: str) -> None:
    first, last = (
        draft
        for draft in trace_of(recorded(program), lines_of(TREES[program])[0].rpartition(" ")[0])
        if draft.kind is SpanKind.LLM
    )

    for call in (first, last):
        assert (call.model, call.provider) in {("gpt-4o-mini-2024-07-18", "openai"), ("gpt-4o-mini", "openai")}
        assert (call.input_tokens, call.output_tokens) == (1200, 80)
        assert call.cached_input_tokens == (None if program in WITHOUT_CACHED else 1024)
        assert call.reasoning_tokens == (None if program in WITHOUT_REASONING else 64)
        assert call.input == QUESTION
    assert last.output == ANSWER
    assert all(part in (first.output or "") for part in ("find_order", "order_id", "A-7"))


@pytest.mark.parametrize("program", WHO)
def test_agents_say_who_they_are_and_whom_they_serve_and_their_tools_what_they_did(program: str) -> None:
    drafts = trace_of(recorded(program), lines_of(TREES[program])[0].rpartition(" ")[0])
    agent = next(draft for draft in drafts if draft.kind is SpanKind.AGENT)
    tool = next(draft for draft in drafts if draft.kind is SpanKind.TOOL)

    session_id = None if program == "pydantic_ai" else agent.session_id  # a new one each run
    assert (agent.agent_name, agent.workflow, session_id, agent.user_id, agent.tags) == WHO[program]
    if program != "opentelemetry":  # whose conventions have nothing for an agent's own texts that would not be there twice
        assert (agent.input, agent.output) == (QUESTION, ANSWER)
    assert tool.output == FOUND
    assert "A-7" in (tool.input or "")


@pytest.mark.parametrize("program", TREES)
def test_a_failed_call_says_why_and_which_model_was_meant(program: str) -> None:
    (failed,) = (draft for draft in called(recorded(program), models.UNKNOWN))

    assert failed.status == "error"
    assert "The model `gpt-nonexistent` does not exist" in (failed.status_message or "")
    assert (failed.input_tokens, failed.output, failed.provider) == (None, None, "openai")


@pytest.mark.parametrize("program", ["openinference", "traceloop", "traceloop_old", "pydantic_ai"])
@pytest.mark.parametrize(("model", "read"), [("claude-sonnet-4-5", 1000), ("claude-haiku-4-5", 200)])
def test_what_anthropic_counts_beside_the_input_is_part_of_it(program: str, model: str, read: int) -> None:
    calls = [draft for draft in called(recorded(program), model) if draft.input_tokens is not None]

    assert len(calls) >= 1
    for call in calls:
        assert (call.input_tokens, call.cached_input_tokens, call.cache_write_tokens) == (1200, read, 100)
        assert (call.output_tokens, call.provider) in {(80, "anthropic"), (81, "anthropic")}  # 81: a stream's first token twice


def test_an_agents_sum_of_its_calls_is_no_call() -> None:
    older = [draft for draft in recorded("pydantic_ai_old") if draft.agent_name == "support"]
    newer = [draft for draft in recorded("pydantic_ai") if draft.agent_name == "version_3" and draft.kind is SpanKind.AGENT]

    assert [(draft.kind, draft.input_tokens, draft.reasoning_tokens) for draft in older] == [(SpanKind.AGENT, 2400, 128)]
    assert [(draft.input_tokens, draft.cached_input_tokens) for draft in newer] == [(2400, 2048)]


def test_retrievals_and_embeddings_are_told_apart() -> None:
    (looked_up,) = (draft for draft in recorded("langsmith") if draft.name == "look_up")
    (embedded,) = called(recorded("traceloop_old"), "text-embedding-3-small")

    assert (looked_up.kind, looked_up.input) == (SpanKind.RETRIEVAL, '{"query":"A-7"}')
    assert (embedded.kind, embedded.input_tokens, embedded.output_tokens) == (SpanKind.EMBEDDING, 12, None)
