"""Places in a prompt for values that come with the input, written ``{{name}}``."""

import re
from collections.abc import Mapping

from spectral_platform.agents.errors import PromptTooLong

LONGEST_PROMPT = 4_000_000
"""Characters of a filled prompt: more than any model reads."""
GIVEN = frozenset({"input", "context"})
"""What every input has a value for, declared or not."""

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def placeholders_of(text: str) -> list[str]:
    """The names in a prompt, each once, in the order in which they come."""
    return list(dict.fromkeys(_PLACEHOLDER.findall(text)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The prompt with its values; a name without one becomes empty, and values are not looked into.

    Raises ``PromptTooLong`` before it is written: a short prompt can name a long value thousands of times.
    """
    if len(text) + sum(len(values.get(name, "")) for name in _PLACEHOLDER.findall(text)) > LONGEST_PROMPT:
        raise PromptTooLong(LONGEST_PROMPT)
    return _PLACEHOLDER.sub(lambda match: values.get(match.group(1), ""), text)


def misplaced(text: str) -> int | None:
    """The line, counted from 1, of the first ``{{`` that opens no placeholder; None where each does."""
    opening = _PLACEHOLDER.sub(lambda match: " " * len(match.group()), text).find("{{")
    return None if opening < 0 else text.count("\n", 0, opening) + 1
