"""OpenLLMetry, the dialect of Traceloop: what it says beside ``gen_ai.*``, and the names that it had before those.

Source: https://github.com/traceloop/openllmetry/blob/main/packages/opentelemetry-semantic-conventions-ai
"""

from typing import Any

import orjson

from spectral_platform.otel.dialects.conversation import answered, asked, indexed_messages, parsed
from spectral_platform.otel.dialects.dialect import Attributes, Content, Dialect, Events, label
from spectral_platform.otel.received import ReceivedSpan
from spectral_platform.traces.spans import SpanKind

ASSOCIATED = "traceloop.association.properties"
FIELDS = (
    (f"{ASSOCIATED}.lc_agent_name", "agent_name"),
    ("traceloop.workflow.name", "workflow"),
    (f"{ASSOCIATED}.session_id", "session_id"),
    (f"{ASSOCIATED}.thread_id", "session_id"),
    (f"{ASSOCIATED}.conversation_id", "session_id"),
    (f"{ASSOCIATED}.chat_id", "session_id"),
    (f"{ASSOCIATED}.user_id", "user_id"),
    ("llm.user", "user_id"),
    ("llm.response.model", "model"),
    ("llm.request.model", "model"),
    ("llm.vendor", "provider"),
    ("llm.usage.prompt_tokens", "input_tokens"),
    ("llm.usage.completion_tokens", "output_tokens"),
)
VOCABULARY = frozenset(
    {
        "gen_ai.is_streaming",
        "llm.headers",
        "llm.is_streaming",
        "llm.request.type",
        "llm.usage.total_tokens",
        "traceloop.entity.input",
        "traceloop.entity.name",
        "traceloop.entity.output",
        "traceloop.entity.path",
        "traceloop.entity.version",
        "traceloop.span.kind",
    }
)
KINDS = {"workflow": SpanKind.CHAIN, "task": SpanKind.CHAIN, "agent": SpanKind.AGENT, "tool": SpanKind.TOOL}
REQUESTS = {
    "chat": SpanKind.LLM,
    "completion": SpanKind.LLM,
    "embedding": SpanKind.EMBEDDING,
    "rerank": SpanKind.RETRIEVAL,
}


def _kind(attributes: Attributes) -> SpanKind | None:
    request = attributes.get("llm.request.type")
    if isinstance(request, str) and request in REQUESTS:
        return REQUESTS[request]
    if "gen_ai.operation.name" in attributes:  # says it better: an agent of LangChain is a workflow here
        return None
    kind = attributes.get("traceloop.span.kind")
    return KINDS.get(kind) if isinstance(kind, str) else None


def _content(attributes: Attributes, events: Events) -> Content:
    question = answer = None
    if "traceloop.entity.input" in attributes:
        question = asked(_given(_value(attributes["traceloop.entity.input"])))
    if "traceloop.entity.output" in attributes:
        answer = answered(_value(attributes["traceloop.entity.output"]))
    if "llm.request.type" in attributes:
        question = question or asked(indexed_messages(attributes, "llm.prompts"))
        answer = answer or answered(indexed_messages(attributes, "llm.completions"))
    return question, answer


def _revise(span: ReceivedSpan, fields: dict[str, Any]) -> None:
    """Name the agent that an entity is."""
    if span.attributes.get("traceloop.span.kind") == "agent" and (name := label(span.attributes.get("traceloop.entity.name"))):
        fields.setdefault("agent_name", name)


def _value(recorded: Any) -> Any:
    """What a decorated function took or gave, which is written as JSON even where it is a string."""
    if isinstance(recorded, str):
        try:
            return orjson.loads(recorded)
        except orjson.JSONDecodeError:
            return recorded
    return recorded


def _given(value: Any) -> Any:
    """The arguments of a call without what is around them; of a single one, itself."""
    if not isinstance(value, dict):
        return value
    if value.keys() == {"args", "kwargs"}:
        match value["args"], value["kwargs"]:
            case [single], {} if not value["kwargs"]:
                return single
            case [], named:
                return named or None
    for name in ("inputs", "input_str"):  # of LangChain's callbacks, with their tags and metadata beside them
        if name in value and "metadata" in value:
            return parsed(value[name])
    return value


TRACELOOP = Dialect(name="traceloop", fields=FIELDS, vocabulary=VOCABULARY, kind=_kind, content=_content, revise=_revise)
