"""Chat messages as instrumentations write them, and the two texts that matter: what was asked and what was answered.

Messages come as OpenTelemetry's parts, as OpenAI's and Anthropic's own, and as LangChain serialises its classes; bare, in lists,
or inside the inputs and outputs of whatever handed them on.
"""

from collections.abc import Mapping
from typing import Any

import orjson

LANGCHAIN_ROLES = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
}
AROUND_MESSAGES = ("messages", "message", "update", "inputs", "outputs", "input", "output", "generations", "choices")
TEXTS = ("text", "input_text", "output_text")  # no sets: what is looked for may be anything, and not everything is hashable
SAID = frozenset({"content", "tool_calls", "function_call"})
ASKING = ("user", "human")
RESULTS = ("tool_call_response", "tool_result")
WHOLE_PROMPTS = ("gen_ai.input.messages", "ai.prompt.messages", "ai.prompt", "input.value", "gen_ai.prompt")
CALL_ARGUMENTS = ("arguments", "args", "input")
DEEPEST = 8


def asked(recorded: Any) -> str | None:
    """The text of the last user message; without one, of the last message."""
    if recorded is None:
        return None
    value = parsed(recorded)
    messages = _messages(value, DEEPEST)
    if messages is None:
        return _bare(recorded, value)
    for message in reversed(messages) if len(messages) > 1 else ():  # one that is alone answers in any case
        if message.get("role") in ASKING and not _hands_back(message) and (text := _text(message)):
            return text
    return _text(messages[-1])


def answered(recorded: Any, *, by: str | None = None) -> str | None:
    """The text of the last message; of one that this role has not said, None."""
    if recorded is None:
        return None
    value = parsed(recorded)
    messages = _messages(value, DEEPEST)
    if messages is None:
        return _bare(recorded, value)
    return _text(messages[-1]) if by in (None, messages[-1].get("role")) else None


def instructed(attributes: Mapping[str, Any]) -> str | None:
    """The system prompt of a model call, wherever its instrumentation wrote it; None where it did not."""
    recorded = parsed(attributes.get("gen_ai.system_instructions"))
    if recorded:
        return _text({"content": recorded})
    openinference = [
        {"role": attributes[role], "content": attributes.get(f"{role.removesuffix('role')}content")}
        for role in ("llm.input_messages.0.message.role", "llm.input_messages.1.message.role")
        if role in attributes
    ]
    found = [openinference, indexed_messages(attributes, "gen_ai.prompt") or []]
    found += [_messages(parsed(attributes.get(name)), DEEPEST) or [] for name in WHOLE_PROMPTS]
    for message in (message for messages in found for message in messages):
        if message.get("role") == "system":
            return _text(message)
    prompt = parsed(attributes.get("ai.prompt"))
    return written(prompt.get("system")) if isinstance(prompt, dict) else None


def called(recorded: str) -> list[tuple[str, Any]]:
    """The names and arguments of the tools that an answer calls, where it is nothing but such calls; else none."""
    calls = parsed(recorded)
    found: list[tuple[str, Any]] = []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function", call) if isinstance(call, dict) else {}
        name = function.get("name") or function.get("toolName") if isinstance(function, dict) else None
        if not isinstance(name, str):
            return []
        found.append((name, next((function[key] for key in CALL_ARGUMENTS if key in function), None)))
    return found


