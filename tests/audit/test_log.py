"""The audit log: what appends to it, what the database refuses, what verification finds, and checking it without the server."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from spectral_platform.audit import queries
from spectral_platform.audit.chain import GENESIS
from spectral_platform.audit.commands import record
from spectral_platform.core.database import Database
from tests.fixtures.callers import Person

LOG = "/api/v1/account/audit-log"
DOCUMENT = Path(__file__).parents[2] / "docs" / "audit-log.md"

Superuser = psycopg.Connection


@pytest.fixture
def unguarded(superuser: Superuser) -> Superuser:
    """The owner of the database with all triggers put to sleep: the strongest adversary."""
    superuser.execute("SET session_replication_role = replica")
    return superuser


@pytest.fixture
async def log(owner: Person) -> list[dict[str, Any]]:
    """The entries of an account in which five things were done, oldest first."""
    for number in range(4):
        await owner.key(*["read:workspace"] * (number % 2))
    return (await listed(owner))[::-1]


async def listed(person: Person, **parameters: Any) -> list[dict[str, Any]]:
    answer = await person.client.get(LOG, params=parameters)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def verified(person: Person) -> dict[str, Any]:
    answer = await person.client.get(f"{LOG}/verify")
    assert answer.status_code == 200, answer.text
    verification: dict[str, Any] = answer.json()
    return verification


async def test_an_untouched_log_is_whole(owner: Person, log: list[dict[str, Any]]) -> None:
    assert [entry["sequence"] for entry in log] == [1, 2, 3, 4, 5]
    assert [entry["action"] for entry in log] == ["account.created", *["key.created"] * 4]
    assert await verified(owner) == {"valid": True, "entries": 5, "first_broken": None}


CHANGES: dict[str, str] = {
    "actor": "UPDATE audit_entries SET actor_id = gen_random_uuid() WHERE id = %(third)s",
    "kind of actor": "UPDATE audit_entries SET actor_kind = 'system' WHERE id = %(third)s",
    "action": "UPDATE audit_entries SET action = 'key.revoked' WHERE id = %(third)s",
    "resource": "UPDATE audit_entries SET resource = 'agent' WHERE id = %(third)s",
    "thing": "UPDATE audit_entries SET resource_id = 'x' WHERE id = %(third)s",
    "workspace": "UPDATE audit_entries SET workspace_id = NULL WHERE id = %(third)s",
    "time": "UPDATE audit_entries SET at = at + interval '1 microsecond' WHERE id = %(third)s",
    "detail": """UPDATE audit_entries SET detail = detail || '{"name": "harmless"}' WHERE id = %(third)s""",
    "previous hash": "UPDATE audit_entries SET previous_hash = entry_hash WHERE id = %(third)s",
    "hash": "UPDATE audit_entries SET entry_hash = previous_hash WHERE id = %(third)s",
    "removal": "DELETE FROM audit_entries WHERE id = %(third)s",
    "reordering": """
        UPDATE audit_entries SET sequence = sequence + 1000 WHERE account_id = %(account)s AND sequence IN (3, 4);
        UPDATE audit_entries SET sequence = 1007 - sequence WHERE account_id = %(account)s AND sequence > 1000
    """,
    "insertion": """
        UPDATE audit_entries SET sequence = sequence + 1001 WHERE account_id = %(account)s AND sequence > 2;
        UPDATE audit_entries SET sequence = sequence - 1000 WHERE account_id = %(account)s AND sequence > 1000;
        INSERT INTO audit_entries (id, account_id, sequence, at, actor_kind, action, resource, resource_id, detail,
                                   previous_hash, entry_hash)
        SELECT gen_random_uuid(), account_id, 3, at, actor_kind, action, resource, resource_id, detail, entry_hash, entry_hash
        FROM audit_entries WHERE account_id = %(account)s AND sequence = 2
    """,
}


@pytest.mark.parametrize("change", CHANGES)
async def test_verification_finds_a_tampered_entry(
    change: str, owner: Person, log: list[dict[str, Any]], unguarded: Superuser
) -> None:
    third = UUID(log[2]["id"])
    for statement in CHANGES[change].split(";"):
        unguarded.execute(statement.encode(), {"third": third, "account": owner.account_id})

    assert await verified(owner) == {"valid": False, "entries": 2, "first_broken": 3}


@pytest.mark.parametrize(
    ("statement", "entries"),
    [
        ("DELETE FROM audit_entries WHERE account_id = %(account)s AND sequence = 5", 4),
        ("DELETE FROM audit_entries WHERE account_id = %(account)s", 0),
        ("DELETE FROM audit_heads WHERE account_id = %(account)s", 5),
        ("UPDATE audit_heads SET sequence = 4 WHERE account_id = %(account)s", 5),
        ("UPDATE audit_heads SET entry_hash = 'x' WHERE account_id = %(account)s", 5),
    ],
    ids=["last entry", "all entries", "end removed", "end moved back", "end changed"],
)
async def test_verification_finds_what_is_missing_at_the_end(
    statement: str, entries: int, owner: Person, log: list[dict[str, Any]], unguarded: Superuser
) -> None:
    unguarded.execute(statement.encode(), {"account": owner.account_id})

    assert await verified(owner) == {"valid": False, "entries": entries, "first_broken": entries + 1}


REWRITING = {
    "update": "UPDATE audit_entries SET action = action WHERE account_id = :account",
    "delete": "DELETE FROM audit_entries WHERE account_id = :account",
    "truncate": "TRUNCATE audit_entries",
    "end deleted": "DELETE FROM audit_heads WHERE account_id = :account",
    "ends truncated": "TRUNCATE audit_heads",
    "end moved back": "UPDATE audit_heads SET sequence = sequence - 1 WHERE account_id = :account",
    "end moved ahead": "UPDATE audit_heads SET sequence = sequence + 1 WHERE account_id = :account",
    "end changed": "UPDATE audit_heads SET entry_hash = 'x' WHERE account_id = :account",
    "begun again": "INSERT INTO audit_heads (account_id, sequence, entry_hash) VALUES (:account, 0, 'x')",
    "forked": (
        "INSERT INTO audit_entries (id, account_id, sequence, at, actor_kind, action, resource, resource_id, detail,"
        " previous_hash, entry_hash) SELECT gen_random_uuid(), account_id, 9, at, actor_kind, action, resource, resource_id,"
        " detail, entry_hash, entry_hash FROM audit_entries WHERE account_id = :account AND sequence = 2"
    ),
}

REFUSALS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UniqueViolation)


@pytest.mark.parametrize("attempt", REWRITING)
async def test_the_application_cannot_rewrite_the_log(
    attempt: str, owner: Person, log: list[dict[str, Any]], database: Database
) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with database.transaction(account_id=owner.account_id) as session:
            await session.execute(text(REWRITING[attempt]), {"account": owner.account_id})

    assert isinstance(refused.value.orig, REFUSALS)
    assert (await verified(owner))["valid"]


@pytest.mark.parametrize("attempt", REWRITING)
async def test_not_even_the_owner_of_the_database_rewrites_it_by_mistake(
    attempt: str, owner: Person, log: list[dict[str, Any]], superuser: Superuser
) -> None:
    statement = REWRITING[attempt].replace(":account", f"'{owner.account_id}'")
    with pytest.raises(REFUSALS):
        superuser.execute(statement.encode())

    assert (await verified(owner))["valid"]


async def test_erasing_an_account_takes_its_log_along(
    owner: Person, stranger: Person, log: list[dict[str, Any]], superuser: Superuser
) -> None:
    superuser.execute("DELETE FROM accounts WHERE id = %s", [owner.account_id])

    for table in ("audit_entries", "audit_heads"):
        left = sql.SQL("SELECT count(*) FROM {} WHERE account_id = %s").format(sql.Identifier(table))
        assert superuser.execute(left, [owner.account_id]).fetchone() == (0,)
    assert (await verified(stranger))["valid"]


async def test_entries_that_are_added_at_once_form_one_chain(owner: Person) -> None:
    await asyncio.gather(*(owner.key() for _ in range(20)))

    assert await verified(owner) == {"valid": True, "entries": 21, "first_broken": None}


async def test_the_log_is_filtered_by_actor_action_thing_and_time(owner: Person, log: list[dict[str, Any]]) -> None:
    third = log[2]

    assert await listed(owner, action="account.created") == [log[0]]
    assert await listed(owner, resource="key", resource_id=third["resource_id"]) == [third]
    assert await listed(owner, actor_id=str(owner.user_id)) == log[::-1]
    assert await listed(owner, actor_id=str(owner.account_id)) == []
    assert await listed(owner, workspace_id=str(owner.workspace_id)) == log[:0:-1]
    assert await listed(owner, since=third["at"]) == log[:1:-1]
    assert await listed(owner, until=third["at"]) == log[1::-1]


async def test_another_account_is_not_in_the_log(owner: Person, stranger: Person, log: list[dict[str, Any]]) -> None:
    ids = {entry["id"] for entry in log}

    assert ids.isdisjoint(entry["id"] for entry in await listed(stranger))
    exported = (await stranger.client.get(f"{LOG}/export")).text
    assert not any(each in exported for each in ids)


@pytest.fixture
def verify_offline() -> Callable[..., tuple[int, str]]:
    """The program that the documentation gives auditors."""
    program = DOCUMENT.read_text().split("```python\n")[1].split("```")[0]
    namespace: dict[str, Any] = {}
    exec(program, namespace)
    verify: Callable[..., tuple[int, str]] = namespace["verify"]
    return verify


async def test_the_export_can_be_checked_without_the_server(
    owner: Person, log: list[dict[str, Any]], verify_offline: Callable[..., tuple[int, str]]
) -> None:
    account = str(owner.account_id)
    answer = await owner.client.get(f"{LOG}/export")
    lines = answer.text.splitlines()
    noted_end = verify_offline(lines, account)
    await owner.key()
    later = (await owner.client.get(f"{LOG}/export")).text.splitlines()

    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line) for line in lines[:-1]] == log
    assert json.loads(lines[-1]) == {"complete": True, "rows": 5, "sequence": 5, "entry_hash": log[-1]["entry_hash"]}
    assert noted_end == (5, log[-1]["entry_hash"])
    assert verify_offline(later, account, noted_end)[0] == 6
    for broken in (
        [*lines[:2], *lines[3:]],
        lines[:-1],
        [lines[1], lines[0], *lines[2:]],
        [lines[0].replace("user", "key"), *lines[1:]],
    ):
        with pytest.raises((AssertionError, KeyError)):
            verify_offline(broken, account)
    with pytest.raises(AssertionError):
        verify_offline(lines, account, (6, "x"))
    with pytest.raises(AssertionError):
        verify_offline(later, account, (5, GENESIS))


@pytest.mark.own_database
async def test_verifying_a_long_log_holds_little_memory(owner: Person, database: Database, unguarded: Superuser) -> None:
    async with database.transaction(account_id=owner.account_id) as session:
        for number in range(200):
            await record(session, owner.caller(), action="thing.done", resource="thing", resource_id=str(number), text="x" * 2000)
    unguarded.execute(
        """
        INSERT INTO audit_entries (id, account_id, sequence, at, actor_kind, actor_id, workspace_id, action, resource,
                                   resource_id, detail, previous_hash, entry_hash)
        SELECT gen_random_uuid(), account_id, sequence + 201 * n, at, actor_kind, actor_id, workspace_id, action, resource,
               resource_id, detail, previous_hash, entry_hash
        FROM audit_entries, generate_series(1, 49) n
        """
    )
    async with database.transaction(account_id=owner.account_id) as session:
        tracemalloc.start()
        read = 0
        async for entry, _ in queries.stream_audit_log(session, owner.caller()):
            read += entry is not None
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert read == 201 * 50
    assert peak < 5_000_000, "ten thousand entries of 2 kB are 20 MB"
