"""The messages of the proto files: what their comments say about a span's ids, times, attributes and the rest."""

import math
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spectral_platform.otel.encoding import Encoding
from spectral_platform.traces.spans import SpanDraft, SpanStatus
from tests.otel.conformance.bodies import (
    END,
    OTHER_ID,
    SPAN_ID,
    START,
    TRACE_ID,
    Case,
    any_value,
    decoded,
    ids_of,
    json_request,
    json_span,
    pairs,
    read,
    request,
    span,
)
from tests.otel.payloads import as_json

DAY_NS = 86_400 * 1_000_000_000
both_encodings = pytest.mark.parametrize("encoding", Encoding)


def drafted(message: Any, encoding: Encoding) -> SpanDraft:
    result = decoded(message, encoding)
    assert result.rejections == []
    (draft,) = result.drafts
    return draft


REFUSED = [
    Case("a trace id is 16 bytes, not fewer", {"trace_id": TRACE_ID[:15]}, "trace_id must be"),
    Case("a trace id is 16 bytes, not more", {"trace_id": TRACE_ID + b"\x01"}, "trace_id must be"),
    Case("a trace id is required", {"trace_id": b""}, "trace_id must be"),
    Case("a trace id of zeroes is invalid", {"trace_id": bytes(16)}, "trace_id must be"),
    Case("a span id is 8 bytes, not fewer", {"span_id": SPAN_ID[:7]}, "span_id must be"),
    Case("a span id is 8 bytes, not more", {"span_id": TRACE_ID}, "span_id must be"),
    Case("a span id is required", {"span_id": b""}, "span_id must be"),
    Case("a span id of zeroes is invalid", {"span_id": bytes(8)}, "span_id must be"),
    Case("a parent's span id is 8 bytes", {"parent_span_id": TRACE_ID}, "parent_span_id must be"),
    Case("nothing is its own parent", {"parent_span_id": SPAN_ID}, "its own parent"),
    Case("a start time is required", {"start_time_unix_nano": 0}, "before the year 2000"),
    Case("an end time is required", {"end_time_unix_nano": 0}, "end time is missing"),
    Case("the end is not before the start", {"end_time_unix_nano": START - 1}, "ends before it starts"),
    Case("times are of our age", {"start_time_unix_nano": 1}, "before the year 2000"),
    Case(
        "times are not of the days to come",
        {"start_time_unix_nano": START + 2 * DAY_NS, "end_time_unix_nano": END + 2 * DAY_NS},
        "a day ahead",
    ),
    Case("the largest time is absurd", {"end_time_unix_nano": 2**64 - 1}, "a day ahead"),
]


@both_encodings
@pytest.mark.parametrize("case", REFUSED, ids=ids_of(REFUSED))
def test_what_breaks_a_rule_is_refused_alone(case: Case, encoding: Encoding) -> None:
    result = decoded(request(span(**case.given), span(span_id=OTHER_ID, name="good")), encoding)

    assert [draft.name for draft in result.drafts] == ["good"]
    assert [case.expected in rejection.reason for rejection in result.rejections] == [True]


