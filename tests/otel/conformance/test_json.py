"""The JSON encoding of OTLP: protobuf's own JSON mapping, but for ids in hex and enums as numbers."""

import base64
import json
from typing import Any

import pytest

from spectral_platform.otel.encoding import Encoding
from spectral_platform.otel.errors import MalformedBody
from spectral_platform.traces.spans import SpanDraft, SpanStatus
from tests.otel.conformance.bodies import END, SPAN_ID, START, TRACE_ID, Case, ids_of, json_request, json_span, read


def attribute(value: Any) -> dict[str, Any]:
    return {"attributes": [{"key": "k", "value": value}]}


def first_of(body: bytes) -> SpanDraft:
    result = read(body, Encoding.JSON)
    assert result.rejections == []
    assert len(result.drafts) == 2
    return result.drafts[0]


ACCEPTED = [
    Case("ids are hex, in lower case", {}, {"trace_id": TRACE_ID.hex(), "span_id": SPAN_ID.hex()}),
    Case("ids are hex, whatever the case", {"traceId": TRACE_ID.hex().upper()}, {"trace_id": TRACE_ID.hex()}),
    Case("a parent's id may be absent", {"parentSpanId": None}, {"parent_span_id": None}),
    Case("a parent's id may be empty", {"parentSpanId": ""}, {"parent_span_id": None}),
    Case("times of 64 bits are strings", {"startTimeUnixNano": str(START + 1)}, {"otlp": {"start_time_unix_nano": START + 1}}),
    Case("times of 64 bits may be numbers", {"endTimeUnixNano": END + 1}, {"otlp": {"end_time_unix_nano": END + 1}}),
    Case("names of fields may be those of the proto file", {"trace_state": "a=1"}, {"otlp": {"trace_state": "a=1"}}),
    Case("unknown fields are ignored", {"future": {"deep": [1]}}, {"name": "work"}),
    Case("null is as good as absent", {"traceState": None, "kind": None, "events": None, "links": None}, {"otlp": {}}),
    Case("enums are numbers", {"kind": 3, "status": {"code": 2}}, {"otlp": {"kind": "client"}, "status": SpanStatus.ERROR}),
    Case(
        "enums may be names",
        {"kind": "SPAN_KIND_CLIENT", "status": {"code": "STATUS_CODE_ERROR"}},
        {"otlp": {"kind": "client"}, "status": SpanStatus.ERROR},
    ),
    Case("an enum's unknown number is kept", {"kind": 9}, {"otlp": {"kind": 9}}),
    Case("an enum's unknown name says nothing", {"kind": "SPAN_KIND_NEW"}, {"otlp": {}}),
    Case("counts may be strings", {"droppedEventsCount": "7"}, {"otlp": {"dropped_events_count": 7}}),
    Case("integers of 64 bits are strings", attribute({"intValue": "-9223372036854775808"}), {"attributes": {"k": -(2**63)}}),
    Case("integers of 64 bits may be numbers", attribute({"intValue": 9223372036854775807}), {"attributes": {"k": 2**63 - 1}}),
    Case("integers may be written as decimals", attribute({"intValue": 1e3}), {"attributes": {"k": 1000}}),
    Case("doubles may be strings", attribute({"doubleValue": "1.5e-3"}), {"attributes": {"k": 0.0015}}),
    Case("doubles may be integers", attribute({"doubleValue": 2}), {"attributes": {"k": 2.0}}),
    Case("NaN is a string", attribute({"doubleValue": "NaN"}), {"attributes": {"k": "NaN"}}),
    Case("infinity is a string", attribute({"doubleValue": "-Infinity"}), {"attributes": {"k": "-Infinity"}}),
    Case("bytes are base64", attribute({"bytesValue": "AP8="}), {"attributes": {"k": "AP8="}}),
    Case("an unknown type of value is no value", attribute({"futureValue": 1}), {"attributes": {"k": None}}),
    Case("an attribute may lack its value", {"attributes": [{"key": "k"}]}, {"attributes": {"k": None}}),
    Case("an attribute may lack its key", {"attributes": [{"value": {"boolValue": True}}]}, {"attributes": {"": True}}),
    Case("an array may lack its values", attribute({"arrayValue": {}}), {"attributes": {"k": []}}),
    Case("a map may lack its values", attribute({"kvlistValue": {}}), {"attributes": {"k": {}}}),
    Case("the zero character is kept", attribute({"stringValue": "\x00"}), {"attributes": {"k": "\x00"}}),
]


