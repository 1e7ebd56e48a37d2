"""What can go wrong when a password is changed."""

from spectral_platform.core.errors import AuthenticationError, BusinessRuleViolationError


class PasswordWrong(AuthenticationError):
    """The current password is wrong."""

    slug = "invalid-credentials"
    title = "Invalid Credentials"

    def __init__(self) -> None:
        super().__init__("The current password is wrong.")


class ResetTokenInvalid(BusinessRuleViolationError):
    """The token is not one of ours, was used, or is over."""

    def __init__(self) -> None:
        super().__init__("This token is not valid any more: each is good once and for an hour. Ask for another.")