KEPT = [
    Case("a parent's span id is empty for a root", {}, {"parent_span_id": None}),
    Case("a parent's span id of zeroes is none", {"parent_span_id": bytes(8)}, {"parent_span_id": None}),
    Case("a parent may be elsewhere", {"parent_span_id": OTHER_ID}, {"parent_span_id": OTHER_ID.hex()}),
    Case("a span may take no time", {"end_time_unix_nano": START}, {}),
    Case("a name is taken as it is", {"name": "  Größe\n\t☃ "}, {"name": "  Größe\n\t☃ "}),
    Case("an empty name is as good as an unknown one", {"name": ""}, {"name": ""}),
    Case("an unspecified kind is the default", {"kind": 0}, {"otlp": {}}),
    *(
        Case(f"the kind {name} is kept", {"kind": kind}, {"otlp": {"kind": name}})
        for kind, name in enumerate(["internal", "server", "client", "producer", "consumer"], start=1)
    ),
    Case("the trace state is kept", {"trace_state": "a=1,b=2"}, {"otlp": {"trace_state": "a=1,b=2"}}),
    Case("flags are kept, all 32 bits", {"flags": 0xFFFFFFFF}, {"otlp": {"flags": 0xFFFFFFFF}}),
    Case("dropped attributes are counted", {"dropped_attributes_count": 3}, {"otlp": {"dropped_attributes_count": 3}}),
    Case("dropped events are counted", {"dropped_events_count": 2**32 - 1}, {"otlp": {"dropped_events_count": 2**32 - 1}}),
    Case("dropped links are counted", {"dropped_links_count": 1}, {"otlp": {"dropped_links_count": 1}}),
    Case(
        "nanoseconds of times are kept",
        {"start_time_unix_nano": START + 1, "end_time_unix_nano": END + 999},
        {"otlp": {"start_time_unix_nano": START + 1, "end_time_unix_nano": END + 999}},
    ),
    Case("a status is unset by default", {}, {"status": SpanStatus.UNSET, "status_message": None}),
    Case("a status may be ok", {"status": Status(code=Status.STATUS_CODE_OK)}, {"status": SpanStatus.OK}),
    Case(
        "a status of error has a message",
        {"status": Status(code=Status.STATUS_CODE_ERROR, message="late")},
        {"status": SpanStatus.ERROR, "status_message": "late"},
    ),
    Case(
        "events keep their order, names, attributes and dropped counts",
        {
            "events": [
                Span.Event(name="b", time_unix_nano=START, dropped_attributes_count=4),
                Span.Event(name="a", time_unix_nano=1_795_323_600_000_000_001, attributes=pairs({"n": 1})),
            ]
        },
        {
            "events": [
                {"name": "b", "attributes": {}, "dropped_attributes_count": 4},
                {"name": "a", "at": "2026-11-22T05:00:00.000000001Z", "attributes": {"n": 1}},
            ]
        },
    ),
    Case(
        "links keep trace state, flags and dropped counts",
        {
            "links": [
                Span.Link(trace_id=TRACE_ID, span_id=OTHER_ID, trace_state="k=v", flags=257, dropped_attributes_count=1),
                Span.Link(trace_id=TRACE_ID[::-1], span_id=SPAN_ID, attributes=pairs({"why": "because"})),
            ]
        },
        {
            "links": [
                {
                    "trace_id": TRACE_ID.hex(),
                    "span_id": OTHER_ID.hex(),
                    "attributes": {},
                    "trace_state": "k=v",
                    "flags": 257,
                    "dropped_attributes_count": 1,
                },
                {"trace_id": TRACE_ID[::-1].hex(), "span_id": SPAN_ID.hex(), "attributes": {"why": "because"}},
            ]
        },
    ),
]


@both_encodings
@pytest.mark.parametrize("case", KEPT, ids=ids_of(KEPT))
def test_everything_that_a_span_carries_is_kept(case: Case, encoding: Encoding) -> None:
    draft = drafted(request(span(**case.given)), encoding)

    for name, expected in case.expected.items():
        found = getattr(draft, name)
        if name == "events":
            assert [event | {"at": ""} for event in found] == [event | {"at": ""} for event in expected]
            assert found[-1]["at"] == expected[-1]["at"]
        else:
            assert found == expected


def nested(levels: int, *, of_maps: bool = False) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"k": value} if of_maps else [value]
    return value


VALUES = [
    Case("a value may be absent", None, None),
    Case("a string may be empty", "", ""),
    Case("a string may be long", "x" * 3_000_000, "x" * 3_000_000),
    Case("a string may hold the zero character", "a\x00b", "a\x00b"),
    Case("a string may hold any character", "☃𝄞\u2028", "☃𝄞\u2028"),
    Case("a boolean may be true", True, True),
    Case("a boolean may be false", False, False),
    Case("an integer may be the largest of 64 bits", 2**63 - 1, 2**63 - 1),
    Case("an integer may be the smallest of 64 bits", -(2**63), -(2**63)),
    Case("an integer may be zero", 0, 0),
    Case("a double is exact", 0.1, 0.1),
    Case("a double may be tiny", 5e-324, 5e-324),
    Case("a double may be huge", 1.7976931348623157e308, 1.7976931348623157e308),
    Case("a double may be no number", math.nan, "NaN"),
    Case("a double may be infinite", math.inf, "Infinity"),
    Case("a double may be infinitely small", -math.inf, "-Infinity"),
    Case("bytes become base64", bytes([0, 255]), "AP8="),
    Case("bytes may be none", b"", ""),
    Case("an array may be empty", [], []),
    Case("an array may mix types", [None, True, 1, 0.5, "x", [1], {"k": 1}], [None, True, 1, 0.5, "x", [1], {"k": 1}]),
    Case("a map may be empty", {}, {}),
    Case("a map may have an empty key", {"": 1}, {"": 1}),
    Case("arrays may be nested deeply", nested(40), nested(40)),
    Case("maps may be nested deeply", nested(30, of_maps=True), nested(30, of_maps=True)),
]


