"""Erasing accounts and workspaces for good, and expiring traces."""

from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.database import Database, bind_upkeep, connection_string
from spectral_platform.core.jobs import JobContext
from spectral_platform.portability.commands import erase_deleted, expire_traces
from spectral_platform.workspaces.models import RESTORABLE_FOR
from tests.fixtures.callers import PASSWORD, Person, register

pytestmark = pytest.mark.own_database

TABLES = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"


def mentions(database_url: str, *ids: UUID) -> dict[str, int]:
    """How many rows of each table hold one of these ids anywhere in them; tables without such rows are left out."""
    found = {}
    with psycopg.connect(connection_string(database_url)) as connection:
        for (table,) in connection.execute(TABLES).fetchall():
            query = sql.SQL("SELECT count(*) FROM {} AS r WHERE {}").format(
                sql.Identifier(table),
                sql.SQL(" OR ").join(sql.SQL("strpos(r::text, {}) > 0").format(sql.Literal(str(each))) for each in ids),
            )
            row = connection.execute(query).fetchone()
            if row is not None and row[0]:
                found[table] = row[0]
    return found


async def test_a_deleted_account_is_refused_at_once_and_leaves_no_row(
    client: httpx.AsyncClient, furnished: Person, stranger: Person, database_url: str, context: JobContext
) -> None:
    key = furnished.bearing(await furnished.key())
    before = mentions(database_url, furnished.account_id, furnished.workspace_id, furnished.user_id)
    of_strangers = mentions(database_url, stranger.account_id, stranger.workspace_id, stranger.user_id)
    assert len(before) > 25

    assert (await furnished.client.delete("/api/v1/account")).status_code == 204

    assert (await furnished.client.get("/api/v1/auth/me")).status_code == 401
    assert (await client.get(f"{furnished.w}/agents", headers=key)).status_code == 401
    login = await client.post("/api/v1/auth/login", json={"email": furnished.email, "password": PASSWORD})
    assert login.status_code == 401
    refreshed = await client.post("/api/v1/auth/refresh", json={"refresh_token": furnished.tokens["refresh_token"]})
    assert refreshed.status_code == 401
    await erase_deleted(context)
    assert mentions(database_url, furnished.account_id, furnished.workspace_id, furnished.user_id) == {}
    assert mentions(database_url, stranger.account_id, stranger.workspace_id, stranger.user_id) == of_strangers
    assert (await stranger.client.get("/api/v1/auth/me")).status_code == 200
    again = {"email": furnished.email, "password": PASSWORD, "tenant_name": "Again"}
    assert (await client.post("/api/v1/auth/register", json=again)).status_code == 201


async def test_a_workspace_is_erased_when_it_can_no_longer_be_restored(
    furnished: Person, database_url: str, context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (await furnished.client.post("/api/v1/workspaces", json={"name": "Kept"})).json()["id"]
    await furnished.client.delete(furnished.w)
    before = mentions(database_url, furnished.workspace_id)

    await erase_deleted(context)
    assert mentions(database_url, furnished.workspace_id) == before
    later = clock.now() + RESTORABLE_FOR
    monkeypatch.setattr(clock, "now", lambda: later)
    await erase_deleted(context)
    await erase_deleted(context)
    monkeypatch.undo()

    assert set(mentions(database_url, furnished.workspace_id)) == {"audit_entries"}
    assert mentions(database_url, UUID(kept))["workspaces"] == 1
    log = (await furnished.client.get("/api/v1/account/audit-log", params={"action": "workspace.erased"})).json()
    assert [entry["resource_id"] for entry in log["results"]] == [str(furnished.workspace_id)]
    assert (await furnished.client.get("/api/v1/account/audit-log/verify")).json()["valid"] is True


async def send(owner: Person, database: Database, *days_ago: int) -> list[str]:
    """Traces that arrived so many days ago."""
    reports = [{"input": f"{days}", "output": "b"} for days in days_ago]
    answer = await owner.client.post(f"{owner.w}/traces", json={"traces": reports})
    sent: list[str] = answer.json()["trace_ids"]
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        for trace_id, days in zip(sent, days_ago, strict=True):
            for table in ("traces", "spans"):
                earlier = text(f"UPDATE {table} SET day = day - CAST(:days AS integer) WHERE trace_id = :trace_id")
                await session.execute(earlier, {"days": days, "trace_id": trace_id})
    return sent


async def listed(owner: Person) -> set[str]:
    return {each["trace_id"] for each in (await owner.client.get(f"{owner.w}/traces")).json()["results"]}


async def test_traces_expire_when_their_workspace_says_so_and_no_others(
    owner: Person, stranger: Person, context: JobContext, database: Database
) -> None:
    old, recent = await send(owner, database, 31, 30)
    elsewhere = await send(stranger, database, 400)
    await owner.client.put(f"{owner.w}/retention", json={"traces_days": 30})
    statistics: dict[str, Any] = {"headers": {"X-Workspace-Id": str(owner.workspace_id)}}
    counted = (await owner.client.get("/otel/v1/traces/stats", **statistics)).json()

    await expire_traces(context)

    assert await listed(owner) == {recent}
    assert (await owner.client.get(f"{owner.w}/traces/{old}")).status_code == 404
    assert (await owner.client.get(f"{owner.w}/traces")).json()["pagination"]["total"] == 1
    assert (await owner.client.get("/otel/v1/traces/stats", **statistics)).json() == counted
    assert await listed(stranger) == set(elsewhere)


async def test_what_was_refused_long_ago_is_only_counted(owner: Person, context: JobContext) -> None:
    headers = {"X-Workspace-Id": str(owner.workspace_id)}
    refused = {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "what somebody wrote"}]}]}]}
    await owner.client.post("/otel/v1/traces", json=refused, headers=headers)
    await owner.client.put(f"{owner.w}/retention", json={"traces_days": 1})

    async def rejection() -> dict[str, Any]:
        statistics = await owner.client.get("/otel/v1/traces/stats", params={"window": "7d"}, headers=headers)
        (only,) = statistics.json()["rejections"]
        return dict(only)

    before = await rejection()
    await expire_traces(context)
    assert await rejection() == before
    async with context.database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(text("UPDATE ingest_counts SET period = period - interval '2 days'"))
    await expire_traces(context)

    assert "what somebody wrote" in before["sample"]
    after = await rejection()
    assert after | {"first_at": before["first_at"]} == before | {"sample": None}


