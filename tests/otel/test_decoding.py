import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.trace import Link, Status, StatusCode, Tracer

from spectral_platform.otel.decoding import Decoded, decode
from spectral_platform.otel.encoding import Encoding
from spectral_platform.otel.errors import MalformedBody
from spectral_platform.traces.spans import SpanStatus
from tests.otel.payloads import as_json, one_span, recorded

LIMIT = 10_000_000
DAY_NS = 86_400 * 1_000_000_000


def decoded(body: bytes | ExportTraceServiceRequest, encoding: Encoding = Encoding.PROTOBUF) -> Decoded:
    content = body if isinstance(body, bytes) else body.SerializeToString()
    return decode(content, encoding, None, limit_bytes=LIMIT, now=datetime.now(UTC))


def a_little_of_everything(tracer: Tracer) -> None:
    with tracer.start_as_current_span(
        "root",
        attributes={
            "text": "grüße\n",
            "empty": "",
            "whole": -(2**62),
            "fraction": 0.5,
            "flag": False,
            "texts": ["a", "b"],
            "numbers": [1, 2],
            "nothing": [],
        },
    ) as root:
        root.add_event("retry", {"attempt": 2})
        link = Link(root.get_span_context(), {"why": "because"})
        with tracer.start_as_current_span("child", links=[link]) as child:
            child.set_status(Status(StatusCode.ERROR, "too late"))


def two_spans() -> ExportTraceServiceRequest:
    def instrumented(tracer: Tracer) -> None:
        tracer.start_span("good").end()
        tracer.start_span("bad").end()

    return recorded(instrumented)


def spans_of(request: ExportTraceServiceRequest) -> list[Span]:
    return list(request.resource_spans[0].scope_spans[0].spans)


def test_a_span_of_the_sdk_keeps_everything_that_it_carried() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    drafts = {draft.name: draft for draft in decoded(recorded(a_little_of_everything)).drafts}
    root, child = drafts["root"], drafts["child"]
    assert root.attributes == {
        "text": "grüße\n",
        "empty": "",
        "whole": -(2**62),
        "fraction": 0.5,
        "flag": False,
        "texts": ["a", "b"],
        "numbers": [1, 2],
        "nothing": [],
    }
    assert root.resource["service.name"] == "shop"
    assert [(event["name"], event["attributes"]) for event in root.events] == [("retry", {"attempt": 2})]
    (link,) = child.links
    assert (link["trace_id"], link["span_id"], link["attributes"]) == (root.trace_id, root.span_id, {"why": "because"})
    assert (root.parent_span_id, child.parent_span_id, child.trace_id) == (None, root.span_id, root.trace_id)
    assert before <= root.started_at <= child.started_at <= child.ended_at <= root.ended_at <= datetime.now(UTC)
    assert (root.status, child.status, child.status_message) == (SpanStatus.UNSET, SpanStatus.ERROR, "too late")


@pytest.mark.parametrize("snake_case", [False, True])
def test_json_gives_the_same_drafts_as_protobuf(snake_case: bool) -> None:
    request = recorded(a_little_of_everything)
    assert decoded(as_json(request, snake_case=snake_case), Encoding.JSON) == decoded(request)


def test_json_integers_may_be_numbers_and_enums_names_and_unknown_fields_are_ignored() -> None:
    document = json.loads(as_json(recorded(a_little_of_everything)))
    document["future"] = {"stringValue": 1}
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span["startTimeUnixNano"] = int(span["startTimeUnixNano"])
        span["traceId"] = span["traceId"].upper()
        span["status"] = {"code": "STATUS_CODE_ERROR", "message": None}
        span["futureField"] = [1]
        span["attributes"] = [
            {"key": "whole", "value": {"intValue": 7, "unknownValue": 1}},
            {"key": "absent"},
            {"key": "odd", "value": {"unknownValue": 1}},
            {"key": "bytes", "value": {"bytesValue": "AAE="}},
            {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"doubleValue": "1e3"}}]}}},
        ]
    result = decoded(json.dumps(document).encode(), Encoding.JSON)
    assert not result.rejections
    for draft in result.drafts:
        assert draft.attributes == {"whole": 7, "absent": None, "odd": None, "bytes": "AAE=", "map": {"k": 1000.0}}
        assert draft.status is SpanStatus.ERROR
        assert draft.trace_id == draft.trace_id.lower()


def test_bytes_and_maps_are_read_from_protobuf() -> None:
    request = one_span({})
    span = spans_of(request)[0]
    span.attributes.add(key="bytes").value.bytes_value = b"\x00\x01"
    span.attributes.add(key="map").value.kvlist_value.values.add(key="k").value.double_value = 1.5
    span.attributes.add(key="absent")
    (draft,) = decoded(request).drafts
    assert draft.attributes == {"bytes": "AAE=", "map": {"k": 1.5}, "absent": None}


def test_a_text_is_what_it_was_however_long_it_and_its_name_are() -> None:
    sizes = [0, 1, 3, *range(118, 140), *range(16_370, 16_390), 70_000]
    texts = {f"{size}" + "n" * length: "ü" * (size % 2) + "t" * size for size in sizes for length in (1, 122, 128, 200)}
    request = two_spans()
    for name, text in texts.items():
        spans_of(request)[0].attributes.add(key=name).value.string_value = text
    assert decoded(request).drafts[0].attributes == texts


