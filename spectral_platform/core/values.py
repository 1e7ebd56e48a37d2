"""The base of every frozen value class, immutable and strict about unknown fields, and the texts that values hold."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value that refuses unknown fields; JSON documents in columns are values too."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("the character NUL cannot be stored")
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""A text that Postgres can store and compare: any but one with a NUL in it."""
