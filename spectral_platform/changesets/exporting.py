"""A changeset's configs in forms that a team without managed configs merges by hand."""

import re
import shlex
from typing import Any

import orjson

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.diffs import unified_text

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


def diff_of(agent_name: str, base_version: int, base: AgentConfig, proposed: AgentConfig) -> str:
    """One agent's change as a unified diff."""
    folder = _NOT_IN_NAMES.sub("-", agent_name)
    return unified_text(base, proposed, before_name=f"{folder}@{base_version}", after_name=f"{folder}@proposed")


def environment_of(agent_name: str, config: AgentConfig) -> str:
    """One agent's config as variables that a POSIX shell can source; what is neither text nor number is JSON."""
    prefix = "SPECTRAL_" + _NOT_IN_NAMES.sub("_", agent_name).strip("_").upper()
    values = {**config.template.model_dump(mode="json"), **config.hyperparameters.model_dump(mode="json")}
    return "".join(
        f"{prefix}_{name.upper()}={shlex.quote(_plain(value))}\n" for name, value in values.items() if value not in (None, [], {})
    )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
