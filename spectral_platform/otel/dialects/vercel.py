"""Vercel's AI SDK: the attributes of its own (``ai.*``) that its telemetry wrote before it took to the GenAI conventions.

A span around a whole call (``ai.generateText``) repeats the usage of the model calls beneath it (``….doGenerate``). It is an
agent's span, as the SDK itself calls it from version 7 on, and so counts no tokens of its own.
Source: https://ai-sdk.dev/docs/ai-sdk-core/telemetry
"""

from typing import Any

import orjson

from spectral_platform.otel.dialects.conversation import asked, written
from spectral_platform.otel.dialects.dialect import Attributes, Content, Dialect, Events, count, label
from spectral_platform.otel.received import ReceivedSpan
from spectral_platform.traces.spans import SpanKind

# What an application says of a call: `metadata` until version 6, `runtimeContext` from version 7 on.
CONTEXTS = ("ai.telemetry.metadata", "ai.settings.context")
CONTEXT_FIELDS = (
    ("sessionId", "session_id"),
    ("session_id", "session_id"),
    ("conversationId", "session_id"),
    ("conversation_id", "session_id"),
    ("threadId", "session_id"),
    ("thread_id", "session_id"),
    ("chatId", "session_id"),
    ("userId", "user_id"),
    ("user_id", "user_id"),
    ("tags", "tags"),
)
FIELDS = (
    ("ai.telemetry.functionId", "agent_name"),
    *((f"{context}.{name}", field) for context in CONTEXTS for name, field in CONTEXT_FIELDS),
    ("ai.response.model", "model"),
    ("ai.model.id", "model"),
    ("ai.response.id", "response_id"),
    ("ai.model.provider", "provider"),
    ("ai.usage.inputTokens", "input_tokens"),
    ("ai.usage.promptTokens", "input_tokens"),
    ("ai.usage.tokens", "input_tokens"),
    ("ai.usage.outputTokens", "output_tokens"),
    ("ai.usage.completionTokens", "output_tokens"),
    ("ai.usage.inputTokenDetails.cacheReadTokens", "cached_input_tokens"),
    ("ai.usage.cachedInputTokens", "cached_input_tokens"),
    ("ai.usage.inputTokenDetails.cacheWriteTokens", "cache_write_tokens"),
    ("ai.usage.outputTokenDetails.reasoningTokens", "reasoning_tokens"),
    ("ai.usage.reasoningTokens", "reasoning_tokens"),
)
UNCACHED = "ai.usage.inputTokenDetails.noCacheTokens"
METADATA = "ai.response.providerMetadata"
VOCABULARY = frozenset(
    {
        METADATA,
        UNCACHED,
        "ai.operationId",
        "ai.prompt",
        "ai.prompt.messages",
        "ai.prompt.toolChoice",
        "ai.prompt.tools",
        "ai.response.finishReason",
        "ai.response.object",
        "ai.response.text",
        "ai.response.timestamp",
        "ai.response.toolCalls",
        "ai.schema",
        "ai.toolCall.args",
        "ai.toolCall.id",
        "ai.toolCall.name",
        "ai.toolCall.result",
        "ai.usage.totalTokens",
        "ai.value",
        "ai.values",
    }
)
KINDS = {
    "ai.generateText": SpanKind.AGENT,
    "ai.generateText.doGenerate": SpanKind.LLM,
    "ai.streamText": SpanKind.AGENT,
    "ai.streamText.doStream": SpanKind.LLM,
    "ai.generateObject": SpanKind.AGENT,
    "ai.generateObject.doGenerate": SpanKind.LLM,
    "ai.streamObject": SpanKind.AGENT,
    "ai.streamObject.doStream": SpanKind.LLM,
    "ai.embed": SpanKind.EMBEDDING,
    "ai.embed.doEmbed": SpanKind.EMBEDDING,
    "ai.embedMany": SpanKind.EMBEDDING,
    "ai.embedMany.doEmbed": SpanKind.EMBEDDING,
    "ai.rerank": SpanKind.RETRIEVAL,
    "ai.rerank.doRerank": SpanKind.RETRIEVAL,
    "ai.toolCall": SpanKind.TOOL,
}
OUTPUTS = ("ai.response.text", "ai.response.object", "ai.response.toolCalls", "ai.toolCall.result")
PROVIDERS = {"amazon-bedrock": "aws.bedrock", "azure-openai": "azure", "google-vertex": "google"}


