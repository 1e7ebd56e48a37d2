"""OpenTelemetry's semantic conventions for generative AI, the current ones and their earlier forms.

The names are kept here because the conventions moved out of the OpenTelemetry packages, whose own constants are all
deprecated.
Source: https://github.com/open-telemetry/semantic-conventions-genai
"""

from collections.abc import Sequence

from spectral_platform.otel.dialects.conversation import answered, asked, indexed_messages, parsed, written
from spectral_platform.otel.dialects.dialect import Attributes, Content, Dialect, Events
from spectral_platform.traces.spans import SpanKind

FIELDS = (
    ("gen_ai.agent.name", "agent_name"),
    ("gen_ai.workflow.name", "workflow"),
    ("gen_ai.conversation.id", "session_id"),
    ("gen_ai.response.model", "model"),
    ("gen_ai.request.model", "model"),
    ("gen_ai.response.id", "response_id"),
    ("gen_ai.provider.name", "provider"),
    ("gen_ai.system", "provider"),
    ("gen_ai.usage.input_tokens", "input_tokens"),
    ("gen_ai.usage.prompt_tokens", "input_tokens"),
    ("gen_ai.usage.output_tokens", "output_tokens"),
    ("gen_ai.usage.completion_tokens", "output_tokens"),
    ("gen_ai.usage.cache_read.input_tokens", "cached_input_tokens"),
    ("gen_ai.usage.cache_read_input_tokens", "cached_input_tokens"),
    ("gen_ai.usage.cache_creation.input_tokens", "cache_write_tokens"),
    ("gen_ai.usage.cache_creation_input_tokens", "cache_write_tokens"),
    ("gen_ai.usage.cache_write.input_tokens", "cache_write_tokens"),
    ("gen_ai.usage.reasoning.output_tokens", "reasoning_tokens"),
    ("gen_ai.usage.reasoning_tokens", "reasoning_tokens"),
    ("gen_ai.usage.cost", "cost_usd"),
    ("gen_ai.usage.total_cost", "cost_usd"),
)
VOCABULARY = frozenset(
    {
        "gen_ai.agent.description",
        "gen_ai.agent.id",
        "gen_ai.agent.version",
        "gen_ai.completion",
        "gen_ai.evaluation.explanation",
        "gen_ai.evaluation.name",
        "gen_ai.evaluation.score.label",
        "gen_ai.evaluation.score.value",
        "gen_ai.input.messages",
        "gen_ai.operation.name",
        "gen_ai.output.messages",
        "gen_ai.output.type",
        "gen_ai.prompt",
        "gen_ai.prompt.name",
        "gen_ai.request.choice.count",
        "gen_ai.request.frequency_penalty",
        "gen_ai.request.max_tokens",
        "gen_ai.request.presence_penalty",
        "gen_ai.request.seed",
        "gen_ai.request.stop_sequences",
        "gen_ai.request.stream",
        "gen_ai.request.temperature",
        "gen_ai.request.top_k",
        "gen_ai.request.top_p",
        "gen_ai.response.finish_reasons",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.retrieval.documents",
        "gen_ai.retrieval.query.text",
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.id",
        "gen_ai.tool.call.result",
        "gen_ai.tool.definitions",
        "gen_ai.tool.description",
        "gen_ai.tool.name",
        "gen_ai.tool.type",
    }
)
KINDS = {
    "chat": SpanKind.LLM,
    "generate_content": SpanKind.LLM,
    "text_completion": SpanKind.LLM,
    "completion": SpanKind.LLM,
    "embeddings": SpanKind.EMBEDDING,
    "execute_task": SpanKind.CHAIN,
    "execute_tool": SpanKind.TOOL,
    "create_agent": SpanKind.AGENT,
    "invoke_agent": SpanKind.AGENT,
    "invoke_workflow": SpanKind.CHAIN,
    "agent_step": SpanKind.CHAIN,  # of Vercel's AI SDK
    "retrieval": SpanKind.RETRIEVAL,
}
IMPLIED_KINDS = (
    ("gen_ai.tool.name", SpanKind.TOOL),
    ("gen_ai.retrieval.query.text", SpanKind.RETRIEVAL),
    ("gen_ai.response.model", SpanKind.LLM),
    ("gen_ai.request.model", SpanKind.LLM),
    ("gen_ai.usage.input_tokens", SpanKind.LLM),
    ("gen_ai.usage.prompt_tokens", SpanKind.LLM),
    ("gen_ai.agent.name", SpanKind.AGENT),
    ("gen_ai.workflow.name", SpanKind.CHAIN),
)
INPUTS = ("gen_ai.tool.call.arguments", "gen_ai.retrieval.query.text")
OUTPUTS = ("gen_ai.tool.call.result", "gen_ai.retrieval.documents")


def _kind(attributes: Attributes) -> SpanKind | None:
    operation = attributes.get("gen_ai.operation.name")
    if isinstance(operation, str) and operation in KINDS:
        return KINDS[operation]
    for name, kind in IMPLIED_KINDS:
        if name in attributes:
            return kind
    return None


def _content(attributes: Attributes, events: Events) -> Content:
    question = asked(attributes.get("gen_ai.input.messages"))
    answer = answered(attributes.get("gen_ai.output.messages"))
    if question is None:
        question = _first(attributes, INPUTS)
    if answer is None:
        answer = _first(attributes, OUTPUTS)
    if question is None:
        question = asked(attributes.get("gen_ai.prompt") or indexed_messages(attributes, "gen_ai.prompt"))
    if answer is None:
        answer = answered(attributes.get("gen_ai.completion") or indexed_messages(attributes, "gen_ai.completion"))
    if events and (question is None or answer is None):
        earlier_question, earlier_answer = _event_content(events)
        question, answer = question or earlier_question, answer or earlier_answer
    return question, answer


def _first(attributes: Attributes, names: Sequence[str]) -> str | None:
    for name in names:
        if text := written(attributes.get(name)):
            return text
    return None


def _event_content(events: Events) -> Content:
    """Messages written as span events, in the three forms that the conventions had one after the other."""
    question: str | None = None
    answer: str | None = None
    for event in events:
        attributes = event["attributes"]
        match event["name"]:
            case "gen_ai.client.inference.operation.details":
                question = asked(attributes.get("gen_ai.input.messages")) or question
                answer = answered(attributes.get("gen_ai.output.messages")) or answer
            case "gen_ai.content.prompt":
                question = asked(attributes.get("gen_ai.prompt")) or question
            case "gen_ai.content.completion":
                answer = answered(attributes.get("gen_ai.completion")) or answer
            case "gen_ai.user.message":
                question = answered(attributes.get("content")) or question
            case "gen_ai.choice":
                said = parsed(attributes.get("message") or attributes.get("content"))
                answer = answered({"role": "assistant"} | said if isinstance(said, dict) else said) or answer
    return question, answer


GENAI = Dialect(name="gen_ai", fields=FIELDS, vocabulary=VOCABULARY, kind=_kind, content=_content)
