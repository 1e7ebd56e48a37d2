"""Reads a prompt out of what a span says a model was sent: system and user message, turns between, and values by name."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from spectral_platform.inference.inferring import Prompt
from spectral_platform.inference.tokens import BOUNDARY
from spectral_platform.otel.requests import sent_messages

INSTRUCTING = frozenset({"system", "developer"})
ASKING = frozenset({"user", "human"})
LONGEST_VALUE = 200_000
VARIABLES = ("llm.prompt_template.variables", "traceloop.prompt.template_variables", "gen_ai.prompt.variables")
PAYLOADS = (
    "gen_ai.input.",
    "gen_ai.output.",
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
    "llm.input_messages",
    "llm.output_messages",
    "llm.prompts",
    "llm.completions",
    "input.",
    "output.",
    "ai.prompt",
    "ai.response",
    "pydantic_ai.",
    "traceloop.entity.",
)
"""Attributes that hold messages themselves; what they are called names no value."""


def read_prompt(
    attributes: Mapping[str, Any], events: Sequence[Mapping[str, Any]], *, question: str | None, known: Mapping[str, str | None]
) -> Prompt | None:
    """The prompt of a model call; None where the span does not say what was sent.

    ``question`` is the user's message where no messages are told. What a model said, or a tool gave back, after the user's last
    message belongs to no template. ``known`` are values that the span has in fields of its own.
    """
    messages = sent_messages(attributes, events)
    system = "\n\n".join(text for role, text in messages if role in INSTRUCTING)
    spoken = [(role, text) for role, text in messages if role not in INSTRUCTING]
    last = next((at for at in range(len(spoken) - 1, -1, -1) if spoken[at][0] in ASKING), -1)
    user = spoken[last][1] if last >= 0 else question if not messages else None
    if not (system.strip() or (user and user.strip())):
        return None
    text = user or "" if not system.strip() else system if user is None else f"{system}{BOUNDARY}{user}"
    return Prompt(text=text, said=_values(attributes, known), turns=tuple(spoken[:last]) if last > 0 else ())


def _values(attributes: Mapping[str, Any], known: Mapping[str, str | None]) -> dict[str, str]:
    """What a span says besides its messages, by the last part of its name; the variables of its template come first."""
    values = {name: value for name, value in known.items() if value}
    for name, value in attributes.items():
        if isinstance(value, str | int | float) and not name.startswith(PAYLOADS):
            _add(values, name.rsplit(".", 1)[-1], value)
    for name in VARIABLES:
        for variable, value in _variables(attributes, name).items():
            _add(values, str(variable), value)
    return values


def _variables(attributes: Mapping[str, Any], name: str) -> dict[Any, Any]:
    """The variables of a template, as one document or an attribute each."""
    recorded = attributes.get(name)
    if isinstance(recorded, str):
        try:
            recorded = orjson.loads(recorded)
        except orjson.JSONDecodeError:
            return {}
    if isinstance(recorded, dict):
        return recorded
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in attributes.items() if key.startswith(prefix)}


def _add(values: dict[str, str], name: str, value: Any) -> None:
    text = value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
    if text.strip() and len(text) <= LONGEST_VALUE and any(map(str.isalpha, name)):
        values[name] = text.strip()