def without_end(span: Span) -> None:
    span.end_time_unix_nano = 0


def ending_first(span: Span) -> None:
    span.end_time_unix_nano = span.start_time_unix_nano - 1


def of_another_age(span: Span) -> None:
    span.start_time_unix_nano = 1


def of_the_future(span: Span) -> None:
    span.start_time_unix_nano += 2 * DAY_NS
    span.end_time_unix_nano += 2 * DAY_NS


def never_ending(span: Span) -> None:
    span.end_time_unix_nano = 2**64 - 1


def short_trace_id(span: Span) -> None:
    span.trace_id = b"short"


def zero_trace_id(span: Span) -> None:
    span.trace_id = bytes(16)


def no_span_id(span: Span) -> None:
    span.span_id = b""


def zero_span_id(span: Span) -> None:
    span.span_id = bytes(8)


def long_parent(span: Span) -> None:
    span.parent_span_id = bytes(range(16))


def own_parent(span: Span) -> None:
    span.parent_span_id = span.span_id


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_end, "end time is missing"),
        (ending_first, "ends before it starts"),
        (of_another_age, "before the year 2000"),
        (of_the_future, "a day ahead"),
        (never_ending, "a day ahead"),
        (short_trace_id, "trace_id must be"),
        (zero_trace_id, "trace_id must be"),
        (no_span_id, "span_id must be"),
        (zero_span_id, "span_id must be"),
        (long_parent, "parent_span_id must be"),
        (own_parent, "its own parent"),
    ],
)
def test_a_bad_span_is_rejected_with_its_reason_and_the_good_one_survives(
    spoil: Callable[[Span], None], reason: str, encoding: Encoding
) -> None:
    request = two_spans()
    spoil(spans_of(request)[1])
    result = decoded(request if encoding is Encoding.PROTOBUF else as_json(request), encoding)
    assert [draft.name for draft in result.drafts] == ["good"]
    (rejection,) = result.rejections
    assert reason in rejection.reason
    assert rejection.sample == "span 'bad' of service 'shop'"


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"intValue": 1}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return {"attributes": [{"key": "deep", "value": value}]}


@pytest.mark.parametrize(
    "spoiled",
    [
        {"traceId": "zz" * 16},
        {"traceId": 7},
        {"startTimeUnixNano": "soon"},
        {"startTimeUnixNano": True},
        {"endTimeUnixNano": str(2**70)},
        {"startTimeUnixNano": "9" * 5000},
        {"status": "fine"},
        {"attributes": {}},
        {"attributes": ["text"]},
        {"attributes": [{"key": "a", "value": {"intValue": 2**63}}]},
        {"attributes": [{"key": "a", "value": {"intValue": 1.5}}]},
        {"attributes": [{"key": "a", "value": {"stringValue": 1}}]},
        {"attributes": [{"key": "a", "value": {"boolValue": "yes"}}]},
        {"attributes": [{"key": "a", "value": {"doubleValue": "much"}}]},
        {"attributes": [{"key": "a", "value": {"bytesValue": "*"}}]},
        {"attributes": [{"key": "a", "value": "bare"}]},
        {"events": [1]},
        deep(100),
    ],
)
def test_a_json_span_of_wrong_types_is_rejected_and_the_good_one_survives(spoiled: dict[str, Any]) -> None:
    document = json.loads(as_json(two_spans()))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][1].update(spoiled)
    result = decoded(json.dumps(document).encode(), Encoding.JSON)
    assert ([draft.name for draft in result.drafts], len(result.rejections)) == (["good"], 1)


def test_a_json_span_that_is_no_object_is_rejected() -> None:
    document = json.loads(as_json(two_spans()))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][1] = "span"
    result = decoded(json.dumps(document).encode(), Encoding.JSON)
    assert (len(result.drafts), len(result.rejections)) == (1, 1)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"\xff\xff\xff", Encoding.PROTOBUF),
        (b"{", Encoding.JSON),
        (b"", Encoding.JSON),
        (b"[]", Encoding.JSON),
        (b'{"resourceSpans": 1}', Encoding.JSON),
        (b'{"resourceSpans": [1]}', Encoding.JSON),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": {}}]}]}', Encoding.JSON),
        (b"[" * 5000, Encoding.JSON),
    ],
)
def test_a_body_without_the_shape_of_a_request_is_malformed(body: bytes, encoding: Encoding) -> None:
    with pytest.raises(MalformedBody):
        decoded(body, encoding)


@pytest.mark.parametrize(("body", "encoding"), [(b"", Encoding.PROTOBUF), (b"{}", Encoding.JSON)])
def test_an_empty_request_is_fine(body: bytes, encoding: Encoding) -> None:
    assert decoded(body, encoding) == Decoded()


def test_attributes_nested_as_deep_as_allowed_are_kept() -> None:
    document = json.loads(as_json(two_spans()))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][1].update(deep(60))
    assert not decoded(json.dumps(document).encode(), Encoding.JSON).rejections
