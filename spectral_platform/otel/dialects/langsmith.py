"""LangSmith, the dialect in which LangChain's own SDK exports runs: ``gen_ai.*`` for the call, ``langsmith.*`` for the rest.

Source: https://github.com/langchain-ai/langsmith-sdk/blob/main/python/langsmith/_internal/otel/_otel_exporter.py
"""

from typing import Any

from spectral_platform.otel.dialects.conversation import parsed
from spectral_platform.otel.dialects.dialect import Attributes, Content, Dialect, Events, count, label
from spectral_platform.otel.received import ReceivedSpan
from spectral_platform.traces.spans import SpanKind

METADATA = "langsmith.metadata"
FIELDS = (
    (f"{METADATA}.lc_agent_name", "agent_name"),
    (f"{METADATA}.session_id", "session_id"),
    (f"{METADATA}.thread_id", "session_id"),
    (f"{METADATA}.conversation_id", "session_id"),
    (f"{METADATA}.user_id", "user_id"),
    (f"{METADATA}.ls_provider", "provider"),
    ("langsmith.span.tags", "tags"),
)
VOCABULARY = frozenset(
    {
        "langsmith.span.kind",
        "langsmith.span.runtime",
        "langsmith.trace.id",
        "langsmith.trace.name",
        "langsmith.trace.session_id",
        "langsmith.trace.session_name",
        f"{METADATA}.ls_method",
    }
)
KINDS = {
    "llm": SpanKind.LLM,
    "embedding": SpanKind.EMBEDDING,
    "tool": SpanKind.TOOL,
    "retriever": SpanKind.RETRIEVAL,
    "chain": SpanKind.CHAIN,
    "prompt": SpanKind.CHAIN,
    "parser": SpanKind.CHAIN,
}
UNNAMED_PROJECT = "default"


def _kind(attributes: Attributes) -> SpanKind | None:
    if (
        attributes.get(f"{METADATA}.ls_integration") == "langchain_create_agent"
        and f"{METADATA}.langgraph_node" not in attributes
    ):
        return SpanKind.AGENT
    kind = attributes.get("langsmith.span.kind")
    return KINDS.get(kind) if isinstance(kind, str) else None


def _content(attributes: Attributes, events: Events) -> Content:
    return None, None  # in gen_ai.prompt and gen_ai.completion


def _revise(span: ReceivedSpan, fields: dict[str, Any]) -> None:
    """Take the project for the workflow, and read the parts of the usage, which are only written as documents."""
    attributes = span.attributes
    project = label(attributes.get("langsmith.trace.session_name"))
    if project is not None and project != UNNAMED_PROJECT:
        fields.setdefault("workflow", project)
    usage = parsed(attributes.get(f"{METADATA}.usage_metadata"))
    if isinstance(usage, dict):
        read, wrote = usage.get("input_token_details"), usage.get("output_token_details")
    else:
        read = _printed(attributes.get("gen_ai.usage.input_token_details"))
        wrote = _printed(attributes.get("gen_ai.usage.output_token_details"))
    if isinstance(read, dict):
        fields.setdefault("cached_input_tokens", count(read.get("cache_read")))
        fields.setdefault("cache_write_tokens", count(read.get("cache_creation")))
    if isinstance(wrote, dict):
        fields.setdefault("reasoning_tokens", count(wrote.get("reasoning")))


def _printed(value: Any) -> Any:
    """A document that was printed as Python prints a dict of numbers."""
    return parsed(value.replace("'", '"').replace("None", "null")) if isinstance(value, str) else None


LANGSMITH = Dialect(name="langsmith", fields=FIELDS, vocabulary=VOCABULARY, kind=_kind, content=_content, revise=_revise)
