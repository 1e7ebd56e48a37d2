"""Exports of traces: nothing is missing, and what was taken out can be taken in again."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from spectral_platform.core.database import Database
from spectral_platform.traces import exporting
from spectral_platform.traces.spans import SpanDraft, SpanKind, SpanStatus
from tests.fixtures.callers import Person
from tests.traces.factories import call, draft, index, new_trace_id, store

REQUEST = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}],
                "droppedAttributesCount": 2,
            },
            "schemaUrl": "https://example.com/schema",
            "scopeSpans": [
                {
                    "scope": {
                        "name": "instrumentation",
                        "version": "1.2",
                        "attributes": [{"key": "beta", "value": {"boolValue": True}}],
                    },
                    "schemaUrl": "https://example.com/scope",
                    "spans": [
                        {
                            "traceId": "5b8efff798038103d269b633813fc60c",
                            "spanId": "eee19b7ec3c1b174",
                            "parentSpanId": "eee19b7ec3c1b173",
                            "traceState": "vendor=1",
                            "flags": 257,
                            "name": "chat",
                            "kind": 3,
                            "startTimeUnixNano": "1767261600000000123",
                            "endTimeUnixNano": "1767261601000000456",
                            "attributes": [
                                {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}},
                                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "1000"}},
                                {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "100"}},
                                {"key": "temperature", "value": {"doubleValue": 0.5}},
                                {"key": "mixed", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "a"}]}}},
                                {
                                    "key": "nested",
                                    "value": {"kvlistValue": {"values": [{"key": "ok", "value": {"boolValue": False}}]}},
                                },
                            ],
                            "droppedAttributesCount": 1,
                            "droppedEventsCount": 2,
                            "droppedLinksCount": 3,
                            "events": [
                                {
                                    "timeUnixNano": "1767261600500000789",
                                    "name": "exception",
                                    "attributes": [{"key": "exception.message", "value": {"stringValue": "too late"}}],
                                    "droppedAttributesCount": 1,
                                }
                            ],
                            "links": [
                                {
                                    "traceId": "5b8efff798038103d269b633813fc60d",
                                    "spanId": "eee19b7ec3c1b175",
                                    "traceState": "vendor=2",
                                    "attributes": [{"key": "why", "value": {"stringValue": "retry"}}],
                                }
                            ],
                            "status": {"code": 2, "message": "it was too late"},
                        }
                    ],
                }
            ],
        }
    ]
}


async def lines(person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await person.client.get(f"{person.w}/traces/export", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson"), answer.text
    return [orjson.loads(line) for line in answer.content.splitlines()]


async def everything(person: Person) -> list[dict[str, Any]]:
    """Every trace as the API shows it, whole."""
    traces = (await person.client.get(f"{person.w}/traces", params={"sort": "started_at"})).json()["results"]
    shown = [(await person.client.get(f"{person.w}/traces/{trace['id']}")).json() for trace in traces]
    for trace in shown:
        del trace["agent_id"]  # an agent of the same name
    return shown


async def send(person: Person, request: Any) -> None:
    answer = await person.client.post("/otel/v1/traces", json=request, headers={"X-Workspace-Id": str(person.workspace_id)})
    assert (answer.status_code, answer.json()) == (200, {}), answer.text


async def test_what_was_exported_as_otlp_makes_equal_traces_elsewhere(owner: Person, stranger: Person) -> None:
    told = {"agent": "support", "input": "Hello", "output": "Hi", "model": "gpt-4o-mini", "input_tokens": 5, "tags": ["beta"]}
    await send(owner, REQUEST)
    await owner.client.post(f"{owner.w}/traces", json={"traces": [told | {"started_at": "2026-01-02T00:00:00Z"}]})

    *requests, last = await lines(owner, format="otlp")
    for request in [*requests, last]:  # the last line is an empty request to a receiver
        await send(stranger, request)

    assert last == {"complete": True, "rows": len(requests)}
    before, after = await everything(owner), await everything(stranger)
    assert after[0] == before[0]
    for trace in (before[1], after[1]):
        del trace["spans"]  # what OpenTelemetry has no field for has become attributes
        del trace["workflow"]
    assert after[1] == before[1]
    assert (await lines(stranger, format="otlp"))[0] == requests[0]


async def test_a_line_is_a_trace_with_all_its_spans_however_many(
    owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "TRACES_AT_ONCE", 3)
    monkeypatch.setattr(exporting, "SPANS_AT_ONCE", 4)
    long, drafts = new_trace_id(), list[SpanDraft]()
    drafts += [draft(long, number, None if number == 1 else 1, input="x" * 1000) for number in range(1, 12)]
    for _ in range(7):
        trace_id = new_trace_id()
        drafts += [draft(trace_id, 1), call(trace_id, 2, 1)]
    await store(database, owner, drafts)

    *traces, last = await lines(owner)

    assert last == {"complete": True, "rows": 8}
    assert {trace["id"]: len(trace["spans"]) for trace in traces} == {
        span.trace_id: 11 if span.trace_id == long else 2 for span in drafts
    }
    (found,) = (trace for trace in traces if trace["id"] == long)
    assert [span["name"] for span in found["spans"]] == [f"span {number}" for number in range(1, 12)]
    assert found["input"] == "x" * 1000


async def test_an_export_has_the_filters_of_the_list_and_only_them(owner: Person, database: Database) -> None:
    failed = draft(new_trace_id(), 1, status=SpanStatus.ERROR, kind=SpanKind.AGENT, started_at=datetime(2026, 1, 1, tzinfo=UTC))
    await store(database, owner, [failed, draft(new_trace_id(), 1)])

    (trace, _) = await lines(owner, status="error")

    assert trace["id"] == failed.trace_id
    assert await lines(owner, search="span") == [{"complete": True, "rows": 0}]
    await index(database)
    assert (await lines(owner, search="span", status="error"))[:-1] == [trace]
    assert len(await lines(owner, search="span -nothing")) == 3
    assert await lines(owner, session_id="none") == [{"complete": True, "rows": 0}]
    for query in ({"limit": 1}, {"format": "csv"}, {"sort": "started_at"}):
        assert (await owner.client.get(f"{owner.w}/traces/export", params=query)).status_code == 422
    nowhere = {"cluster_id": "01a20307-3554-7112-8737-92a798e3a3c3"}
    for path in ("traces", "traces/export"):
        assert (await owner.client.get(f"{owner.w}/{path}", params=nowhere)).status_code == 404
