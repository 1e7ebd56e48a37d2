"""What can go wrong with managed templates."""

from collections.abc import Sequence

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError, VersionConflictError


class ManagedTemplateNotFound(NotFoundError):
    """The workspace has no managed template of this name, or none in this version."""

    def __init__(self, name: str, version: int | None = None) -> None:
        super().__init__(f"Managed template {name!r} not found{'' if version is None else f' in version {version}'}.")


class ManagedTemplateNameTaken(BusinessRuleViolationError):
    """Another managed template of the workspace has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"A managed template named {name!r} exists already; replace it to write a new version.")


class ManagedTemplateInUse(BusinessRuleViolationError):
    """Agents run with the managed template, or are to."""

    def __init__(self, name: str, agents: Sequence[str]) -> None:
        super().__init__(f"Managed template {name!r} is used by {', '.join(agents)}.", agents=list(agents))


class ManagedTemplateUnknown(BusinessRuleViolationError):
    """The config refers to a managed template, or to a version of one, that does not exist."""

    def __init__(self, name: str, version: int | None) -> None:
        named = f"managed template {name!r}" if version is None else f"version {version} of a managed template {name!r}"
        super().__init__(f"The config refers to {named}, which does not exist.", template=name)


class ManagedTemplateDiffers(BusinessRuleViolationError):
    """The config has a base prompt of its own and refers to a managed template that says something else."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"`base_prompt` is not what version {version} of managed template {name!r} says. Leave it out, "
            "or leave the reference out.",
            template=name,
        )


class ManagedTemplateChanged(VersionConflictError):
    """The managed template has changed since the caller saw it."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"Managed template {name!r} is at version {version}, not at the one that If-Match names.", current_version=version
        )
