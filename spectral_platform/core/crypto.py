"""Passwords, tokens and digests: the only module that touches cryptography."""

import asyncio
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any

from jose import ExpiredSignatureError, JWTError, jwt
from passlib.context import CryptContext

from spectral_platform.core import clock

ALGORITHM = "HS256"
HASHING_THREADS = 2

_passwords = CryptContext(schemes=["argon2"], deprecated="auto")
_hashing = asyncio.Semaphore(HASHING_THREADS)


class TokenExpired(Exception):
    """The token was ours and its time is over."""


class TokenInvalid(Exception):
    """The token is not one of ours."""


async def hash_password(password: str) -> str:
    """Argon2id hash of a password, computed off the event loop."""
    async with _hashing:
        return await asyncio.to_thread(_passwords.hash, password)


async def verify_password(password: str, digest: str | None) -> bool:
    """Whether a password fits a hash. Without a hash it takes the same time and is False."""
    async with _hashing:
        if digest is None:
            await asyncio.to_thread(_passwords.dummy_verify)
            return False
        return await asyncio.to_thread(_passwords.verify, password, digest)


def issue_token(secret: str, claims: dict[str, Any], *, lifetime: timedelta) -> tuple[str, datetime]:
    """A signed token with the claims and its expiry."""
    expires_at = clock.now() + lifetime
    token: str = jwt.encode({**claims, "exp": expires_at}, secret, algorithm=ALGORITHM)
    return token, expires_at


def read_token(secret: str, token: str) -> dict[str, Any]:
    """The claims of one of our tokens. Raises ``TokenExpired`` or ``TokenInvalid``."""
    try:
        return jwt.decode(token, secret, algorithms=[ALGORITHM], options={"require_exp": True, "require_sub": True})
    except ExpiredSignatureError as error:
        raise TokenExpired from error
    except JWTError as error:
        raise TokenInvalid from error


def new_secret(prefix: str) -> str:
    """A fresh random secret of 256 bits behind a readable prefix."""
    return prefix + secrets.token_urlsafe(32)


def digest_secret(value: str) -> str:
    """What is stored of a secret with full entropy: its SHA-256, in hex."""
    return hashlib.sha256(value.encode()).hexdigest()


def keyed_digest(key: bytes, *parts: str) -> bytes:
    """HMAC-SHA-256 over length-prefixed parts, so that no two lists of parts collide."""
    message = b"".join(len(part.encode()).to_bytes(8) + part.encode() for part in parts)
    return hmac.new(key, message, hashlib.sha256).digest()


def content_digest(*parts: str) -> str:
    """SHA-256 over length-prefixed parts, in hex: the identity of content."""
    return keyed_digest(b"", *parts).hex()
