"""What can go wrong on the way through an identity provider."""

from spectral_platform.core.errors import AuthenticationError, BusinessRuleViolationError, NotFoundError, UnavailableError


class ProviderUnknown(NotFoundError):
    """This server has no identity provider of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"This server has no identity provider {name!r}; its operator names them in SPECTRAL_OAUTH.")


class ReturnUnconfigured(BusinessRuleViolationError):
    """Identity providers cannot send people back to this server."""

    def __init__(self) -> None:
        super().__init__("Its operator has to set SPECTRAL_PUBLIC_URL, to which identity providers send people back.")


class ProviderUnavailable(UnavailableError):
    """The identity provider does not answer as it should."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The identity provider does not answer as it should: {reason}. Try again a little later.")


class AuthorizationRefused(AuthenticationError):
    """The login with the provider was not begun here, is over, or does not prove who it is."""

    slug = "invalid-credentials"
    title = "Invalid Credentials"

    def __init__(self) -> None:
        super().__init__("This login is not valid or is over; begin it again.")


class EmailUnverified(BusinessRuleViolationError):
    """The identity provider does not vouch for an email address."""

    def __init__(self) -> None:
        super().__init__("The identity provider does not say that your email address is verified; verify it there first.")
