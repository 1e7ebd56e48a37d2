"""What can go wrong when somebody wants to come in."""

from uuid import UUID

from spectral_platform.core.errors import AuthenticationError, BusinessRuleViolationError, NotFoundError


class CredentialMissing(AuthenticationError):
    """No credential came with the request."""

    def __init__(self) -> None:
        super().__init__("Send a token or an API key as: Authorization: Bearer …")


class CredentialInvalid(AuthenticationError):
    """The credential is not one of ours."""

    def __init__(self) -> None:
        super().__init__("The token or API key is not valid.")


class LoginRefused(AuthenticationError):
    """Email and password do not fit together."""

    slug = "invalid-credentials"
    title = "Invalid Credentials"

    def __init__(self) -> None:
        super().__init__("Email or password is wrong.")


class CredentialExpired(AuthenticationError):
    """The credential's time is over."""

    slug = "token-expired"
    title = "Token Expired"

    def __init__(self) -> None:
        super().__init__("The token or API key has expired; log in or refresh.")


class CredentialRevoked(AuthenticationError):
    """The credential was revoked."""

    slug = "token-revoked"
    title = "Token Revoked"

    def __init__(self) -> None:
        super().__init__("The token or API key was revoked; log in again.")


class RegistrationClosed(BusinessRuleViolationError):
    """Only invited people may register here."""

    def __init__(self) -> None:
        super().__init__("Registration is by invitation only on this server.")


class PasswordTooWeak(BusinessRuleViolationError):
    """The password does not meet the server's rules."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class SessionNotFound(NotFoundError):
    """The session is not one of the caller's, or has ended."""

    def __init__(self, session_id: UUID) -> None:
        super().__init__(f"Session {session_id} not found.")
