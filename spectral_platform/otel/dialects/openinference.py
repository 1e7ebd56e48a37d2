"""OpenInference, the dialect of Arize Phoenix and its many instrumentations.

Source: https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
"""

from typing import Any

from spectral_platform.otel.dialects.conversation import answered, asked, parsed, written
from spectral_platform.otel.dialects.dialect import Attributes, Content, Dialect, Events, label
from spectral_platform.otel.received import ReceivedSpan
from spectral_platform.traces.spans import SpanKind

FIELDS = (
    ("agent.name", "agent_name"),
    ("session.id", "session_id"),
    ("user.id", "user_id"),
    ("tag.tags", "tags"),
    ("llm.response.model_name", "model"),
    ("llm.model_name", "model"),
    ("llm.request.model_name", "model"),
    ("embedding.model_name", "model"),
    ("llm.provider", "provider"),
    ("llm.system", "provider"),
    ("llm.token_count.prompt", "input_tokens"),
    ("llm.token_count.completion", "output_tokens"),
    ("llm.token_count.prompt_details.cache_read", "cached_input_tokens"),
    ("llm.token_count.prompt_details.cache_write", "cache_write_tokens"),
    ("llm.token_count.completion_details.reasoning", "reasoning_tokens"),
    ("llm.cost.total", "cost_usd"),
)
VOCABULARY = frozenset(
    {
        "input.mime_type",
        "input.value",
        "llm.cost.completion",
        "llm.cost.prompt",
        "llm.finish_reason",
        "llm.function_call",
        "llm.invocation_parameters",
        "llm.prompt_template.template",
        "llm.prompt_template.variables",
        "llm.prompt_template.version",
        "llm.token_count.total",
        "openinference.span.kind",
        "output.mime_type",
        "output.value",
        "tool.description",
        "tool.id",
        "tool.json_schema",
        "tool.name",
        "tool.parameters",
    }
)
KINDS = {
    "LLM": SpanKind.LLM,
    "EMBEDDING": SpanKind.EMBEDDING,
    "AGENT": SpanKind.AGENT,
    "TOOL": SpanKind.TOOL,
    "RETRIEVER": SpanKind.RETRIEVAL,
    "RERANKER": SpanKind.RETRIEVAL,
    "CHAIN": SpanKind.CHAIN,
    "PROMPT": SpanKind.CHAIN,
    "GUARDRAIL": SpanKind.CHAIN,
    "EVALUATOR": SpanKind.CHAIN,
}
LANGCHAIN_AGENT, LANGGRAPH_NODE = '"langchain_create_agent"', '"langgraph_node"'
"""In the metadata of LangChain's runs: an agent as a whole says the first, the steps of its graph say both."""
METADATA = (
    ("lc_agent_name", "agent_name"),
    ("user_id", "user_id"),
    ("session_id", "session_id"),
    ("thread_id", "session_id"),
    ("conversation_id", "session_id"),
)
IMPLIED_KINDS = (
    ("llm.model_name", SpanKind.LLM),
    ("llm.token_count.prompt", SpanKind.LLM),
    ("embedding.model_name", SpanKind.EMBEDDING),
    ("tool.name", SpanKind.TOOL),
    ("agent.name", SpanKind.AGENT),
)


def _kind(attributes: Attributes) -> SpanKind | None:
    metadata = attributes.get("metadata")
    if isinstance(metadata, str) and LANGCHAIN_AGENT in metadata and LANGGRAPH_NODE not in metadata:
        return SpanKind.AGENT
    kind = attributes.get("openinference.span.kind")
    if isinstance(kind, str) and kind.upper() in KINDS:
        return KINDS[kind.upper()]
    for name, implied in IMPLIED_KINDS:
        if name in attributes:
            return implied
    return None


def _content(attributes: Attributes, events: Events) -> Content:
    """Messages before values: the value of a model call is often the whole request around its messages."""
    question = asked(indexed_messages(attributes, "llm.input_messages"))
    answer = answered(indexed_messages(attributes, "llm.output_messages"))
    return (
        question or asked(attributes.get("input.value")) or written(attributes.get("tool.parameters")),
        answer or answered(attributes.get("output.value")) or _documents(attributes),
    )


def _revise(span: ReceivedSpan, fields: dict[str, Any]) -> None:
    """Find who acts and for whom, as LangChain's metadata says it, and the model that a failed call was meant for.

    An agent that nobody named is what its span is called, unless that is the name of a method.
    """
    attributes = span.attributes
    if "metadata" in attributes:
        metadata = parsed(attributes["metadata"])
        for key, field in METADATA if isinstance(metadata, dict) else ():
            if found := label(metadata.get(key)):
                fields.setdefault(field, found)
    if attributes.get("openinference.span.kind") == "AGENT" and "." not in span.name and (name := label(span.name)):
        fields.setdefault("agent_name", name)
    if "model" not in fields and "llm.invocation_parameters" in attributes:
        parameters = parsed(attributes["llm.invocation_parameters"])
        fields["model"] = label(parameters.get("model")) if isinstance(parameters, dict) else None


def indexed_messages(attributes: Attributes, prefix: str) -> list[dict[str, object]] | None:
    """Messages flattened into attributes: ``llm.input_messages.0.message.role``, ``….message.content``, …"""
    messages: list[dict[str, object]] = []
    while True:
        message = f"{prefix}.{len(messages)}.message"
        role = attributes.get(f"{message}.role")
        content = attributes.get(f"{message}.content")
        if content is None:
            content = _texts(attributes, f"{message}.contents") or _tool_calls(attributes, f"{message}.tool_calls")
        if role is None and content is None:
            return messages or None
        messages.append({"role": role, "content": content})


def _texts(attributes: Attributes, prefix: str) -> list[object] | None:
    texts: list[object] = []
    index = 0
    while f"{prefix}.{index}.message_content.type" in attributes:
        texts.append(attributes.get(f"{prefix}.{index}.message_content.text"))
        index += 1
    return [text for text in texts if text] or None


def _tool_calls(attributes: Attributes, prefix: str) -> list[object] | None:
    calls: list[object] = []
    while (name := attributes.get(f"{prefix}.{len(calls)}.tool_call.function.name")) is not None:
        arguments = attributes.get(f"{prefix}.{len(calls)}.tool_call.function.arguments")
        calls.append({"type": "tool_call", "name": name, "arguments": arguments})
    return calls or None


def _documents(attributes: Attributes) -> str | None:
    documents: list[object] = []
    while (content := attributes.get(f"retrieval.documents.{len(documents)}.document.content")) is not None:
        documents.append(content)
    return written(documents or None)


OPENINFERENCE = Dialect(name="openinference", fields=FIELDS, vocabulary=VOCABULARY, kind=_kind, content=_content, revise=_revise)