@both_encodings
@pytest.mark.parametrize("case", VALUES, ids=ids_of(VALUES))
def test_every_value_that_an_attribute_may_have_is_kept(case: Case, encoding: Encoding) -> None:
    assert drafted(request(span({"value": case.given})), encoding).attributes == {"value": case.expected}


def attribute_nested(levels: int, *, in_maps: bool) -> bytes:
    """An attribute of a span, written by hand, because the library that writes others goes no deeper than a hundred messages."""
    value = any_value(1).SerializeToString()
    for _ in range(levels):
        item = b"\x12" + length(value) + value if in_maps else value  # in maps, the value of a pair whose key is empty
        items = b"\x0a" + length(item) + item
        value = (b"\x32" if in_maps else b"\x2a") + length(items) + items
    pair = b"\x0a\x01k\x12" + length(value) + value
    return b"\x4a" + length(pair) + pair


@pytest.mark.parametrize("in_maps", [False, True])
@pytest.mark.parametrize(("levels", "is_kept"), [(64, True), (65, False), (10_000, False)])
def test_values_nested_too_deeply_cost_their_span_alone(levels: int, is_kept: bool, in_maps: bool) -> None:
    deep = span(name="deep").SerializeToString() + attribute_nested(levels, in_maps=in_maps)

    result = read_spans(deep, span(span_id=OTHER_ID, name="good").SerializeToString())

    assert [draft.name for draft in result.drafts] == (["deep", "good"] if is_kept else ["good"])
    assert ["nested deeper" in rejection.reason for rejection in result.rejections] == ([] if is_kept else [True])


def length(content: bytes) -> bytes:
    size, written = len(content), bytearray()
    while size > 127:
        written.append(size & 127 | 128)
        size >>= 7
    return bytes([*written, size])


def read_spans(*spans: bytes) -> Any:
    """What becomes of spans that are written by hand."""
    from_scope = b"".join(b"\x12" + length(each) + each for each in spans)
    from_resource = b"\x12" + length(from_scope) + from_scope
    return read(b"\x0a" + length(from_resource) + from_resource, Encoding.PROTOBUF)


@both_encodings
def test_of_the_same_key_twice_the_last_value_counts(encoding: Encoding) -> None:
    twice = [KeyValue(key="k", value=any_value(1)), KeyValue(key="k", value=any_value("2"))]

    assert drafted(request(span(attributes=twice)), encoding).attributes == {"k": "2"}


@both_encodings
def test_resource_and_scope_are_kept_with_their_schemas_and_dropped_counts(encoding: Encoding) -> None:
    resource = Resource(attributes=pairs({"service.name": "shop"}), dropped_attributes_count=2)
    resource.entity_refs.add(type="service", id_keys=["service.name"])
    scope = InstrumentationScope(name="library", version="1.2", attributes=pairs({"k": [1]}), dropped_attributes_count=3)
    message = request(resource=resource, scope=scope, resource_url="https://a", scope_url="https://b")

    draft = drafted(message, encoding)

    assert (draft.resource, draft.service) == ({"service.name": "shop"}, "shop")
    assert draft.otlp == {
        "resource": {
            "dropped_attributes_count": 2,
            "entity_refs": [{"type": "service", "id_keys": ["service.name"]}],
            "schema_url": "https://a",
        }
    }
    assert draft.scope == {
        "name": "library",
        "version": "1.2",
        "attributes": {"k": [1]},
        "dropped_attributes_count": 3,
        "schema_url": "https://b",
    }


