"""Values in OTLP's JSON encoding: the fields of an object in camel or snake case, and what an attribute may hold."""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from spectral_platform.otel.errors import RefusedSpan
from spectral_platform.otel.received import check_depth, number

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|NaN|-?Infinity")
"""A double written as a string, as protobuf's JSON mapping has it."""


def _field(holder: dict[str, Any], *names: str) -> Any:
    for name in names:
        value = holder.get(name)
        if value is not None:
            return value
    return None


def object_in(value: Any) -> dict[str, Any]:
    """The value, which must be an object."""
    if not isinstance(value, dict):
        raise RefusedSpan("an object is expected where there is none")
    return value


def list_in(holder: dict[str, Any], *names: str) -> list[Any]:
    """A field that is a list; empty when absent."""
    value = _field(holder, *names)
    if value is None:
        return []
    if not isinstance(value, list):
        raise RefusedSpan(f"{names[0]} is not a list")
    return value


def text_in(holder: dict[str, Any], *names: str) -> str:
    """A field that is a text; empty when absent."""
    value = _field(holder, *names)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RefusedSpan(f"{names[0]} is not a string")
    return value


def id_in(holder: dict[str, Any], *names: str) -> str:
    """An id, in lower case. Ids are hex, unlike other bytes, and so no id of the right length is anything else by chance."""
    text = text_in(holder, *names)
    try:
        known = bytes.fromhex(text).hex()
    except ValueError:
        known = ""
    if len(known) != len(text):  # bytes.fromhex skips white space
        raise RefusedSpan(f"{names[-1]} is not written in hex digits")
    return known


def count_in(holder: dict[str, Any], *names: str) -> int:
    """A field that is an unsigned integer of 32 bits; 0 when absent."""
    value = _integer(_field(holder, *names) or 0)
    if not 0 <= value < 1 << 32:
        raise RefusedSpan(f"{names[0]} is not a 32-bit count")
    return value


def enum_in(value: Any, names: Mapping[str, int]) -> int:
    """A value of an enum, by number or by name; what later versions may add says nothing yet."""
    known = names.get(value, 0) if isinstance(value, str) else _integer(value or 0)
    if not -(1 << 31) <= known < 1 << 31:
        raise RefusedSpan("an enum's number does not fit in 32 bits")
    return known


def time_in(holder: dict[str, Any], *names: str) -> int:
    """A field that is a time in nanoseconds since 1970; 0 when absent."""
    value = _integer(_field(holder, *names) or 0)
    if not 0 <= value < 1 << 64:
        raise RefusedSpan(f"{names[0]} is not a 64-bit time")
    return value


def _integer(value: Any) -> int:
    try:
        if type(value) is int:
            return value
        if isinstance(value, str):
            if value.isascii() and value.lstrip("-").isdecimal():
                return int(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            return value
        elif isinstance(value, float) and value.is_integer():
            return int(value)
    except ValueError:  # thousands of digits
        pass
    raise RefusedSpan("an integer is expected where there is none")


def attributes_in(pairs: list[Any], depth: int = 0) -> dict[str, Any]:
    """A list of KeyValue as a mapping; of the same key several times, the last counts."""
    attributes: dict[str, Any] = {}
    for pair in pairs:
        pair = object_in(pair)
        key, value = pair.get("key"), pair.get("value")
        # Most are a string under a name; the rest is looked at more closely.
        if type(key) is str and type(value) is dict and len(value) == 1 and type(text := value.get("stringValue")) is str:
            attributes[key] = text
        else:
            attributes[text_in(pair, "key")] = _value(value, depth)
    return attributes


def _value(value: Any, depth: int) -> Any:
    if value is None:
        return None
    for name, content in object_in(value).items():
        reader = _READERS.get(name)
        if reader is not None and content is not None:
            return reader(content, depth)
    return None


def _string(content: Any, depth: int) -> str:
    if not isinstance(content, str):
        raise RefusedSpan("an attribute's stringValue is not a string")
    return content


def _boolean(content: Any, depth: int) -> bool:
    if not isinstance(content, bool):
        raise RefusedSpan("an attribute's boolValue is not true or false")
    return content


def _signed(content: Any, depth: int) -> int:
    value = _integer(content)
    if not -(1 << 63) <= value < 1 << 63:
        raise RefusedSpan("an attribute's intValue does not fit in 64 bits")
    return value


def _double(content: Any, depth: int) -> float | str:
    try:
        if isinstance(content, bool) or (isinstance(content, str) and not NUMBER.fullmatch(content)):
            raise ValueError
        return number(float(content))
    except (ValueError, TypeError, OverflowError):
        raise RefusedSpan("an attribute's doubleValue is not a number") from None


def _bytes(content: Any, depth: int) -> str:
    try:
        return b64encode(b64decode(content, validate=True)).decode()
    except (ValueError, TypeError):
        raise RefusedSpan("an attribute's bytesValue is not base64") from None


def _array(content: Any, depth: int) -> list[Any]:
    check_depth(depth)
    return [_value(item, depth + 1) for item in list_in(object_in(content), "values")]


def _mapping(content: Any, depth: int) -> dict[str, Any]:
    check_depth(depth)
    return attributes_in(list_in(object_in(content), "values"), depth + 1)


_READERS: dict[str, Callable[[Any, int], Any]] = {
    "stringValue": _string,
    "boolValue": _boolean,
    "intValue": _signed,
    "doubleValue": _double,
    "bytesValue": _bytes,
    "arrayValue": _array,
    "kvlistValue": _mapping,
    "string_value": _string,
    "bool_value": _boolean,
    "int_value": _signed,
    "double_value": _double,
    "bytes_value": _bytes,
    "array_value": _array,
    "kvlist_value": _mapping,
}
