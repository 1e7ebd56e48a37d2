"""Chat messages as instrumentations write them, and the two texts that matter: what was asked and what was answered."""

from typing import Any

import orjson


def asked(recorded: Any) -> str | None:
    """The text of the last user message; without one, of the last message."""
    messages = _messages(recorded)
    if messages is None:
        return written(recorded)
    for message in reversed(messages):
        if message.get("role") in {"user", "human"} and (text := _text(message)):
            return text
    return _text(messages[-1])


def answered(recorded: Any) -> str | None:
    """The text of the last message."""
    messages = _messages(recorded)
    return written(recorded) if messages is None else _text(messages[-1])


def written(value: Any) -> str | None:
    """Any recorded value as text: strings as they are, everything else as JSON."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _messages(recorded: Any) -> list[dict[str, Any]] | None:
    """The messages in a recorded value, which may be a list, one message, or either as JSON text."""
    if isinstance(recorded, str):
        if recorded[:1] not in {"[", "{"}:
            return None
        try:
            recorded = orjson.loads(recorded)
        except orjson.JSONDecodeError:
            return None
    messages = [recorded] if isinstance(recorded, dict) else recorded
    if not isinstance(messages, list) or not messages:
        return None
    for message in messages:
        if not isinstance(message, dict) or not ("role" in message or "parts" in message or "content" in message):
            return None
    return messages


def _text(message: dict[str, Any]) -> str | None:
    """A message's text; of one that only calls tools, the calls as JSON."""
    content = message.get("parts", message.get("content"))
    if not isinstance(content, list):
        return written(content) or written(message.get("tool_calls"))
    texts = [text for part in content if (text := _part_text(part))]
    return "\n".join(texts) if texts else written(content) if content else written(message.get("tool_calls"))


def _part_text(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in {"text", "input_text", "output_text"}:
        return None
    text = part.get("content", part.get("text"))
    return text if isinstance(text, str) else None