@both_encodings
def test_resource_and_scope_may_be_absent(encoding: Encoding) -> None:
    draft = drafted(request(), encoding)

    assert (draft.resource, draft.scope, draft.otlp, draft.service) == ({}, {}, {}, None)


@both_encodings
@pytest.mark.parametrize("place", ["resource", "scope"])
def test_a_resource_or_scope_that_cannot_be_read_costs_its_own_spans(place: str, encoding: Encoding) -> None:
    unreadable = pairs({"k": "BROKEN"})
    message = request(
        span(name="first"),
        span(name="second"),
        resource=Resource(attributes=unreadable if place == "resource" else []),
        scope=InstrumentationScope(attributes=unreadable if place == "scope" else []),
    )
    message.MergeFrom(request(span(name="good")))
    body = message.SerializeToString() if encoding is Encoding.PROTOBUF else as_json(message)

    # The type of the value becomes one that does not fit.
    result = read(
        body.replace(b"\x0a\x06BROKEN", b"\x2a\x06BROKEN").replace(b'"stringValue": "BROKEN"', b'"intValue": "BROKEN"'), encoding
    )

    assert [draft.name for draft in result.drafts] == ["good"]
    assert [rejection.sample for rejection in result.rejections] == [
        f"span {name!r} of service None" for name in ("first", "second")
    ]


BROKEN_TEXTS = [
    Case("in a name", {"name": "BROKEN"}, lambda draft: draft.name),
    Case("in an attribute", {"attributes": pairs({"k": "BROKEN"})}, lambda draft: draft.attributes["k"]),
    Case("in an attribute's key", {"attributes": pairs({"BROKEN": 1})}, lambda draft: next(iter(draft.attributes))),
    Case("in an array", {"attributes": pairs({"k": ["BROKEN"]})}, lambda draft: draft.attributes["k"][0]),
    Case("in a trace state", {"trace_state": "BROKEN"}, lambda draft: draft.otlp["trace_state"]),
    Case("in an event", {"events": [Span.Event(name="BROKEN")]}, lambda draft: draft.events[0]["name"]),
    Case(
        "in a status",
        {"status": Status(code=Status.STATUS_CODE_ERROR, message="BROKEN")},
        lambda draft: draft.status_message,
    ),
]


@both_encodings
@pytest.mark.parametrize("case", BROKEN_TEXTS, ids=ids_of(BROKEN_TEXTS))
def test_text_that_is_no_utf_8_is_kept_but_for_the_broken_bytes(case: Case, encoding: Encoding) -> None:
    message = request(span(**case.given))
    body = message.SerializeToString() if encoding is Encoding.PROTOBUF else as_json(message)

    result = read(body.replace(b"BROKEN", b"ab\xe2\x98cd"), encoding)

    assert result.rejections == []
    assert case.expected(result.drafts[0]) == "ab\ufffdcd"


@both_encodings
def test_thirty_thousand_spans_may_come_at_once(encoding: Encoding) -> None:
    if encoding is Encoding.PROTOBUF:
        result = read_spans(*[span(span_id=number.to_bytes(8)).SerializeToString() for number in range(1, 30_001)])
    else:
        result = read(json_request(*[json_span(spanId=f"{number:016x}") for number in range(1, 30_000)]), encoding)

    assert (len(result.drafts), result.rejections) == (30_000, [])


def test_fields_that_this_version_does_not_know_are_ignored() -> None:
    unknown = b"\xfa\x7f\x03new" + b"\xf8\x7f\x01"

    result = read_spans(span().SerializeToString() + unknown)

    assert (len(result.drafts), result.rejections) == (1, [])


@pytest.mark.parametrize("broken", [b"\x4a\x03\x0a\x05k", b"\x4a\x04\x12\x02\x0a\x09", b"\x4a\x06\x12\x04\x2a\x02\x0a\x09"])
def test_an_attribute_that_is_broken_costs_its_span_alone(broken: bytes) -> None:
    result = read_spans(span().SerializeToString() + broken, span(span_id=OTHER_ID, name="good").SerializeToString())

    assert [draft.name for draft in result.drafts] == ["good"]
    assert len(result.rejections) == 1
