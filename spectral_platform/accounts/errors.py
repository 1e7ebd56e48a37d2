"""What can go wrong with accounts."""

from spectral_platform.core.errors import BusinessRuleViolationError, ForbiddenError


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
