"""What a sample says, what makes two samples the same, and what its input reads like."""

from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, TypeAlias

import orjson
from pydantic import AfterValidator, Discriminator, Field, Tag

from spectral_platform.core.crypto import content_digest
from spectral_platform.core.values import Value

LONGEST_TEXT = 100_000
LONGEST_TAG = 100
MOST_TAGS = 50
LARGEST_DOCUMENT_BYTES = 200_000
DEEPEST_DOCUMENT = 100
WRITTEN_WITH_EXPONENT = 1e16
"""Smaller floats are written with a point, and Postgres keeps what stands behind it."""


def _storable(value: Any, depth: int = 0) -> Any:
    """Refuse what Postgres cannot keep, so that one bad line of a file does not spoil the others."""
    if depth > DEEPEST_DOCUMENT:
        raise ValueError(f"nested deeper than {DEEPEST_DOCUMENT} levels")
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("the character NUL cannot be stored")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError("lone surrogates cannot be stored") from error
    elif isinstance(value, float):
        if not isfinite(value):
            raise ValueError("a number that is not finite cannot be stored")
    elif isinstance(value, dict):
        for key, item in value.items():
            _storable(key, depth)
            _storable(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _storable(item, depth + 1)
    return value


def _as_stored(value: Any) -> Any:
    """The value as it comes back from Postgres, which keeps numbers as their decimal digits.

    Of floats from ``WRITTEN_WITH_EXPONENT`` on none of the digits says that they were floats, and zero has no sign. Read so from
    the first, a sample has one hash on its way in, out and in again.
    """
    if isinstance(value, dict):
        return {key: _as_stored(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_stored(item) for item in value]
    if isinstance(value, float):
        return orjson.loads(f"{Decimal(repr(value)):f}") if abs(value) >= WRITTEN_WITH_EXPONENT else value + 0.0
    return value


def _bounded(document: dict[str, Any]) -> dict[str, Any]:
    _storable(document)
    try:
        size = len(orjson.dumps(document))
    except TypeError as error:
        raise ValueError("not a JSON document") from error
    if size > LARGEST_DOCUMENT_BYTES:
        raise ValueError(f"larger than {LARGEST_DOCUMENT_BYTES} bytes")
    stored: dict[str, Any] = _as_stored(document)
    return stored


def _form_of_input(value: Any) -> str | None:
    if isinstance(value, str):
        return "text"
    return "variables" if isinstance(value, dict) else None


Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(_storable)]
OptionalText = Annotated[Text | None, AfterValidator(lambda text: text or None)]
"""A text that may be absent; an empty one says nothing, and files cannot tell it from an absent one."""
Document = Annotated[dict[str, Any], AfterValidator(_bounded)]
SampleInput: TypeAlias = Annotated[
    Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT), AfterValidator(_storable), Tag("text")]
    | Annotated[dict[str, Any], Field(min_length=1), AfterValidator(_bounded), Tag("variables")],
    Discriminator(
        _form_of_input,
        custom_error_type="sample_input_type",
        custom_error_message="Input should be text or an object of template variables",
    ),
    Field(description="Text, or an object of the prompt template's variables."),
]
Keyword = Annotated[str, Field(min_length=1, max_length=LONGEST_TAG), AfterValidator(_storable)]


class SampleContent(Value):
    """One test case: what the agent is given and, where it is known, what a good answer says."""

    input: SampleInput
    expected_output: OptionalText = Field(default=None, description="What a good answer says, for evaluators that compare.")
    context: OptionalText = Field(default=None, description="What the answer may rely on, for evaluators of groundedness.")
    metadata: Document = Field(default_factory=dict, description="Anything worth keeping beside it.")
    tags: tuple[Keyword, ...] = Field(default=(), max_length=MOST_TAGS, description="Words to find it by.")
    source_trace_id: str | None = Field(default=None, pattern="^[0-9a-f]{32}$", description="The trace that it was made from.")
    weight: float = Field(default=1.0, gt=0, le=1_000_000, allow_inf_nan=False, description="How much it counts; 1 is usual.")

    @property
    def content_hash(self) -> str:
        """The identity of the case: samples that agree in input, expected output and context are the same one."""
        return content_digest(_canonical([self.input, self.expected_output, self.context]))

    @property
    def input_text(self) -> str:
        """The input as one text; variables stand in the order of their names."""
        if isinstance(self.input, str):
            return self.input
        values = (self.input[name] for name in sorted(self.input))
        return "\n".join(value if isinstance(value, str) else _canonical(value) for value in values)


def version_hash(contents: list[SampleContent]) -> str:
    """The identity of a list of samples in which the order does not count, and everything they say does."""
    return content_digest(*sorted(_canonical(content.model_dump(mode="json")) for content in contents))


def _canonical(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
