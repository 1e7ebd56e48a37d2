"""What can go wrong with workspaces."""

from uuid import UUID

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError


class WorkspaceNotFound(NotFoundError):
    """The workspace does not exist or is another tenant's."""

    def __init__(self, workspace_id: object) -> None:
        super().__init__(f"Workspace {workspace_id} not found.")


class WorkspaceMemberNotFound(NotFoundError):
    """Nobody with this id is a member of the workspace."""

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"Member {user_id} not found.")


class PersonUnknown(BusinessRuleViolationError):
    """Nobody in the account has this id or email address."""

    def __init__(self) -> None:
        super().__init__("Nobody in this account has this id or email address; invite them into the account first.")


class AlreadyMember(BusinessRuleViolationError):
    """The person is a member of the workspace already."""

    def __init__(self) -> None:
        super().__init__("This person is a member of the workspace already; change their role instead.")
