"""What a model call was sent, as spans of every dialect record it: all messages with their roles, not only the last question."""

from collections.abc import Mapping, Sequence
from typing import Any

from spectral_platform.otel.dialects.conversation import indexed_messages, parsed, said
from spectral_platform.otel.dialects.openinference import indexed_messages as openinference_messages

INSTRUCTIONS = ("gen_ai.system_instructions", "gen_ai.request.instructions")
RECORDED = ("gen_ai.input.messages", "gen_ai.prompt", "ai.prompt.messages", "pydantic_ai.all_messages")
BARE = ("gen_ai.prompt", "input.value", "traceloop.entity.input", "input")
EVENTS = {"gen_ai.system.message": "system", "gen_ai.user.message": "user", "gen_ai.assistant.message": "assistant"}

Messages = list[tuple[str, str]]


def sent_messages(attributes: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Messages:
    """Role and text of each message that a model call was sent, in order; empty where the span does not say."""
    messages = _from_attributes(attributes) or _from_events(events) or _from_values(attributes)
    instructions = next((text for name in INSTRUCTIONS if (text := _instructions(attributes.get(name)))), None)
    if instructions and not any(role in {"system", "developer"} for role, _ in messages):
        messages = [("system", instructions), *messages]
    return messages


def _from_attributes(attributes: Mapping[str, Any]) -> Messages:
    for name in RECORDED:
        if name in attributes and (messages := said(attributes[name])):
            return messages
    for prefix in ("gen_ai.prompt", "llm.prompts"):
        if f"{prefix}.0.content" in attributes or f"{prefix}.0.role" in attributes:
            return said(indexed_messages(attributes, prefix)) or []
    if (flattened := openinference_messages(attributes, "llm.input_messages")) is not None:
        return said(flattened) or []
    prompt = parsed(attributes.get("ai.prompt"))
    if isinstance(prompt, dict):
        system = [("system", prompt["system"])] if isinstance(prompt.get("system"), str) else []
        asked = prompt.get("prompt")
        messages = said(prompt.get("messages")) or ([("user", asked)] if isinstance(asked, str) else [])
        return [*system, *messages] if messages else []
    return []


def _from_events(events: Sequence[Mapping[str, Any]]) -> Messages:
    messages: Messages = []
    for event in events:
        attributes = event.get("attributes") or {}
        if event.get("name") == "gen_ai.client.inference.operation.details":
            return sent_messages(attributes, ())
        if event.get("name") == "gen_ai.content.prompt":
            recorded = attributes.get("gen_ai.prompt")
            messages = said(recorded) or ([("user", recorded)] if isinstance(recorded, str) and recorded else messages)
        role = EVENTS.get(str(event.get("name")))
        content = attributes.get("content")
        if role is not None and isinstance(content, str) and content:
            messages.append((role, content))
    return messages


def _from_values(attributes: Mapping[str, Any]) -> Messages:
    for name in BARE:
        recorded = attributes.get(name)
        if messages := said(recorded):
            return messages
        if isinstance(recorded, str) and recorded.strip() and parsed(recorded) is recorded:
            return [("user", recorded)]
    return []


def _instructions(recorded: Any) -> str | None:
    """The instructions that stand beside the messages, as text or as a list of parts."""
    value = parsed(recorded)
    if isinstance(value, str):
        return value or None
    if isinstance(value, list):
        texts = [part.get("content", part.get("text")) for part in value if isinstance(part, dict)]
        return "\n\n".join(text for text in texts if isinstance(text, str)) or None
    return None
