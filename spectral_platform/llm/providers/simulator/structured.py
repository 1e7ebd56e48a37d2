"""JSON answers of the simulated agent: an object that fits the schema it was given, filled from its text answer."""

import json
import re
from typing import Any

from spectral_platform.llm.providers.simulator.composing import Pick

_SOURCE = re.compile(r"\[([A-Za-z]+-\d+)\]")


def as_json(text: str, schema: dict[str, Any] | None, *, is_valid: bool, pick: Pick) -> str:
    """The answer as JSON; where the run fails at it, JSON inside chatter, as models do."""
    value = _fill(schema or {"type": "object", "properties": {"answer": {}, "sources": {"type": "array"}}}, "", text, pick)
    body = json.dumps(value, ensure_ascii=False)
    return body if is_valid else f"Here is the JSON you asked for:\n{body}\nLet me know if you need anything else!"


def _fill(schema: Any, name: str, text: str, pick: Pick) -> Any:
    """A value for one part of a schema; what cannot be made out of the schema becomes the text."""
    match schema:
        case {"const": value}:
            return value
        case {"enum": [_, *_] as options}:
            mentioned = next((option for option in options if str(option).lower() in text.lower()), None)
            return options[int(pick(name, tuple(map(str, range(len(options))))))] if mentioned is None else mentioned
        case {"type": "object", "properties": {**properties}}:
            return {key: _fill(part, str(key), text, pick) for key, part in properties.items()}
        case {"type": "object"}:
            return {}
        case {"type": "array"}:
            sources = _SOURCE.findall(text)
            return sources or ([_fill(schema.get("items"), name, text, pick)] if schema.get("minItems") else [])
        case {"type": "boolean"}:
            return True
        case {"type": "integer", "minimum": int() as least}:
            return least
        case {"type": "integer"}:
            return 1
        case {"type": "number"}:
            return schema.get("minimum", 0.5)
        case {"type": "null"}:
            return None
        case {"maxLength": int() as longest}:
            return text[: max(0, longest)]
    return text
