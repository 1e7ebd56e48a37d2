"""What is said about config versions: the labels they carry, what made them, and who."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from spectral_platform.core.access import CallerKind
from spectral_platform.core.values import Value


class Label(StrEnum):
    """What a config version is to its agent; at most one version of an agent carries each label."""

    APPROVED = "approved"
    PRODUCTION = "production"


class ConfigSource(StrEnum):
    """What made a config version."""

    MANUAL = "manual"
    CHANGESET = "changeset"
    ROLLBACK = "rollback"
    INFERENCE = "inference"


class Author(Value):
    """Who made a config version."""

    kind: CallerKind = Field(description="A person, an API key, or Spectral itself.")
    id: UUID | None = Field(description="The person or key; null for Spectral itself.")
