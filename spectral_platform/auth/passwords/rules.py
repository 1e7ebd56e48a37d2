"""Which passwords are good enough."""

from zxcvbn.frequency_lists import FREQUENCY_LISTS

from spectral_platform.auth.errors import PasswordTooWeak
from spectral_platform.core.settings import Environment

MINIMUM_LENGTH = {Environment.DEVELOPMENT: 6, Environment.PRODUCTION: 8}
COMMON = frozenset(FREQUENCY_LISTS["passwords"]) | {"spectral", "administrator"}
"""The 30 000 most common passwords of the leaks that zxcvbn counted, and two that this product invites."""


def check_password(password: str, *, email: str, environment: Environment) -> None:
    """Raise ``PasswordTooWeak`` with the reason. Only production asks for more than a length."""
    minimum = MINIMUM_LENGTH[environment]
    if len(password) < minimum:
        raise PasswordTooWeak(f"The password must have at least {minimum} characters.")
    if environment is Environment.PRODUCTION:
        if password.lower() in COMMON:
            raise PasswordTooWeak("This password is among the most common ones; choose another.")
        if password.lower() in {email.lower(), email.lower().partition("@")[0]}:
            raise PasswordTooWeak("The password must not be your email address.")