def _kind(attributes: Attributes) -> SpanKind | None:
    operation = attributes.get("ai.operationId")
    return KINDS.get(operation) if isinstance(operation, str) else None


def _content(attributes: Attributes, events: Events) -> Content:
    question = (
        asked(attributes.get("ai.prompt.messages"))
        or _prompt(attributes.get("ai.prompt"))
        or written(attributes.get("ai.toolCall.args"))
        or _embedded(attributes)
    )
    return question, next((answer for name in OUTPUTS if (answer := written(attributes.get(name)))), None)


def _prompt(recorded: Any) -> str | None:
    """What a whole call was asked: ``{"system": …, "prompt": …}`` or ``{"messages": […]}``, as JSON."""
    prompt = _parsed(recorded)
    if not isinstance(prompt, dict):
        return written(recorded)
    return asked(prompt.get("prompt")) or asked(prompt.get("messages")) or written(recorded)


def _embedded(attributes: Attributes) -> str | None:
    """The texts that were embedded, each of them recorded as JSON."""
    if "ai.value" in attributes:
        return written(_parsed(attributes["ai.value"]))
    values = attributes.get("ai.values")
    return written([_parsed(value) for value in values]) if isinstance(values, list) and values else None


def _revise(span: ReceivedSpan, fields: dict[str, Any]) -> None:
    """Name the provider without its API, and find the tokens that only the provider's own metadata tell.

    Before version 6, the input tokens of Anthropic and of Bedrock were counted without the cached ones; a span says so by
    repeating the provider's own number, and of those that cannot, none was written since.
    """
    attributes = span.attributes
    api = label(attributes.get("ai.model.provider"))  # such as openai.chat, amazon-bedrock
    if api is not None:
        provider = api.partition(".")[0]
        fields["provider"] = PROVIDERS.get(provider, provider)
    if UNCACHED in attributes or METADATA not in attributes or "input_tokens" not in fields:
        return
    metadata = _parsed(attributes[METADATA])
    if not isinstance(metadata, dict):
        return
    for provider in ("openai", "azure", "anthropic", "bedrock"):
        told = metadata.get(provider)
        if isinstance(told, dict):
            _revise_usage(provider, told, fields)
            return


def _revise_usage(provider: str, told: dict[str, Any], fields: dict[str, Any]) -> None:
    usage = told["usage"] if isinstance(told.get("usage"), dict) else {}
    names = {
        "cached_input_tokens": ("cachedPromptTokens", "cacheReadInputTokens", "cache_read_input_tokens"),
        "cache_write_tokens": ("cacheCreationInputTokens", "cacheWriteInputTokens", "cache_creation_input_tokens"),
        "reasoning_tokens": ("reasoningTokens",),
    }
    for field, candidates in names.items():
        numbers = (count(source.get(name)) for source in (told, usage) for name in candidates)
        found = next((number for number in numbers if number is not None), None)
        if found is not None:
            fields.setdefault(field, found)
    if provider in {"anthropic", "bedrock"} and fields["input_tokens"] == usage.get("input_tokens", fields["input_tokens"]):
        fields["input_tokens"] += fields.get("cached_input_tokens", 0) + fields.get("cache_write_tokens", 0)


def _parsed(recorded: Any) -> Any:
    if not isinstance(recorded, str):
        return recorded
    try:
        return orjson.loads(recorded)
    except orjson.JSONDecodeError:
        return recorded


VERCEL = Dialect(name="vercel", fields=FIELDS, vocabulary=VOCABULARY, kind=_kind, content=_content, revise=_revise)