def written(value: Any) -> str | None:
    """Any recorded value as text: strings as they are, everything else as JSON."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # text may hold JSON that is nested deeper than can be written
        return None


def indexed_messages(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]] | None:
    """Messages written one attribute each: ``gen_ai.prompt.0.role``, ``gen_ai.prompt.0.content``, …"""
    messages: list[dict[str, Any]] = []
    while True:
        message = f"{prefix}.{len(messages)}"
        content = attributes.get(f"{message}.content")
        calls = None if content else _indexed_calls(attributes, f"{message}.tool_calls")
        if content is None and calls is None and f"{message}.role" not in attributes:
            return messages or None
        messages.append({"role": attributes.get(f"{message}.role"), "content": content, "tool_calls": calls})


def _indexed_calls(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]] | None:
    calls: list[dict[str, Any]] = []
    while (name := attributes.get(f"{prefix}.{len(calls)}.name")) is not None:
        arguments = attributes.get(f"{prefix}.{len(calls)}.arguments")
        calls.append({"type": "tool_call", "name": name, "arguments": arguments})
    return calls or None


def parsed(value: Any) -> Any:
    """A recorded value; of JSON text with a list or an object, what the text says."""
    if isinstance(value, str) and value.startswith(("[", "{")):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _messages(value: Any, deepest: int) -> list[dict[str, Any]] | None:
    """The messages in a value, in their order; None when there is anything else in it."""
    if not deepest:
        return None
    if isinstance(value, list):
        messages: list[dict[str, Any]] = []
        for item in value:
            if isinstance(item, dict) and "role" in item and ("parts" in item or "content" in item):
                messages.append(item)
                continue
            found = _messages(item, deepest - 1)
            if found is None:
                return None
            messages += found
        return messages or None
    if not isinstance(value, dict):
        return None
    message = _message(value)
    if message is not None:
        return [message]
    for name in AROUND_MESSAGES:
        if name in value and (inner := _messages(value[name], deepest - 1)):
            return inner
    return None


def _message(value: dict[str, Any]) -> dict[str, Any] | None:
    if "parts" in value or ("role" in value and not SAID.isdisjoint(value)):
        return value
    if "lc" in value and isinstance(value.get("kwargs"), dict):  # LangChain's own serialisation of a class
        value = value["kwargs"]
    elif isinstance(value.get("data"), dict):
        value = {"type": value.get("type")} | value["data"]
    if "content" not in value:
        return None
    role = value.get("type")
    return value | {"role": LANGCHAIN_ROLES[role]} if isinstance(role, str) and role in LANGCHAIN_ROLES else None


def _bare(recorded: Any, value: Any) -> str | None:
    """A value that holds no messages as text: nothing for an empty one, and without what LangChain wraps around a plain one."""
    if value in ([], {}):
        return None
    if isinstance(value, dict) and len(value) == 1:
        for name in ("input", "output"):
            if name in value:
                return written(value[name])
    return written(recorded)


def _hands_back(message: dict[str, Any]) -> bool:
    """Whether a message only brings results of tools, which some write down as if the user had said them."""
    parts = _parts(message)
    if not isinstance(parts, list) or (parts and not _is_result(parts[0])):  # the first part mostly answers it
        return False
    return all(map(_is_result, parts))


def _is_result(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in RESULTS


def _parts(message: dict[str, Any]) -> Any:
    """What a message consists of, whatever it is called."""
    return message["parts"] if "parts" in message else message.get("content")


def _text(message: dict[str, Any]) -> str | None:
    """A message's text; of one that only calls tools, the calls as JSON."""
    content = _parts(message)
    if isinstance(content, str) and content.startswith('[{"') and '"type"' in content:
        content = parsed(content)
    if not isinstance(content, list):
        return written(content) or written(message.get("tool_calls") or None)
    if len(content) == 1 and (only := _part_text(content[0])):
        return only
    texts = [text for text in map(_part_text, content) if text]
    return "\n".join(texts) if texts else written(content) if content else written(message.get("tool_calls") or None)


def _part_text(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in TEXTS:
        return None
    text = part.get("content", part.get("text"))
    return text if isinstance(text, str) else None


def said(recorded: Any) -> list[tuple[str, str]] | None:
    """Role and text of every message in a recorded value, those without text left out; None when it holds no messages."""
    messages = _messages(parsed(recorded), DEEPEST)
    if messages is None:
        return None
    told = ((message.get("role"), _text(message)) for message in messages)
    return [(role if isinstance(role, str) else "user", text) for role, text in told if text]
