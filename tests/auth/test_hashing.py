"""Passwords are hashed with the same work for everybody, and while no connection to the database is held."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import argon2.low_level
import httpx
import pytest
from argon2 import Parameters, Type, extract_parameters

from spectral_platform.core import crypto
from spectral_platform.core.database import Database
from tests.fixtures.callers import COSTLY_PASSWORDS, PASSWORD, Person


@dataclass
class Hashing:
    """What Argon2 was asked to do, and how many connections were in use at each time."""

    work: list[object] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)


@pytest.fixture
def hashing(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hashing]:
    """Watch Argon2 itself, whatever stands between it and the endpoints."""
    seen = Hashing()
    hash_secret, verify_secret = argon2.low_level.hash_secret, argon2.low_level.verify_secret

    def in_use() -> int:
        pool: Any = database.engine.pool
        return int(pool.checkedout())

    def watched_hash(*args: Any, **options: Any) -> bytes:
        seen.connections.append(in_use())
        made = hash_secret(*args, **options)
        seen.work.append(extract_parameters(made.decode()))
        return made

    def watched_verify(encoded: bytes, *args: Any, **options: Any) -> bool:
        seen.connections.append(in_use())
        seen.work.append(extract_parameters(encoded.decode()))
        return verify_secret(encoded, *args, **options)

    monkeypatch.setattr(argon2.low_level, "hash_secret", watched_hash)
    monkeypatch.setattr(argon2.low_level, "verify_secret", watched_verify)
    yield seen
    assert seen.connections, "nothing was hashed, or this no longer watches what hashes"


async def test_login_and_registration_hash_without_a_connection(
    client: httpx.AsyncClient, owner: Person, hashing: Hashing
) -> None:
    newcomer = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD, "tenant_name": "New"}
    assert (await client.post("/api/v1/auth/register", json=newcomer)).status_code == 201
    assert (await client.post("/api/v1/auth/login", json={"email": owner.email, "password": PASSWORD})).status_code == 200
    assert (await client.post("/api/v1/auth/login", json={"email": owner.email, "password": "wrong"})).status_code == 401

    assert hashing.connections == [0, 0, 0]


async def test_an_unknown_email_costs_the_same_work_as_a_wrong_password(
    client: httpx.AsyncClient, owner: Person, hashing: Hashing
) -> None:
    async def work_of(email: str) -> list[object]:
        hashing.work.clear()
        await client.post("/api/v1/auth/login", json={"email": email, "password": "wrong"})
        return list(hashing.work)

    await work_of("first@example.com")  # the first one also makes the hash that nobody's password has

    wrong, unknown = await work_of(owner.email), await work_of("nobody@example.com")

    assert len(wrong) == 1
    assert wrong == unknown


async def test_outside_the_tests_a_password_costs_what_rfc_9106_recommends(
    client: httpx.AsyncClient, hashing: Hashing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crypto, "passwords", COSTLY_PASSWORDS)
    newcomer = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD, "tenant_name": "New"}

    assert (await client.post("/api/v1/auth/register", json=newcomer)).status_code == 201

    [made, *_] = hashing.work
    assert isinstance(made, Parameters)
    assert (made.type, made.time_cost, made.memory_cost, made.parallelism) == (Type.ID, 3, 64 * 1024, 1)
    assert (made.salt_len, made.hash_len) == (16, 32)
