"""The labels that config versions carry, and where versions come from."""

from enum import StrEnum


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