async def test_traces_that_samples_were_made_of_do_not_expire(owner: Person, context: JobContext, database: Database) -> None:
    cited, published, gone = await send(owner, database, 100, 100, 100)
    sample_set = (await owner.client.post(f"{owner.w}/samples/sets", json={"name": "Cited"})).json()["id"]
    path = f"{owner.w}/samples/sets/{sample_set}"
    for trace_id in (cited, published):
        await owner.client.post(f"{path}/samples", json=[{"input": trace_id, "source_trace_id": trace_id}])
        await owner.client.post(f"{path}/publish")
    samples = (await owner.client.get(f"{path}/samples")).json()["results"]
    dropped = next(each["id"] for each in samples if each["source_trace_id"] == published)
    assert (await owner.client.delete(f"{owner.w}/samples/{dropped}")).status_code == 204
    await owner.client.put(f"{owner.w}/retention", json={"traces_days": 30})

    await expire_traces(context)

    assert await listed(owner) == {cited, published}
    assert gone not in await listed(owner)
    assert (await owner.client.get(f"{owner.w}/traces/{cited}")).json()["spans"][0]["input"] == "100"
    await owner.client.delete(f"{owner.w}/samples/sets/{sample_set}")
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(text("UPDATE traces SET created_at = created_at - interval '100 days'"))
    await expire_traces(context)
    assert await listed(owner) == set()


async def test_erasing_goes_on_in_batches_until_nothing_is_left(
    owner: Person, database: Database, database_url: str, context: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spectral_platform.portability.erasing.ROWS_AT_ONCE", 2)
    monkeypatch.setattr("spectral_platform.portability.erasing.TRACES_AT_ONCE", 2)
    await send(owner, database, *[50] * 5, *[1] * 5)
    await owner.client.put(f"{owner.w}/retention", json={"traces_days": 30})

    await expire_traces(context)
    assert len(await listed(owner)) == 5
    await owner.client.delete("/api/v1/account")
    await erase_deleted(context)

    assert mentions(database_url, owner.account_id, owner.workspace_id) == {}


async def test_who_only_uses_a_workspace_cannot_end_the_account(client: httpx.AsyncClient, owner: Person) -> None:
    newcomer = await register(client)
    key = owner.bearing(await owner.key("write:workspace"))

    assert (await client.delete("/api/v1/account", headers=key)).status_code == 403
    assert (await newcomer.client.delete("/api/v1/account")).status_code == 204
    assert (await owner.client.get("/api/v1/auth/me")).status_code == 200
    await newcomer.client.aclose()


async def test_nothing_is_erased_for_those_who_only_ask_what_is_due(database: Database, owner: Person) -> None:
    """Regular work may find what is deleted; it sees nothing else of anybody, and may change nothing."""
    async with database.transaction() as session:
        await bind_upkeep(session)
        for table in ("accounts", "workspaces", "workspace_policies", "traces", "agents", "api_keys"):
            assert (await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one() == 0, table
    await owner.client.delete(owner.w)
    async with database.transaction() as session:
        await bind_upkeep(session)
        assert (await session.execute(text("SELECT count(*) FROM workspaces"))).scalar_one() == 1
        changed = await session.execute(text("UPDATE workspaces SET deleted_at = NULL RETURNING id"))
        assert changed.all() == []
