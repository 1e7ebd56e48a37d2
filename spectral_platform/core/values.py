"""The base of every frozen value class: immutable, strict about unknown fields, comparable and hashable by content."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value that refuses unknown fields; JSON documents in columns are values too."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
