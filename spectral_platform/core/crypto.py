"""Passwords, secrets and digests."""

import asyncio
import hashlib
import hmac
import os
import secrets
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from passlib.context import CryptContext

HASHING_THREADS = max(1, (os.cpu_count() or 1) - 1)
NICENESS = 5  # with 10, twenty logins took over a minute on a machine whose cores were all busy

# RFC 9106's second recommendation, but in one lane: as much work for whoever guesses, and one thread of ours instead of four.
passwords = CryptContext(
    schemes=["argon2"],
    deprecated="auto",
    argon2__type="ID",
    argon2__time_cost=3,
    argon2__memory_cost=64 * 1024,
    argon2__parallelism=1,
)


def _give_way() -> None:
    """Let the thread that calls this compute only what the event loop, Postgres and others leave; Linux has this per thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


_hashing = ThreadPoolExecutor(HASHING_THREADS, thread_name_prefix="hashing", initializer=_give_way)


async def hash_password(password: str) -> str:
    """Argon2id hash of a password, computed off the event loop; many at once wait for each other and for nobody else."""
    return await asyncio.get_running_loop().run_in_executor(_hashing, passwords.hash, password)


async def verify_password(password: str, digest: str | None) -> bool:
    """Whether a password fits a hash. Without a hash it takes the same time and is False."""
    return await asyncio.get_running_loop().run_in_executor(_hashing, _verify, password, digest)


def _verify(password: str, digest: str | None) -> bool:
    if digest is None:
        passwords.dummy_verify()
        return False
    return passwords.verify(password, digest)


def new_secret(prefix: str) -> str:
    """A fresh random secret of 256 bits behind a readable prefix."""
    return prefix + secrets.token_urlsafe(32)


def digest_secret(value: str) -> str:
    """What is stored of a secret with full entropy: its SHA-256, in hex."""
    return hashlib.sha256(value.encode()).hexdigest()


def keyed_digest(key: bytes, *parts: str) -> bytes:
    """HMAC-SHA-256 over length-prefixed parts, so that no two lists of parts collide."""
    encoded = [part.encode() for part in parts]
    message = b"".join([len(part).to_bytes(8) + part for part in encoded])
    return hmac.digest(key, message, "sha256")


def content_digest(*parts: str) -> str:
    """SHA-256 over length-prefixed parts, in hex: the identity of content."""
    return keyed_digest(b"", *parts).hex()
