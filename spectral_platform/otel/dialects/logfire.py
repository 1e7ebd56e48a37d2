"""Logfire, the dialect of Pydantic's SDK and of pydantic-ai: ``gen_ai.*`` for the call, names of its own around it.

Earlier versions of pydantic-ai wrote what the conventions then had as events into attributes, as JSON.
Source: https://github.com/pydantic/pydantic-ai/blob/main/pydantic_ai_slim/pydantic_ai/models/instrumented.py
"""

from spectral_platform.otel.dialects.conversation import answered, asked, written
from spectral_platform.otel.dialects.dialect import Attributes, Content, Dialect, Events
from spectral_platform.traces.spans import SpanKind

FIELDS = (
    ("logfire.tags", "tags"),
    ("gen_ai.usage.details.cache_read_tokens", "cached_input_tokens"),
    ("gen_ai.usage.details.cached_tokens", "cached_input_tokens"),
    ("gen_ai.usage.details.cache_write_tokens", "cache_write_tokens"),
    ("gen_ai.usage.details.reasoning_tokens", "reasoning_tokens"),
)
VOCABULARY = frozenset(
    {
        "all_messages_events",
        "logfire.json_schema",
        "logfire.metrics",
        "logfire.msg",
        "logfire.msg_template",
        "logfire.span_type",
        "model_request_parameters",
        "pydantic_ai.all_messages",
    }
)
CONVERSATIONS = ("pydantic_ai.all_messages", "all_messages_events")
"""On an agent's span: all that was said in its run, the answer included."""


def _kind(attributes: Attributes) -> SpanKind | None:
    """An agent's span carries the sum of its calls' usage, but is none of them."""
    if "gen_ai.operation.name" in attributes:
        return None
    if any(name in attributes for name in CONVERSATIONS) or ("agent_name" in attributes and "model_name" in attributes):
        return SpanKind.AGENT
    return SpanKind.CHAIN if "tools" in attributes and "logfire.msg" in attributes else None


def _content(attributes: Attributes, events: Events) -> Content:
    for name in CONVERSATIONS:
        if name in attributes:
            return asked(attributes[name]), written(attributes.get("final_result")) or answered(attributes[name], by="assistant")
    if "events" in attributes and "model_request_parameters" in attributes:
        return asked(attributes["events"]), answered(attributes["events"], by="assistant")
    return written(attributes.get("tool_arguments")), written(attributes.get("tool_response"))


LOGFIRE = Dialect(name="logfire", fields=FIELDS, vocabulary=VOCABULARY, kind=_kind, content=_content)
