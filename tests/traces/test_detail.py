"""What a single trace shows of its spans."""

from typing import Any

from spectral_api.v1.traces import schemas
from spectral_platform.core.database import Database
from spectral_platform.traces.spans import DEEPEST
from tests.fixtures.callers import Person
from tests.traces.factories import call, draft, nested, new_trace_id, span_id, store
from tests.traces.test_api import detail


async def test_what_a_sender_left_out_of_events_and_links_is_told(owner: Person, database: Database) -> None:
    trace_id, left_out = new_trace_id(), {"attributes": {}, "dropped_attributes_count": 3}
    events = [
        {"name": "a", "at": "2026-01-01T12:00:00Z", **left_out},
        {"name": "b", "at": "2026-01-01T12:00:00Z", "attributes": {}},
    ]
    links = [{"trace_id": "1" * 32, "span_id": "2" * 16, **left_out}]
    attributes = {"huge": 1e300, "nested": [{"a": [None, True, "ü"]}]}
    await store(database, owner, [call(trace_id, 1, events=events, links=links, attributes=attributes)])

    shown = (await owner.client.get(f"{owner.w}/traces/{trace_id}")).json()
    (span,) = shown["spans"]

    assert schemas.TraceDetail.model_validate(shown).model_dump(mode="json") == shown
    assert [each["dropped_attributes_count"] for each in (*span["events"], *span["links"])] == [3, 0, 3]


async def test_a_trace_shows_its_spans_as_trees(owner: Person, database: Database) -> None:
    trace_id = new_trace_id()
    spans = [draft(trace_id, 1), draft(trace_id, 2, 1), call(trace_id, 3, 2), draft(trace_id, 4, 1), draft(trace_id, 5, 99)]
    await store(database, owner, spans)

    trace = await detail(owner, trace_id)

    assert shape(trace["spans"]) == [(1, [(2, [(3, [])]), (4, [])]), (5, [])]
    assert trace["spans_pagination"] == {"total": 5, "limit": 1000, "offset": 0, "next_cursor": None}
    leaf = trace["spans"][0]["children"][0]["children"][0]
    assert (leaf["kind"], leaf["model"], leaf["cost_usd"], leaf["duration_ms"]) == ("llm", "sim/standard", "0.00014", 5)
    assert leaf["parent_span_id"] == span_id(2)


def shape(spans: list[dict[str, Any]]) -> list[Any]:
    return [(int(span["span_id"], 16), shape(span["children"])) for span in spans]


async def test_spans_in_a_circle_and_spans_in_a_long_chain_are_all_shown(owner: Person, database: Database) -> None:
    circle, chain, deepest = new_trace_id(), new_trace_id(), {"deepest": nested(DEEPEST)}
    await store(database, owner, [draft(circle, 1, 3), draft(circle, 2, 1), draft(circle, 3, 2)])
    await store(database, owner, [draft(chain, number, number - 1 or None, attributes=deepest) for number in range(1, 301)])

    def count(spans: list[dict[str, Any]]) -> int:
        return sum(1 + count(span["children"]) for span in spans)

    assert shape((await detail(owner, circle))["spans"]) == [(1, [(2, [(3, [])])])]
    assert count((await detail(owner, chain))["spans"]) == 300


async def test_a_long_trace_comes_a_thousand_spans_at_a_time(owner: Person, database: Database) -> None:
    trace_id = new_trace_id()
    await store(database, owner, [draft(trace_id, number, None if number == 1 else 1) for number in range(1, 1203)])

    first, second = await detail(owner, trace_id), await detail(owner, trace_id, spans_offset=1000)
    cursor = first["spans_pagination"]["next_cursor"]
    await store(database, owner, [draft(trace_id, 0, 1)])  # it began before the others, and arrives late
    behind = await detail(owner, trace_id, spans_cursor=cursor, spans_limit=150)
    last = await detail(owner, trace_id, spans_cursor=behind["spans_pagination"]["next_cursor"])

    assert (len(first["spans"]), len(first["spans"][0]["children"])) == (1, 999)
    assert second["spans_pagination"] == {"total": 1202, "limit": 1000, "offset": 1000, "next_cursor": None}
    assert len(second["spans"]) == 202
    assert behind["spans"] + last["spans"] == second["spans"]
    assert (len(behind["spans"]), last["spans_pagination"]["next_cursor"]) == (150, None)
    assert (await detail(owner, trace_id, spans_offset=1203))["spans"] == []
