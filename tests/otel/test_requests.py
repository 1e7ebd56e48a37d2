"""What a model call was sent, in each dialect."""

from typing import Any

import orjson
import pytest

from spectral_platform.otel.requests import sent_messages

CHAT = [("system", "Be kind."), ("user", "Hello"), ("assistant", "Hi"), ("user", "And now?")]
PARTS = [{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in CHAT]
PLAIN = [{"role": role, "content": text} for role, text in CHAT]


def text(value: Any) -> str:
    return orjson.dumps(value).decode()


ATTRIBUTES: dict[str, dict[str, Any]] = {
    "parts": {"gen_ai.input.messages": text(PARTS)},
    "instructions beside them": {
        "gen_ai.system_instructions": text([{"type": "text", "content": "Be kind."}]),
        "gen_ai.input.messages": text(PARTS[1:]),
    },
    "instructions as text": {"gen_ai.system_instructions": "Be kind.", "gen_ai.input.messages": text(PARTS[1:])},
    "one document": {"gen_ai.prompt": text(PLAIN)},
    "an attribute each": {
        f"gen_ai.prompt.{number}.{key}": value for number, each in enumerate(PLAIN) for key, value in each.items()
    },
    "an attribute each, earlier": {
        f"llm.prompts.{number}.{key}": value for number, each in enumerate(PLAIN) for key, value in each.items()
    },
    "openinference": {
        f"llm.input_messages.{number}.message.{key}": value for number, each in enumerate(PLAIN) for key, value in each.items()
    },
    "vercel": {"ai.prompt.messages": text(PLAIN)},
    "vercel, around the call": {"ai.prompt": text({"system": "Be kind.", "messages": PLAIN[1:]})},
    "a whole request": {"input.value": text({"model": "x", "messages": PLAIN})},
}


@pytest.mark.parametrize("attributes", ATTRIBUTES.values(), ids=list(ATTRIBUTES))
def test_all_messages_are_told_with_their_roles(attributes: dict[str, Any]) -> None:
    assert sent_messages(attributes, []) == CHAT


@pytest.mark.parametrize(
    "events",
    [
        [{"name": f"gen_ai.{role}.message", "attributes": {"content": said}} for role, said in CHAT],
        [{"name": "gen_ai.client.inference.operation.details", "attributes": {"gen_ai.input.messages": text(PARTS)}}],
        [{"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": text(PLAIN)}}],
    ],
)
def test_messages_in_events_are_told(events: list[dict[str, Any]]) -> None:
    assert sent_messages({}, events) == CHAT


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"input.value": "Hello"}, [("user", "Hello")]),
        ({"ai.prompt": text({"system": "Be kind.", "prompt": "Hello"})}, [("system", "Be kind."), ("user", "Hello")]),
        ({}, []),
        ({"gen_ai.input.messages": "[{", "input.value": text({"a": 1})}, []),
        ({"gen_ai.input.messages": 7, "gen_ai.prompt": None, "ai.prompt": "x", "gen_ai.system_instructions": 3}, []),
    ],
)
def test_what_is_no_chat_is_one_message_or_none(attributes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert sent_messages(attributes, []) == expected
