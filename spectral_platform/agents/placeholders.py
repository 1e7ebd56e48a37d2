"""Places in a prompt for values that come with the input, written ``{{name}}``."""

import re
from collections.abc import Mapping

GIVEN = frozenset({"input", "context"})
"""What every input has a value for, declared or not."""

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def placeholders_of(text: str) -> list[str]:
    """The names in a prompt, each once, in the order in which they come."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The prompt with its values; a name without one becomes empty, and values are not looked into."""
    return _PLACEHOLDER.sub(lambda match: values.get(match.group(1), ""), text)


def misplaced(text: str) -> int | None:
    """The line, counted from 1, of the first ``{{`` that opens no placeholder; None where each does."""
    opening = _PLACEHOLDER.sub(lambda match: " " * len(match.group()), text).find("{{")
    return None if opening < 0 else text.count("\n", 0, opening) + 1
