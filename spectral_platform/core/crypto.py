"""Passwords, secrets and digests."""

import asyncio
import hashlib
import hmac
import secrets

from passlib.context import CryptContext

HASHING_THREADS = 2

_passwords = CryptContext(schemes=["argon2"], deprecated="auto")
_hashing = asyncio.Semaphore(HASHING_THREADS)


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
