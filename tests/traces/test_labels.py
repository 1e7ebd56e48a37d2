"""Models, tags and costs: traces are found by them through indexes, which the policies let be used."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text

from spectral_platform.core.database import Database, connection_string
from spectral_platform.traces import listing
from spectral_platform.traces.models import Trace
from spectral_platform.traces.selection import TraceFilter, TraceSort, conditions_of
from spectral_platform.traces.spans import SpanKind, SpanStatus
from tests.fixtures.callers import Person
from tests.traces.factories import START, call, draft, index, new_trace_id, store

DIFFERENCE = """
WITH said AS (
    SELECT workspace_id, kind, label, started_at, trace_id FROM traces,
        LATERAL (SELECT 'model' AS kind, unnest(models) AS label UNION ALL SELECT 'tag', unnest(tags)
                 UNION ALL SELECT 'failed model', unnest(models) WHERE status = 'error'
                 UNION ALL SELECT 'failed tag', unnest(tags) WHERE status = 'error') AS labels
), kept AS (SELECT workspace_id, kind, label, started_at, trace_id FROM trace_labels)
(SELECT * FROM said EXCEPT SELECT * FROM kept) UNION ALL (SELECT * FROM kept EXCEPT SELECT * FROM said)
"""
MANY = """
INSERT INTO traces (workspace_id, trace_id, day, name, started_at, duration_ms, status, span_count, unpriced_spans, models, tags,
                    cost_usd, feedback_count, created_at, updated_at)
SELECT %(workspace_id)s, md5(%(seed)s || n), current_date, 'x', now() - n * interval '1 s', 1, 'ok', 1, 0,
       ARRAY[CASE WHEN n %% 1000 = 0 THEN 'rare' ELSE 'common' END], ARRAY[]::text[], n * 0.001, 0, now(), now()
