"""What can go wrong with accounts."""

from uuid import UUID

from spectral_platform.core.access import Scope
from spectral_platform.core.errors import BusinessRuleViolationError, ForbiddenError, NotFoundError


class EmailTaken(BusinessRuleViolationError):
    """Somebody is registered under this email address already."""

    def __init__(self) -> None:
        super().__init__("This email address is registered already; log in instead.")


class AccountSuspended(ForbiddenError):
    """The account is suspended."""

    slug = "account-suspended"
    title = "Account Suspended"

    def __init__(self) -> None:
        super().__init__("This account is suspended; ask your operator.")


class UserUnknown(BusinessRuleViolationError):
    """Nobody is registered under this email address."""

    def __init__(self, email: str) -> None:
        super().__init__(f"Nobody is registered as {email}.")


class MemberNotFound(NotFoundError):
    """Nobody in the account has this id."""

    def __init__(self, user_id: UUID) -> None:
        super().__init__(f"Member {user_id} not found.")


class LastOwner(BusinessRuleViolationError):
    """The account would have no owner who can come in."""

    def __init__(self) -> None:
        super().__init__("This is the account's last owner; make somebody else an owner first.")


class OperationsReserved(ForbiddenError):
    """Operations staff are changed by operations staff only."""

    def __init__(self) -> None:
        super().__init__(
            "This person is operations staff, whom only operations staff can change.", required_scope=Scope.ADMIN_OPERATIONS
        )
