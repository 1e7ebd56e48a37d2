import json
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.trace import Status, StatusCode, Tracer

from spectral_platform.traces.spans import SpanKind
from tests.otel.payloads import decoded, draft_of, recorded

CONVERSATION = json.dumps(
    [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hello"}]},
        {"role": "assistant", "parts": [{"type": "text", "content": "Hi"}]},
        {"role": "user", "parts": [{"type": "text", "content": "Where is my order?"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "shipped"}]},
    ]
)
ANSWER = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Shipped."}], "finish_reason": "stop"}])


def test_the_current_genai_conventions_fill_every_field() -> None:
    draft = draft_of(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
            "gen_ai.agent.name": "support",
            "gen_ai.workflow.name": "orders",
            "gen_ai.conversation.id": "c-1",
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.output_tokens": 30,
            "gen_ai.usage.cache_read.input_tokens": 100,
            "gen_ai.usage.reasoning.output_tokens": 10,
            "gen_ai.input.messages": CONVERSATION,
            "gen_ai.output.messages": ANSWER,
            "spectral.config.version": 3,
            "enduser.id": "u-1",
        }
    )
    assert (draft.dialect, draft.kind) == ("gen_ai", SpanKind.LLM)
    assert (draft.model, draft.provider) == ("gpt-4o-mini-2024-07-18", "openai")
    assert (draft.agent_name, draft.workflow, draft.session_id, draft.user_id) == ("support", "orders", "c-1", "u-1")
    assert (draft.input_tokens, draft.output_tokens) == (120, 30)
    assert (draft.cached_input_tokens, draft.reasoning_tokens) == (100, 10)
    assert (draft.input, draft.output) == ("Where is my order?", "Shipped.")
    assert draft.config_version == 3


def test_the_older_genai_names_fill_the_same_fields() -> None:
    draft = draft_of(
        {
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4-5",
            "gen_ai.usage.prompt_tokens": 7,
            "gen_ai.usage.completion_tokens": 3,
            "gen_ai.prompt": "Hello",
            "gen_ai.completion": "Hi",
        }
    )
    assert (draft.kind, draft.provider, draft.model) == (SpanKind.LLM, "anthropic", "claude-sonnet-4-5")
    assert (draft.input_tokens, draft.output_tokens, draft.input, draft.output) == (7, 3, "Hello", "Hi")


def test_the_current_name_wins_over_the_older_one_whatever_their_order() -> None:
    names = {"gen_ai.usage.prompt_tokens": 1, "gen_ai.usage.input_tokens": 2}
    backwards = dict(reversed(names.items()))
    assert draft_of(names).input_tokens == draft_of(backwards).input_tokens == 2


def test_messages_written_one_attribute_each_are_read() -> None:
    draft = draft_of(
        {
            "gen_ai.system": "openai",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": "Hello",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "Hi",
        }
    )
    assert (draft.input, draft.output) == ("Hello", "Hi")


@pytest.mark.parametrize(
    "events",
    [
        {
            "gen_ai.client.inference.operation.details": {
                "gen_ai.input.messages": CONVERSATION,
                "gen_ai.output.messages": ANSWER,
            }
        },
        {
            "gen_ai.content.prompt": {"gen_ai.prompt": CONVERSATION},
            "gen_ai.content.completion": {"gen_ai.completion": ANSWER},
        },
        {
            "gen_ai.system.message": {"content": "Be brief."},
            "gen_ai.user.message": {"content": "Where is my order?"},
            "gen_ai.choice": {"index": 0, "message": json.dumps({"role": "assistant", "content": "Shipped."})},
        },
    ],
)
def test_messages_written_as_events_are_read(events: dict[str, dict[str, Any]]) -> None:
    def instrumented(tracer: Tracer) -> None:
        with tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}) as span:
            for name, attributes in events.items():
                span.add_event(name, attributes)

    draft = decoded(recorded(instrumented))
    assert (draft.input, draft.output) == ("Where is my order?", "Shipped.")


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"gen_ai.operation.name": "chat"}, SpanKind.LLM),
        ({"gen_ai.operation.name": "generate_content"}, SpanKind.LLM),
        ({"gen_ai.operation.name": "text_completion"}, SpanKind.LLM),
        ({"gen_ai.operation.name": "embeddings"}, SpanKind.EMBEDDING),
        ({"gen_ai.operation.name": "execute_tool"}, SpanKind.TOOL),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"}, SpanKind.AGENT),
        ({"gen_ai.operation.name": "create_agent"}, SpanKind.AGENT),
        ({"gen_ai.operation.name": "invoke_workflow"}, SpanKind.CHAIN),
        ({"gen_ai.operation.name": "retrieval"}, SpanKind.RETRIEVAL),
        ({"gen_ai.operation.name": "something_new", "gen_ai.tool.name": "search"}, SpanKind.TOOL),
        ({"gen_ai.request.model": "m", "gen_ai.agent.name": "a"}, SpanKind.LLM),
        ({"gen_ai.agent.name": "a"}, SpanKind.AGENT),
        ({"openinference.span.kind": "LLM"}, SpanKind.LLM),
        ({"openinference.span.kind": "AGENT"}, SpanKind.AGENT),
        ({"openinference.span.kind": "TOOL"}, SpanKind.TOOL),
        ({"openinference.span.kind": "RETRIEVER"}, SpanKind.RETRIEVAL),
        ({"openinference.span.kind": "RERANKER"}, SpanKind.RETRIEVAL),
        ({"openinference.span.kind": "EMBEDDING"}, SpanKind.EMBEDDING),
        ({"openinference.span.kind": "CHAIN"}, SpanKind.CHAIN),
        ({"openinference.span.kind": "UNHEARD"}, SpanKind.OTHER),
        ({"agent.name": "a"}, SpanKind.AGENT),
        ({"http.request.method": "GET"}, SpanKind.OTHER),
    ],
)
def test_the_kind_follows_from_what_the_span_says_of_itself(attributes: dict[str, Any], kind: SpanKind) -> None:
    assert draft_of(attributes).kind is kind


