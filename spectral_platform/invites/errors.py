"""What can go wrong with invites."""

from uuid import UUID

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError


class InviteNotFound(NotFoundError):
    """The invite does not exist or is another account's."""

    def __init__(self, invite_id: UUID) -> None:
        super().__init__(f"Invite {invite_id} not found.")


class InvitePending(BusinessRuleViolationError):
    """An invite for this email address waits already."""

    def __init__(self) -> None:
        super().__init__("An invite for this email address waits already; send that one again, or revoke it.")


class InInvitedAccount(BusinessRuleViolationError):
    """The person is in the account already."""

    def __init__(self) -> None:
        super().__init__("Somebody with this email address is in the account already.")


class InvitedWorkspaceUnknown(BusinessRuleViolationError):
    """An invite names a workspace that the account does not have."""

    def __init__(self, workspace_id: UUID) -> None:
        super().__init__(f"This account has no workspace {workspace_id}.")


class InviteRefused(BusinessRuleViolationError):
    """The invite token lets nobody in, or not with this email address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