FROM generate_series(1, 5000) AS n
"""


async def names(person: Person, **query: Any) -> list[str]:
    answer = await person.client.get(f"{person.w}/traces", params={"sort": "started_at", **query})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["pagination"]["total"] == len(page["results"])
    return [each["name"] for each in page["results"]]


async def differences(database: Database, person: Person) -> int:
    """How many labels are kept that no trace has, or are missing."""
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        return len((await session.execute(text(DIFFERENCE))).all())


async def test_labels_follow_their_trace_whatever_comes_and_goes(owner: Person, database: Database) -> None:
    first, second = new_trace_id(), new_trace_id()
    await store(database, owner, [call(first, 2, 1, name="a", model="small", tags=("x",)), draft(second, 1, name="b")])
    assert await names(owner, model="small") == ["a"]

    fuller = call(first, 2, 1, name="a", model="large", tags=("y", "z"), output="more than before")
    await store(database, owner, [fuller, draft(first, 1, name="root", tags=("root",), started_at=START)])
    await store(database, owner, [draft(second, 2, 1, tags=("y",))])

    assert (await names(owner, model="small"), await names(owner, tag="x")) == ([], [])
    assert await names(owner, model="large") == await names(owner, tag="root") == ["root"]
    assert await names(owner, tag="y") == ["root", "b"]
    assert await differences(database, owner) == 0

    assert (await owner.client.delete(f"{owner.w}/traces/{first}")).status_code == 204
    assert await names(owner, tag="y") == ["b"]
    assert await differences(database, owner) == 0


@pytest.mark.parametrize("kind", ["tag", "model", "session_id", "user_id", "workflow"])
async def test_labels_are_kept_and_found_by_their_first_200_characters(owner: Person, database: Database, kind: str) -> None:
    long = "ü" * 3_000
    said: dict[str, Any] = {"tags": (long + "a", long + "b")} if kind == "tag" else {kind: long}
    await store(database, owner, [call(new_trace_id(), 1, name="long", **said)])

    assert await names(owner, **{kind: long}) == await names(owner, **{kind: long[:200]}) == ["long"]
    assert await names(owner, **{kind: long[:199]}) == []
    assert await differences(database, owner) == 0


async def test_failures_are_found_by_labels_from_when_they_failed_to_when_they_are_mended(
    owner: Person, database: Database
) -> None:
    failed, fine = new_trace_id(), new_trace_id()
    labels: dict[str, Any] = {"tags": ("x",), "model": "small"}
    await store(database, owner, [call(failed, 1, name="root", **labels), call(fine, 3, name="fine", **labels)])
    queries_of_both: list[dict[str, str]] = [{"tag": "x"}, {"model": "small"}, {"tag": "x", "model": "small"}]
    assert [await names(owner, status="error", **query) for query in queries_of_both] == [[], [], []]

    await store(database, owner, [draft(failed, 2, 1, status=SpanStatus.ERROR)])

    for query in queries_of_both:
        assert await names(owner, status="error", **query) == ["root"]
        assert await names(owner, status="ok", **query) == ["fine"]
        assert await names(owner, status="error", until=START.isoformat(), **query) == []
    assert await names(owner, status="error", tag="x", model="large") == []
    await store(database, owner, [call(failed, 1, name="root", status=SpanStatus.OK, output="all is well after all", **labels)])
    assert await names(owner, status="error", tag="x") == []
    assert await differences(database, owner) == 0


async def test_many_are_found_in_any_order_as_few_are(owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        said: dict[str, Any] = {"tags": ("x",) if number % 3 else (), "model": "m" if number % 4 else "n", "input": "word"}
        status = SpanStatus.ERROR if number % 2 else SpanStatus.UNSET
        ends = START + timedelta(milliseconds=7 * number % 12 + 20)
        spans = [
            call(new_trace_id(), number, name=str(number), status=status, ended_at=ends, cost_usd=Decimal(number % 5), **said)
        ]
        await store(database, owner, spans)
    await index(database)
    asked = ({"tag": "x"}, {"tag": "x", "model": "m"}, {"tag": "x", "status": "error"}, {"search": "word"})

    async def pages(**query: str) -> tuple[list[str], bool]:
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await owner.client.get(f"{owner.w}/traces", params={"limit": "3", **query, **cursor})).json()
            found += [each["name"] for each in page["results"]]
            if (following := page["pagination"]["next_cursor"]) is None:
                return found, page["pagination"]["total_capped"]
            cursor = {"cursor": following}

    gathered = {(sort, number): await pages(sort=sort, **query) for sort in TraceSort for number, query in enumerate(asked)}
    for limit in ("COUNTED_EXACTLY", "WALKED"):
        monkeypatch.setattr(listing, limit, 1)

    for (sort, number), (found, is_capped) in gathered.items():
        assert not is_capped
        assert len(found) == len(set(found)) >= 4
        assert await pages(sort=sort, **asked[number]) == (found, True)


async def test_labels_are_their_workspaces_own(owner: Person, stranger: Person, database: Database) -> None:
    for person, name in ((owner, "own"), (stranger, "other")):
        await store(database, person, [call(new_trace_id(), 1, name=name, model="same", cost_usd=Decimal(1))])

    assert await names(owner, model="same") == await names(owner, min_cost_usd="0.5") == ["own"]


@pytest.mark.own_database
async def test_rare_labels_and_the_dearest_are_looked_up_by_their_indexes_under_the_policies(
    owner: Person, stranger: Person, database: Database, database_url: str
) -> None:
    with psycopg.connect(connection_string(database_url), autocommit=True) as superuser:
        for person in (owner, stranger):
            superuser.execute(MANY, {"workspace_id": person.workspace_id, "seed": str(person.workspace_id)})
        superuser.execute("VACUUM ANALYZE traces, trace_labels")

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(listing.PLAN_FOR_VALUES)
        connection = await session.connection()
        rare = conditions_of(TraceFilter(model="rare"), owner.workspace_id)
        for asked, index in (
            (select(Trace.trace_id).where(Trace.workspace_id == owner.workspace_id, *rare), "using pk_trace_labels"),
            (listing.ids_of_the_dearest(owner.workspace_id, Decimal("4.99")), "using ix_traces_cost_usd"),
        ):
            written = str(asked.compile(connection.sync_engine, compile_kwargs={"literal_binds": True}))
            plan = "\n".join((await session.scalars(text("EXPLAIN " + written.replace(":", r"\:")))).all())
            assert index in plan, plan
            assert "Seq Scan" not in plan, plan


@pytest.mark.parametrize("least", ["0", "0.5", "3", "7", "9"])
async def test_what_cost_so_much_or_took_so_long_is_found_however_many_did(
    owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch, least: str
) -> None:
    monkeypatch.setattr(listing, "COUNTED_EXACTLY", 4)
    costs = [None, *range(8), 7]
    for number, cost in enumerate(costs):
        known = None if cost is None else Decimal(cost)
        ended_at = START + timedelta(milliseconds=number)
        fields: dict[str, Any] = {"cost_usd": known, "kind": SpanKind.LLM, "started_at": START, "ended_at": ended_at}
        spans = [draft(new_trace_id(), number, name=str(number), **fields)]
        await store(database, owner, spans)

    answer = (await owner.client.get(f"{owner.w}/traces", params={"min_cost_usd": least, "sort": "-cost_usd"})).json()

    expected = [str(number) for number, cost in enumerate(costs) if cost is not None and cost >= Decimal(least)]
    assert sorted(each["name"] for each in answer["results"]) == expected
    assert answer["pagination"]["total"] == min(len(expected), 4)

    slow = {"min_duration_ms": str(int(float(least))), "sort": "-duration_ms"}
    answer = (await owner.client.get(f"{owner.w}/traces", params=slow)).json()

    lasting = [str(number) for number in reversed(range(int(float(least)), len(costs)))]
    assert [each["name"] for each in answer["results"]] == lasting
    assert answer["pagination"]["total"] == min(len(lasting), 4)
