"""Which passwords are good enough."""

from spectral_platform.auth.errors import PasswordTooWeak
from spectral_platform.core.settings import Environment

MINIMUM_LENGTH = {Environment.DEVELOPMENT: 6, Environment.PRODUCTION: 8}
COMMON = frozenset(
    [
        "password",
        "passw0rd",
        "password1",
        "password123",
        "12345678",
        "123456789",
        "1234567890",
        "qwertyui",
        "qwerty123",
        "qwertyuiop",
        "11111111",
        "00000000",
        "iloveyou",
        "letmein1",
        "welcome1",
        "admin123",
        "administrator",
        "sunshine",
        "princess",
        "football",
        "baseball",
        "superman",
        "trustno1",
        "changeme",
        "abc12345",
        "1q2w3e4r",
        "1qaz2wsx",
        "asdfghjk",
        "zaq12wsx",
        "dragon123",
        "monkey123",
        "master123",
        "spectral",
    ]
)


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