@pytest.mark.parametrize("case", ACCEPTED, ids=ids_of(ACCEPTED))
def test_what_the_mapping_allows_is_read(case: Case) -> None:
    draft = first_of(json_request(json_span(**case.given)))

    assert {name: getattr(draft, name) for name in case.expected} == case.expected


REFUSED = [
    Case("ids are not base64", {"traceId": base64.b64encode(TRACE_ID).decode()}, "not written in hex"),
    Case("span ids are not base64", {"spanId": base64.b64encode(SPAN_ID).decode()}, "not written in hex"),
    Case("ids have no white space", {"traceId": TRACE_ID.hex()[:30] + " a"}, "not written in hex"),
    Case("ids have no dashes", {"traceId": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"}, "not written in hex"),
    Case("ids are strings", {"spanId": 7}, "spanId is not a string"),
    Case("a trace id has 32 digits", {"traceId": "4bf92f35"}, "trace_id must be"),
    Case("a trace id is required", {"traceId": None}, "trace_id must be"),
    Case("a parent's id has 16 digits", {"parentSpanId": "00ff"}, "parent_span_id must be"),
    Case("names are strings", {"name": 1}, "name is not a string"),
    Case("times are no texts", {"startTimeUnixNano": "soon"}, "integer is expected"),
    Case("times are no truth values", {"startTimeUnixNano": True}, "integer is expected"),
    Case("times are no fractions", {"startTimeUnixNano": 0.5}, "integer is expected"),
    Case("times are not negative", {"startTimeUnixNano": "-1"}, "not a 64-bit time"),
    Case("times have 64 bits", {"endTimeUnixNano": str(2**64)}, "not a 64-bit time"),
    Case("numbers have no underscores", {"endTimeUnixNano": "1_000"}, "integer is expected"),
    Case("numbers have no thousands of digits", {"endTimeUnixNano": "9" * 5000}, "integer is expected"),
    Case("counts have 32 bits", {"flags": 2**32}, "not a 32-bit count"),
    Case("enums have 32 bits", {"kind": 2**31}, "does not fit in 32 bits"),
    Case("a status has 32 bits", {"status": {"code": 1e30}}, "does not fit in 32 bits"),
    Case("attributes are a list", {"attributes": {}}, "attributes is not a list"),
    Case("attributes are objects", {"attributes": ["k"]}, "object is expected"),
    Case("values are objects", {"attributes": [{"key": "k", "value": "bare"}]}, "object is expected"),
    Case("strings are strings", attribute({"stringValue": 1}), "stringValue is not a string"),
    Case("booleans are booleans", attribute({"boolValue": "true"}), "boolValue is not"),
    Case("integers are whole", attribute({"intValue": 1.5}), "integer is expected"),
    Case("integers have 64 bits", attribute({"intValue": str(2**63)}), "does not fit in 64 bits"),
    Case("doubles are no texts", attribute({"doubleValue": "much"}), "doubleValue is not a number"),
    Case("doubles are no truth values", attribute({"doubleValue": True}), "doubleValue is not a number"),
    Case("doubles have no underscores", attribute({"doubleValue": "1_0"}), "doubleValue is not a number"),
    Case("bytes are base64 and nothing else", attribute({"bytesValue": "*"}), "bytesValue is not base64"),
    Case("events are objects", {"events": [1]}, "object is expected"),
    Case("links are objects", {"links": ["x"]}, "object is expected"),
    Case("a status is an object", {"status": "fine"}, "object is expected"),
]


@pytest.mark.parametrize("case", REFUSED, ids=ids_of(REFUSED))
def test_a_span_that_breaks_the_mapping_is_refused_alone(case: Case) -> None:
    result = read(json_request(json_span(**case.given)), Encoding.JSON)

    assert [draft.name for draft in result.drafts] == ["good"]
    assert [case.expected in rejection.reason for rejection in result.rejections] == [True], result.rejections


@pytest.mark.parametrize("odd", [None, 1, "span", [], True])
def test_a_span_that_is_no_object_is_refused_alone(odd: Any) -> None:
    result = read(json_request(odd), Encoding.JSON)

    assert (len(result.drafts), len(result.rejections)) == (1, 1)


NEARLY_JSON = [
    Case("a bare NaN", (b'"HERE"', b"NaN"), "NaN"),
    Case("a bare Infinity", (b'"HERE"', b"Infinity"), "Infinity"),
    Case("a bare negative Infinity", (b'"HERE"', b"-Infinity"), "-Infinity"),
    Case("the first half of a surrogate pair", (b"HERE", rb"a\ud83d"), "a\ufffd"),
    Case("the second half of a surrogate pair", (b"HERE", rb"\uDE00a"), "\ufffda"),
    Case("both halves in the wrong order", (b"HERE", rb"\ude00\ud83d"), "\ufffd\ufffd"),
    Case("half of a character in UTF-8", (b"HERE", b"a\xe2\x98"), "a\ufffd"),
    Case("a surrogate in UTF-8", (b"HERE", b"\xed\xa0\x80"), "\ufffd\ufffd\ufffd"),
    Case("what only looks like a half, beside one", (b"HERE", rb"\\ud83d \"NaN\" \ud83d"), '\\ud83d "NaN" \ufffd'),
    Case("a whole pair, beside a half", (b"HERE", rb"\ud83d\ude00\ud83d"), "\U0001f600\ufffd"),
]


@pytest.mark.parametrize("case", NEARLY_JSON, ids=ids_of(NEARLY_JSON))
def test_what_careless_encoders_write_costs_nothing_else(case: Case) -> None:
    value_of = {"doubleValue": "HERE"} if case.given[0] == b'"HERE"' else {"stringValue": "HERE"}
    body = json_request(json_span(**attribute(value_of))).replace(*case.given)

    assert first_of(body).attributes == {"k": case.expected}


def test_a_byte_order_mark_is_passed_over() -> None:
    assert first_of(b"\xef\xbb\xbf" + json_request(json_span())).name == "work"


@pytest.mark.parametrize("levels", [65, 400, 100_000])
@pytest.mark.parametrize(
    ("before", "after"),
    [(b'{"arrayValue":{"values":[', b"]}}"), (b'{"kvlistValue":{"values":[{"key":"k","value":', b"}]}}")],
    ids=["arrays", "maps"],
)
def test_values_nested_too_deeply_cost_their_span_alone(before: bytes, after: bytes, levels: int) -> None:
    body = json_request(json_span(**attribute("HERE"))).replace(b'"HERE"', before * levels + b'{"intValue":1}' + after * levels)

    result = read(body, Encoding.JSON)

    assert [draft.name for draft in result.drafts] == ["good"]
    assert ["nested deeper" in rejection.reason for rejection in result.rejections] == [True]


@pytest.mark.parametrize("levels", [400, 100_000])
def test_unknown_fields_may_be_nested_deeply(levels: int) -> None:
    body = json_request(json_span(future="HERE")).replace(b'"HERE"', b"[" * levels + b"]" * levels)

    assert first_of(body).name == "work"


MALFORMED = [
    Case("nothing", b"", None),
    Case("no JSON", b"{", None),
    Case("a list", b"[]", None),
    Case("a string", b'"x"', None),
    Case("null", b"null", None),
    Case("a string without an end", b'{"resourceSpans": "' + b'\\"' * 100_000, None),
    Case("brackets without an end", b"[" * 1_000_000, None),
    Case("resources that are no list", b'{"resourceSpans": 1}', None),
    Case("a resource that is no object", b'{"resourceSpans": [1]}', None),
    Case("scopes that are no list", b'{"resourceSpans": [{"scopeSpans": 1}]}', None),
    Case("a scope that is no object", b'{"resourceSpans": [{"scopeSpans": [1]}]}', None),
    Case("spans that are no list", b'{"resourceSpans": [{"scopeSpans": [{"spans": {}}]}]}', None),
    Case("protobuf", b"\x0a\x02\x12\x00", None),
    Case("text in UTF-16", json.dumps({}).encode("utf-16"), None),
]


@pytest.mark.parametrize("case", MALFORMED, ids=ids_of(MALFORMED))
def test_a_body_without_the_shape_of_a_request_is_malformed(case: Case) -> None:
    with pytest.raises(MalformedBody):
        read(case.given, Encoding.JSON)


EMPTY = [
    b"{}",
    b'{"resourceSpans": []}',
    b'{"resourceSpans": null}',
    b'{"resourceSpans": [{}]}',
    b'{"resourceSpans":[{"scopeSpans":[{}]}]}',
]


@pytest.mark.parametrize("body", EMPTY)
def test_an_empty_request_is_a_good_one(body: bytes) -> None:
    result = read(body, Encoding.JSON)

    assert (result.drafts, result.rejections) == ([], [])
