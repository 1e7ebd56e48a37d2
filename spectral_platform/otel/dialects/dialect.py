"""What a dialect is: the attributes it knows, the fields that they fill, and how it tells kind and content."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from spectral_platform.otel.received import ReceivedSpan
from spectral_platform.traces.spans import SpanKind

MOST_TAGS = 50
LARGEST_COUNT = 1_000_000_000
LARGEST_COST = Decimal(1_000_000)
MOST_DECIMALS = 18
FRAMEWORKS = frozenset({"langchain", "langgraph"})
STEPS = ("graph:step:", "seq:step:")

Attributes = Mapping[str, Any]
Events = Sequence[Mapping[str, Any]]
Content = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to describe an agent's work in span attributes.

    ``fields`` maps attributes to the span field that they fill; where several fill the same one, the earlier wins.
    ``vocabulary`` holds the other attributes by which the dialect is recognised. ``kind`` and ``content`` (input and
    output, as text) read what takes more than one attribute; both answer None for what they do not know, so that the
    next dialect is asked. ``revise`` puts right what single attributes say wrong, such as a usage without its cached part, and
    fills what takes more than one attribute or a look into a document.
    """

    name: str
    fields: tuple[tuple[str, str], ...]
    vocabulary: frozenset[str]
    kind: Callable[[Attributes], SpanKind | None]
    content: Callable[[Attributes, Events], Content]
    revise: Callable[[ReceivedSpan, dict[str, Any]], None] | None = None


def label(value: Any) -> str | None:
    """A text that rows are found by, such as a name, without NUL. It is cut where it is stored: masking sees all of it."""
    return value.replace("\x00", "\ufffd").strip() or None if isinstance(value, str) else None


def count(value: Any) -> int | None:
    """A number of tokens; what cannot be one is as good as absent."""
    if type(value) is int:  # what it nearly always is, and no bool
        return value if 0 <= value <= LARGEST_COUNT else None
    return int(value) if isinstance(value, float) and 0 <= value <= LARGEST_COUNT else None


def number(value: Any) -> int | None:
    """The number of a config version, which SDKs may send as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    return count(value)


def money(value: Any) -> Decimal | None:
    """An amount of US dollars that a span reports; never negative, never absurd."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 <= amount <= LARGEST_COST:
        return None
    return round(amount, MOST_DECIMALS).normalize()  # without zeros at its end: of those a sender may write as many as it likes


def provider(value: Any) -> str | None:
    """Who runs a model, in lower case as the conventions write it; frameworks, which some name instead, run none."""
    named = label(value)
    if named is None:
        return None
    named = named.lower()
    return None if named in FRAMEWORKS else named


def labels(value: Any) -> tuple[str, ...] | None:
    """Tags, as a list or with commas between them: each once, in the order given, without LangChain's counts of its steps."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return None
    tags = dict.fromkeys(tag for item in value if (tag := label(item)) and not tag.startswith(STEPS))
    return tuple(tags)[:MOST_TAGS] or None


READERS: dict[str, Callable[[Any], Any]] = {
    "workflow": label,
    "agent_name": label,
    "session_id": label,
    "user_id": label,
    "tags": labels,
    "config_version": number,
    "model": label,
    "provider": provider,
    "response_id": label,
    "input_tokens": count,
    "output_tokens": count,
    "cached_input_tokens": count,
    "cache_write_tokens": count,
    "reasoning_tokens": count,
    "cost_usd": money,
}
"""How each span field is read from an attribute's value; None means that the attribute does not say."""
