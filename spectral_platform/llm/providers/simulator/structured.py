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


def _fill(schema: dict[str, Any], name: str, text: str, pick: Pick) -> Any:
    if "const" in schema:
        return schema["const"]
    if options := schema.get("enum"):
        mentioned = [option for option in options if str(option).lower() in text.lower()]
        return (mentioned or [options[int(pick(name, tuple(map(str, range(len(options))))))]])[0]
    match schema.get("type", "string"):
        case "object":
            return {key: _fill(part, key, text, pick) for key, part in schema.get("properties", {}).items()}
        case "array":
            sources = _SOURCE.findall(text)
            return sources or ([_fill(schema["items"], name, text, pick)] if schema.get("minItems") else [])
        case "boolean":
            return True
        case "integer":
            return int(schema.get("minimum", 1))
        case "number":
            return float(schema.get("minimum", 0.5))
        case "null":
            return None
        case _:
            return text[: schema.get("maxLength", len(text))]
