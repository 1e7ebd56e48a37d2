"""What can go wrong with agents and their configs."""

from collections.abc import Sequence
from uuid import UUID

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError, VersionConflictError


class AgentNotFound(NotFoundError):
    """The agent does not exist in this workspace."""

    def __init__(self, agent_id: UUID) -> None:
        super().__init__(f"Agent {agent_id} not found.")


class ConfigVersionNotFound(NotFoundError):
    """The agent has no such config version."""

    def __init__(self, agent_id: UUID, version: int) -> None:
        super().__init__(f"Agent {agent_id} has no config version {version}.")


class ConfigNotLabelled(NotFoundError):
    """No config version of the agent carries this label."""

    def __init__(self, agent_id: UUID, label: str) -> None:
        super().__init__(f"No config version of agent {agent_id} is labelled {label}.")


class AgentNameTaken(BusinessRuleViolationError):
    """Another agent of the workspace has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} names an agent of this workspace already, itself or as an alias; names tell whose spans are whose."
        )


class DependencyUnknown(BusinessRuleViolationError):
    """An agent named as a dependency does not exist in this workspace."""

    def __init__(self, missing: Sequence[UUID]) -> None:
        names = [str(agent_id) for agent_id in missing]
        super().__init__(f"No such agent to depend on: {', '.join(names)}.", missing=names)


class DependencyCycle(BusinessRuleViolationError):
    """Agents would depend on each other in a circle."""

    def __init__(self, cycle: Sequence[str]) -> None:
        super().__init__(f"Agents would depend on each other in a circle: {' → '.join(cycle)}.", cycle=list(cycle))


class AgentMerged(BusinessRuleViolationError):
    """The agent is an alias of another one already."""

    def __init__(self, agent_id: UUID, merged_into: UUID) -> None:
        super().__init__(
            f"Agent {agent_id} is an alias of agent {merged_into}; merge that one instead.", merged_into=str(merged_into)
        )


class MergeIntoItself(BusinessRuleViolationError):
    """An agent was to be merged into itself."""

    def __init__(self, agent_id: UUID) -> None:
        super().__init__(f"Agent {agent_id} cannot be merged into itself.")


class AgentBeingScanned(BusinessRuleViolationError):
    """A scan of the agent has not ended."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"Wait for the scan of {' and '.join(names)} to end, or cancel it.", agents=list(names))


class ConfigsInConflict(BusinessRuleViolationError):
    """Both agents have a config under the same label, and the configs differ."""

    def __init__(self, label: str, name: str, into: str) -> None:
        super().__init__(
            f"{name} and {into} have different configs labelled {label}. Which one is to stay is not for a merge to decide: "
            f"promote a version of {name} that equals {into}'s, or the other way round.",
            label=label,
        )


class PlaceholderUndeclared(BusinessRuleViolationError):
    """The prompt has a placeholder that is not among the variables that the template declares."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"The prompts have placeholders that `variables` does not list: {', '.join(names)}.", placeholders=list(names)
        )


class PromptTooLong(BusinessRuleViolationError):
    """A prompt would be longer than any model reads once its placeholders are filled."""

    def __init__(self, most: int) -> None:
        super().__init__(f"Filled with these values the prompt has more than {most} characters.", limit_characters=most)


class ConfigChanged(VersionConflictError):
    """The agent has a newer config version than the one that If-Match names."""

    def __init__(self, agent_id: UUID, latest_version: int) -> None:
        super().__init__(
            f"The newest config version of agent {agent_id} is {latest_version}, not the one that If-Match names.",
            latest_version=latest_version,
        )


class SecretHeadersUnknown(BusinessRuleViolationError):
    """The agent has no such secret headers for this endpoint."""

    def __init__(self, headers_id: UUID | None) -> None:
        super().__init__(
            f"This agent keeps no secret headers {headers_id} for this origin; give them again in headers_secret.",
            headers_secret_id=str(headers_id),
        )


class SecretHeadersUnreadable(BusinessRuleViolationError):
    """The secret headers were sealed under a secret that this server does not have."""

    def __init__(self) -> None:
        super().__init__("The endpoint's secret headers cannot be opened with this server's secrets; give them again.")
