"""What is refused is told to those who look after the sender: why, how often, since when, and which program sent it."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.database import Database, bind_upkeep
from spectral_platform.traces.commands import fold_counts
from spectral_platform.traces.counting import MOST_SENDERS, OTHER_SENDERS, Senders
from tests.fixtures.callers import Person
from tests.otel.test_api import statistics_of

SDK = {"telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "2.12.1", "telemetry.sdk.language": "nodejs"}
AGENT = "curl/8.5.0"
RANDOM = "".join(sha256(bytes([number])).hexdigest() for number in range(100))
"""Too long for an index, and for a reason that refusals are grouped by."""


def body(resource: dict[str, str], *, start: int = 1795323600000000000, end: int = 1795323600840000000) -> dict[str, Any]:
    span = {"traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "name": "work"}
    span |= {"startTimeUnixNano": str(start), "endTimeUnixNano": str(end)}
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in resource.items()]
    return {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [span]}]}]}


async def send(owner: Person, content: Any = None, **headers: str) -> int:
    sent = {"X-Workspace-Id": str(owner.workspace_id), "User-Agent": AGENT} | headers
    kind = {"content": content} if isinstance(content, bytes) else {"json": content}
    return (await owner.client.post("/otel/v1/traces", headers=sent, **kind)).status_code


async def test_refused_spans_are_grouped_by_reason_and_sender(owner: Person) -> None:
    before = clock.now()
    for resource in (SDK, SDK, {}):
        assert await send(owner, body(resource, end=1)) == 200

    rejections = (await statistics_of(owner))["rejections"]

    assert [(each["reason"], each["sender"], each["count"]) for each in rejections] == [
        ("the span ends before it starts", "opentelemetry 2.12.1 (nodejs)", 2),
        ("the span ends before it starts", AGENT, 1),
    ]
    for each in rejections:
        assert each["first_at"] <= each["last_at"]
        assert each["last_at"] >= before.isoformat()[:19]
        assert "work" in each["sample"]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"no protobuf", {"Content-Type": "application/x-protobuf"}, 400),
        (b"<xml/>", {"Content-Type": "text/xml"}, 415),
        (b"<xml/>", {"Content-Type": f"text/{RANDOM}"}, 415),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": RANDOM}, 415),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 400),
    ],
)
async def test_a_request_refused_as_a_whole_is_told_too(
    content: bytes, headers: dict[str, str], status: int, owner: Person
) -> None:
    assert await send(owner, content, **headers) == status

    statistics = await statistics_of(owner)

    assert [(each["sender"], each["count"]) for each in statistics["rejections"]] == [(AGENT, 1)]
    assert statistics["rejections"][0]["sample"] == f"a request of {len(content)} bytes"


def test_senders_that_make_up_names_are_counted_together() -> None:
    senders, workspace_id, today = Senders(), clock.new_id(), clock.now().date()
    named = {senders.name(workspace_id, f"made up {number}", today) for number in range(10 * MOST_SENDERS)}

    assert len(named) == MOST_SENDERS + 1
    assert OTHER_SENDERS in named
    assert senders.name(clock.new_id(), "another", today) == "another"
    assert senders.name(workspace_id, "another", today + timedelta(days=1)) == "another"


@pytest.mark.own_database
async def test_old_counts_are_folded_and_stay_exact(owner: Person, database: Database) -> None:
    assert await send(owner, body(SDK)) == 200
    assert await send(owner, body(SDK, end=1)) == 200
    spread = text(
        """
        INSERT INTO ingest_counts (workspace_id, period, measure, label, slot, count, counted_at, sample)
        SELECT workspace_id, date_trunc('day', now(), 'UTC') - make_interval(days => age) + make_interval(mins => 5 * slice),
               measure, label, 30 + mod(slice, 2), count, counted_at, sample
        FROM ingest_counts, unnest(ARRAY[1, 4, 90]) AS age, generate_series(0, 59) AS slice
        """
    )
    day = "(period AT TIME ZONE 'UTC')::date"
    by_day = text(f"SELECT {day}, measure, label, sum(count) FROM ingest_counts GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
    age = "(now() AT TIME ZONE 'UTC')::date - (period AT TIME ZONE 'UTC')::date"
    rows = text(f"SELECT {age} > 60, {age} > 3, count(*) FROM ingest_counts GROUP BY 1, 2")
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(spread)
        before = (await session.execute(by_day)).all()
        measures = await session.scalar(text("SELECT count(DISTINCT (measure, label)) FROM ingest_counts")) or 0

    for _ in range(2):
        async with database.transaction() as session:
            assert not await fold_counts(session)

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        assert (await session.execute(by_day)).all() == before
        left = {(row[0], row[1]): row[2] for row in await session.execute(rows)}
    assert left[True, True] == measures
    assert left[False, True] == 5 * measures
    assert left[False, False] > 60 * measures


async def test_counts_of_today_are_nobodys_upkeep(owner: Person, database: Database) -> None:
    assert await send(owner, body(SDK)) == 200

    async with database.transaction() as session:
        await bind_upkeep(session)
        recent = text("SELECT count(*) FROM ingest_counts WHERE period > now() - interval '1 day'")
        assert await session.scalar(recent) == 0