def test_openinference_fills_every_field() -> None:
    draft = draft_of(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "llm.provider": "openai",
            "llm.system": "azure",
            "llm.token_count.prompt": 11,
            "llm.token_count.completion": 5,
            "llm.token_count.prompt_details.cache_read": 4,
            "llm.token_count.completion_details.reasoning": 2,
            "llm.cost.total": 0.0123,
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.contents.0.message_content.type": "text",
            "llm.input_messages.1.message.contents.0.message_content.text": "Hello",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "Hi",
            "input.value": '{"messages": []}',
            "session.id": "s-1",
            "user.id": "u-1",
            "tag.tags": ["beta", "beta", "eu"],
            "agent.name": "support",
        }
    )
    assert (draft.dialect, draft.model, draft.provider) == ("openinference", "gpt-4o", "openai")
    assert (draft.input_tokens, draft.output_tokens) == (11, 5)
    assert (draft.cached_input_tokens, draft.reasoning_tokens) == (4, 2)
    assert draft.cost_usd == Decimal("0.0123")
    assert (draft.input, draft.output) == ("Hello", "Hi")
    assert (draft.session_id, draft.user_id, draft.agent_name) == ("s-1", "u-1", "support")
    assert draft.tags == ("beta", "eu")


def test_an_answer_that_only_calls_tools_shows_the_calls() -> None:
    prefix = "llm.output_messages.0.message.tool_calls.0.tool_call.function"
    draft = draft_of(
        {
            "openinference.span.kind": "LLM",
            "llm.output_messages.0.message.role": "assistant",
            f"{prefix}.name": "find_order",
            f"{prefix}.arguments": '{"id": 7}',
        }
    )
    assert json.loads(draft.output or "") == [{"type": "tool_call", "name": "find_order", "arguments": '{"id": 7}'}]


@pytest.mark.parametrize(
    ("attributes", "content"),
    [
        (
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.call.arguments": '{"id": 7}',
                "gen_ai.tool.call.result": "shipped",
            },
            ('{"id": 7}', "shipped"),
        ),
        ({"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.query.text": "orders"}, ("orders", None)),
        (
            {
                "openinference.span.kind": "RETRIEVER",
                "input.value": "orders",
                "retrieval.documents.0.document.content": "first",
                "retrieval.documents.1.document.content": "second",
            },
            ("orders", '["first","second"]'),
        ),
        ({"openinference.span.kind": "CHAIN", "input.value": "a", "output.value": "b"}, ("a", "b")),
        ({"input": "a", "output": "b"}, ("a", "b")),
        ({}, (None, None)),
    ],
)
def test_spans_of_every_kind_show_what_went_in_and_out(
    attributes: dict[str, Any], content: tuple[str | None, str | None]
) -> None:
    draft = draft_of(attributes)
    assert (draft.input, draft.output) == content


def test_each_field_is_filled_by_the_first_dialect_that_has_it() -> None:
    draft = draft_of(
        {
            "input.value": "Hello",
            "output": "Hi",
            "llm.model_name": "second",
            "gen_ai.request.model": "first",
            "llm.token_count.prompt": 9,
            "gen_ai.usage.input_tokens": "unreadable",
            "llm.provider": "openai",
        }
    )
    assert (draft.dialect, draft.model, draft.input_tokens) == ("gen_ai", "first", 9)
    assert (draft.input, draft.output, draft.provider) == ("Hello", "Hi", "openai")


