"""Erasing a trace: it is gone, and nothing that comes later brings it back."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import JobContext
from spectral_platform.core.settings import Settings
from spectral_platform.portability.commands import expire_traces
from spectral_platform.traces.commands import prune_erased
from tests.fixtures.callers import Person
from tests.traces.factories import draft, new_trace_id, store


async def counted(database: Database, person: Person, table: str) -> int:
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


async def statistics(person: Person) -> dict[str, Any]:
    answer = await person.client.get("/otel/v1/traces/stats", headers={"X-Workspace-Id": str(person.workspace_id)})
    return dict(answer.json())


async def test_an_erased_trace_is_gone_with_all_that_belongs_to_it(owner: Person, database: Database) -> None:
    erased, other = new_trace_id(), new_trace_id()
    await store(database, owner, [draft(erased, 1, input="secret"), draft(erased, 2, 1), draft(other, 1)])
    path = f"{owner.w}/traces/{erased}"
    await owner.client.post(f"{path}/feedback", json={"score": 1, "source": "human"})

    assert (await owner.client.delete(path)).status_code == 204

    assert {(await owner.client.request(method, path)).status_code for method in ("GET", "DELETE")} == {404}
    judged = await owner.client.post(f"{path}/feedback", json={"score": 1, "source": "human"})
    assert judged.status_code == 404
    listed = (await owner.client.get(f"{owner.w}/traces")).json()
    assert [each["trace_id"] for each in listed["results"]] == [other]
    assert listed["pagination"]["total"] == 1
    assert (await counted(database, owner, "spans"), await counted(database, owner, "feedback")) == (1, 0)
    log = (await owner.client.get("/api/v1/account/audit-log", params={"action": "trace.deleted"})).json()
    assert [entry["resource_id"] for entry in log["results"]] == [erased]


async def test_spans_that_come_after_the_erasure_are_dropped_and_counted(owner: Person, database: Database) -> None:
    erased, other = new_trace_id(), new_trace_id()
    await store(database, owner, [draft(erased, 1)])
    await owner.client.delete(f"{owner.w}/traces/{erased}")

    await store(database, owner, [draft(erased, 2), draft(other, 1), draft(erased, 3)])

    assert (await owner.client.get(f"{owner.w}/traces/{erased}")).status_code == 404
    assert (await owner.client.get(f"{owner.w}/traces")).json()["pagination"]["total"] == 1
    told = await statistics(owner)
    assert {name: told[name] for name in ("received", "stored", "duplicates", "erased", "rejected")} == {
        "received": 4,
        "stored": 2,
        "duplicates": 0,
        "erased": 2,
        "rejected": 0,
    }


async def test_of_erasing_and_twenty_senders_nobody_deadlocks_and_nothing_comes_back(owner: Person, database: Database) -> None:
    trace_ids = [new_trace_id() for _ in range(4)]
    await store(database, owner, [draft(trace_id, 1) for trace_id in trace_ids])

    async def send(number: int) -> None:
        turned = trace_ids[number % 4 :] + trace_ids[: number % 4]
        await store(database, owner, [draft(each, number + 2) for each in turned] + [draft(new_trace_id(), 1)])

    async def erase(trace_id: str) -> int:
        return (await owner.client.delete(f"{owner.w}/traces/{trace_id}")).status_code

    senders = [send(number) for number in range(20)]
    outcomes = await asyncio.gather(*senders[:10], *map(erase, trace_ids), *senders[10:])

    assert [each for each in outcomes if each is not None] == [204] * 4
    assert await counted(database, owner, "traces") == await counted(database, owner, "spans") == 20
    assert (await owner.client.get(f"{owner.w}/traces")).json()["pagination"]["total"] == 20
    told = await statistics(owner)
    assert told["received"] == told["stored"] + told["erased"] == 104


@pytest.mark.own_database
async def test_an_erasure_is_forgotten_with_the_retention_or_after_a_year(
    owner: Person, stranger: Person, database: Database, settings: Settings
) -> None:
    for person, days in ((owner, 40), (owner, 20), (stranger, 400), (stranger, 40)):
        trace_id = new_trace_id()
        await store(database, person, [draft(trace_id, 1)])
        await person.client.delete(f"{person.w}/traces/{trace_id}")
        async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
            await session.execute(
                text("UPDATE erased_traces SET erased_at = :at WHERE trace_id = :trace_id"),
                {"at": clock.now() - timedelta(days=days), "trace_id": trace_id},
            )
    await owner.client.put(f"{owner.w}/retention", json={"traces_days": 30})

    await expire_traces(JobContext(database=database, settings=settings))
    assert [await counted(database, each, "erased_traces") for each in (owner, stranger)] == [1, 2]
    async with database.transaction() as session:
        await prune_erased(session)
    assert [await counted(database, each, "erased_traces") for each in (owner, stranger)] == [1, 1]
