"""How workspaces are doing and what accounts have used, over HTTP."""

from datetime import UTC, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import queue_state
from tests.fixtures.callers import Person
from tests.scans.workspaces import make_scannable

BAD_SPAN = {"traceId": "00", "spanId": "00", "name": "bad", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}


async def send(owner: Person, count: int, workspace: str | None = None) -> None:
    body = {"traces": [{"input": "a", "output": "b"}] * count}
    assert (await owner.client.post(f"{workspace or owner.w}/traces", json=body)).status_code == 202


async def health(owner: Person) -> dict[str, Any]:
    answer = await owner.client.get(f"{owner.w}/health")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def usage(client: httpx.AsyncClient, **query: str | int) -> dict[str, Any]:
    answer = await client.get("/api/v1/account/usage", params=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_an_empty_workspace_says_that_nothing_has_happened(owner: Person) -> None:
    told = await health(owner)

    assert told["ingestion"] == {"last_span_at": None, "spans_24h": 0, "rejected_24h": 0}
    assert (told["agents"], told["last_scan"], told["open_clusters"]) == (0, None, 0)
    assert told["status"] == told["worker"]["status"] == "degraded"


async def test_health_counts_what_arrived_and_what_was_refused(owner: Person, database: Database) -> None:
    scan = await (await make_scannable(owner, database, samples=0)).start()
    before = clock.now()
    await send(owner, 3)
    bad = {"resourceSpans": [{"scopeSpans": [{"spans": [BAD_SPAN]}]}]}
    await owner.client.post("/otel/v1/traces", json=bad, headers={"X-Workspace-Id": str(owner.workspace_id)})

    told = await health(owner)

    assert told["ingestion"]["spans_24h"] == 3
    assert told["ingestion"]["rejected_24h"] == 1
    assert told["ingestion"]["last_span_at"] >= before.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert told["agents"] == 1
    assert (told["last_scan"]["scan_id"], told["last_scan"]["status"]) == (scan["scan_id"], "scheduled")


@pytest.mark.own_database
async def test_a_sign_of_life_that_comes_while_one_asks_is_none_of_the_future(database: Database) -> None:
    async with database.transaction() as asking:
        await asking.execute(text("SELECT 1"))
        async with database.transaction() as living:
            await living.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES"))
        silence, _ = await queue_state(asking)

    assert isinstance(silence, float)
    assert silence >= 0


async def test_an_agent_that_is_gone_is_not_counted(owner: Person) -> None:
    first, second, third = [(await owner.client.post(f"{owner.w}/agents", json={"name": name})).json()["id"] for name in "abc"]
    await owner.client.delete(f"{owner.w}/agents/{first}")
    await owner.client.post(f"{owner.w}/agents/{second}/merge", json={"into": third})

    assert (await health(owner))["agents"] == 1


async def test_what_arrived_long_ago_is_told_as_the_last_and_not_counted(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    await send(owner, 2)
    first = (await health(owner))["ingestion"]["last_span_at"]
    later = clock.now() + timedelta(minutes=50)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert (await health(owner))["ingestion"] == {"last_span_at": first, "spans_24h": 2, "rejected_24h": 0}


async def test_usage_is_told_by_workspace_and_day(owner: Person, stranger: Person, database: Database) -> None:
    other = (await owner.client.post("/api/v1/workspaces", json={"name": "Other"})).json()["id"]
    await (await make_scannable(owner, database, samples=0)).start()
    await send(owner, 3)
    await send(owner, 2, f"/api/v1/workspaces/{other}")
    await send(stranger, 5)
    today = clock.now().astimezone(UTC).date()

    told = await usage(owner.client)

    assert told["pagination"] == {"total": 2, "limit": 20, "offset": 0}
    nothing = {"day": today.isoformat(), "model_spend_usd": "0"}
    assert told["results"] == [
        {"workspace_id": str(owner.workspace_id), "workspace_name": "Default", "spans": 3, "traces": 3, "scans": 1, **nothing},
        {"workspace_id": other, "workspace_name": "Other", "spans": 2, "traces": 2, "scans": 0, **nothing},
    ]
    assert (await usage(owner.client, limit=1, offset=1))["results"] == told["results"][1:]
    assert (await usage(owner.client, until=today.isoformat()))["results"] == []
    assert (await usage(owner.client, since=(today + timedelta(days=1)).isoformat()))["results"] == []


async def test_a_trace_whose_spans_arrive_twice_is_counted_once(owner: Person) -> None:
    report = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "input": "a", "output": "b"}
    for _ in range(2):
        await owner.client.post(f"{owner.w}/traces", json={"traces": [report]})

    (day,) = (await usage(owner.client))["results"]

    assert (day["spans"], day["traces"]) == (1, 1)


@pytest.mark.parametrize(
    "window", [{"until": "0001-01-01"}, {"since": "9999-12-31"}, {"since": "0001-01-01", "until": "0001-01-02"}]
)
async def test_usage_of_days_on_which_nobody_lived_is_nothing(owner: Person, window: dict[str, str]) -> None:
    assert (await usage(owner.client, **window))["results"] == []


async def test_usage_is_told_of_a_year_at_most(owner: Person) -> None:
    answer = await owner.client.get("/api/v1/account/usage", params={"since": "2020-01-01", "until": "2026-01-01"})

    assert answer.status_code == 400
    assert answer.json()["most_days"] == 366
