"""Secrets at rest: text sealed under keys that are derived from the server's secrets, and can be renewed when those change."""

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PURPOSE = b"spectral sealing v1"
KEY_BYTES = 32


VERSION_AND_AGE = "gAAAA"
"""How what is closed begins: Fernet's version byte and the first bytes of a time before the year 2106."""


class SealBroken(Exception):
    """The text was not sealed by any of these secrets, or was changed since."""


def is_sealed(text: str) -> bool:
    """Whether a text looks closed, by whatever secret."""
    return text.startswith(VERSION_AND_AGE)


def _key(secret: str, context: str) -> bytes:
    """One key of 256 bits (HKDF-SHA-256, RFC 5869); another context gives another key."""
    derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=PURPOSE, info=context.encode())
    return base64.urlsafe_b64encode(derivation.derive(secret.encode()))


class Seal:
    """Closes under the first secret and opens what any of the secrets closed (Fernet: AES-128-CBC with HMAC-SHA-256).

    A ``context`` is part of the key: what was closed in one context opens in no other.
    """

    def __init__(self, secrets: Sequence[str], context: str = "") -> None:
        self._keys = MultiFernet([Fernet(_key(secret, context)) for secret in secrets])

    def close(self, text: str) -> str:
        """The text as it may lie in the database: readable by nobody without a secret."""
        return self._keys.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """The text that was closed. Raises ``SealBroken``."""
        try:
            return self._keys.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise SealBroken from error

    def renew(self, sealed: str) -> str:
        """The same text closed under the first secret, whichever closed it before. Raises ``SealBroken``."""
        try:
            return self._keys.rotate(sealed.encode()).decode()
        except InvalidToken as error:
            raise SealBroken from error