def test_the_resource_speaks_for_its_spans_where_they_are_silent() -> None:
    resource = {"service_name": "shop", "agent_name": "clerk"}
    silent, outspoken = draft_of({}, **resource), draft_of({"gen_ai.agent.name": "support"}, **resource)
    assert (silent.agent_name, silent.workflow, silent.service) == ("clerk", "shop", "shop")
    assert outspoken.agent_name == "support"


def test_a_service_that_the_sdk_only_guessed_is_no_workflow() -> None:
    assert draft_of({}, service_name="unknown_service:python").workflow is None


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ({"args": ["hello"], "kwargs": {}}, "hello"),
        ({"args": [7, "hello"], "kwargs": {}}, '{"args":[7,"hello"],"kwargs":{}}'),
        ({"args": [], "kwargs": {"question": "hello"}}, '{"question":"hello"}'),
        ({"args": [], "kwargs": {}}, None),
        ({"inputs": {"messages": [{"role": "user", "content": "hello"}]}, "tags": [], "metadata": {}}, "hello"),
        ({"input_str": "hello", "tags": [], "metadata": {}}, "hello"),
        ("hello", "hello"),
    ],
)
def test_what_a_decorated_function_was_given_shows_without_its_wrapping(recorded: Any, shown: str | None) -> None:
    draft = draft_of({"traceloop.span.kind": "task", "traceloop.entity.input": json.dumps(recorded)})
    assert (draft.dialect, draft.kind, draft.input) == ("traceloop", SpanKind.CHAIN, shown)


def test_the_names_that_openllmetry_had_before_the_conventions_are_read() -> None:
    draft = draft_of(
        {
            "llm.request.type": "completion",
            "llm.vendor": "OpenAI",
            "llm.request.model": "gpt-4o",
            "llm.response.model": "gpt-4o-2024-08-06",
            "llm.usage.prompt_tokens": 7,
            "llm.usage.completion_tokens": 3,
            "llm.prompts.0.role": "user",
            "llm.prompts.0.content": "Hello",
            "llm.completions.0.content": "Hi",
        }
    )
    assert (draft.kind, draft.provider, draft.model) == (SpanKind.LLM, "openai", "gpt-4o-2024-08-06")
    assert (draft.input_tokens, draft.output_tokens, draft.input, draft.output) == (7, 3, "Hello", "Hi")


def test_tags_may_be_one_text_and_steps_of_a_graph_are_none() -> None:
    assert draft_of({"langsmith.span.tags": "beta, graph:step:1, eu,beta"}).tags == ("beta", "eu")


@pytest.mark.parametrize(("named", "provider"), [("OpenAI", "openai"), ("aws.bedrock", "aws.bedrock"), ("langchain", None)])
def test_a_provider_is_written_as_the_conventions_do_and_a_framework_is_none(named: str, provider: str | None) -> None:
    assert draft_of({"gen_ai.system": named}).provider == provider


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"lc": 1, "id": ["langchain", "HumanMessage"], "kwargs": {"type": "human", "content": "hello"}}, "hello"),
        ({"messages": [[{"type": "system", "content": "x"}, {"type": "human", "data": {"content": "hello"}}]]}, "hello"),
        ({"messages": [{"role": "user", "content": "hello"}, {"role": "user", "content": [{"type": "tool_result"}]}]}, "hello"),
        ([{"role": "user", "content": '[{"type": "text", "text": "hello"}]'}], "hello"),
        ({"input": "hello"}, "hello"),
        ({"content": "hello", "score": 1}, '{"content":"hello","score":1}'),
        ([], None),
        ({}, None),
    ],
)
def test_messages_are_found_in_what_is_around_them(value: Any, text: str | None) -> None:
    recorded = json.dumps(value, separators=(",", ":"))
    assert draft_of({"openinference.span.kind": "CHAIN", "input.value": recorded}).input == text


def test_a_name_of_blanks_is_none() -> None:
    assert draft_of({"gen_ai.agent.name": "  "}).agent_name is None


def test_a_failure_without_words_takes_those_of_its_exception() -> None:
    def instrumented(tracer: Tracer) -> None:
        with tracer.start_as_current_span("work") as span:
            span.record_exception(RuntimeError("the oven is cold"))
            span.set_status(Status(StatusCode.ERROR))

    assert decoded(recorded(instrumented)).status_message == "the oven is cold"


@pytest.mark.parametrize("value", [3, "3"])
def test_the_config_version_may_be_a_number_or_its_digits(value: Any) -> None:
    assert draft_of({"spectral.config.version": value}).config_version == 3


@pytest.mark.parametrize("text", ["[", "[1, 2]", '{"a": 1}', "plain"])
def test_recorded_messages_that_are_none_stay_as_they_are(text: str) -> None:
    assert draft_of({"gen_ai.input.messages": text}).input == text
