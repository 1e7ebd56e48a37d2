"""What a single trace shows of its spans."""

from spectral_api.v1.traces import schemas
from spectral_platform.core.database import Database
from tests.fixtures.callers import Person
from tests.traces.factories import call, new_trace_id, store


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
