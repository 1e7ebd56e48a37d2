"""OTLP over HTTP: paths, headers, compression, refusals and what they say, against one application."""

import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from spectral_api.app import create_app
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from tests.fixtures.callers import register
from tests.otel.conformance.bodies import OTHER_ID, Case, ids_of, pairs, request, span
from tests.otel.payloads import as_json

PATH = "/v1/traces"
LIMIT = 200_000
PROTOBUF, JSON = "application/x-protobuf", "application/json"
GOOD = request(span({"k": "v"}))
BODIES = {PROTOBUF: GOOD.SerializeToString(), JSON: as_json(GOOD)}
EMPTY = {PROTOBUF: b"", JSON: b"{}"}
both_encodings = pytest.mark.parametrize("media_type", [PROTOBUF, JSON])


@pytest.fixture(scope="module")
async def receiver(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends with the key of a workspace, to an application that takes bodies of 200 kB."""
    settings = Settings(
        database_url=shared_database_url, data_dir=tmp_path_factory.mktemp("data"), workers=0, max_body_bytes=LIMIT
    )
    database = Database(shared_database_url)
    transport = httpx.ASGITransport(app=create_app(settings, database), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        owner = await register(client)
        client.headers.update(owner.bearing(await owner.key("write:traces")))
        yield client
        await owner.client.aclose()
    await database.close()


def code_in(answer: httpx.Response) -> int:
    """The code in the Status body of a refusal, which must say something too."""
    if answer.headers["content-type"] == JSON:
        status = answer.json()
        assert status["message"]
        return int(status["code"])
    assert answer.headers["content-type"] == PROTOBUF
    message = Status.FromString(answer.content)
    assert message.message
    return int(message.code)


def raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


TAKEN = [
    Case("the media type may have parameters", {"Content-Type": "{}; charset=utf-8"}, bytes),
    Case("the media type may be in any case", {"Content-Type": "UPPER"}, bytes),
    Case("a body may be sent as it is", {"Content-Encoding": "identity"}, bytes),
    Case("a body may be compressed by gzip", {"Content-Encoding": "gzip"}, gzip.compress),
    Case("gzip may be called x-gzip, in any case", {"Content-Encoding": "X-GZip"}, gzip.compress),
    Case("gzip may have several members", {"Content-Encoding": "gzip"}, lambda b: gzip.compress(b[:9]) + gzip.compress(b[9:])),
    Case("a body may be compressed by deflate", {"Content-Encoding": "deflate"}, zlib.compress),
    Case("deflate may lack its wrapper", {"Content-Encoding": "deflate"}, raw_deflate),
    Case("other headers do not matter", {"Accept": "text/html", "User-Agent": "x", "Expect": ""}, bytes),
]


@both_encodings
@pytest.mark.parametrize("case", TAKEN, ids=ids_of(TAKEN))
async def test_a_good_request_is_answered_in_its_own_encoding(receiver: httpx.AsyncClient, case: Case, media_type: str) -> None:
    named = case.given.get("Content-Type", "{}").replace("UPPER", media_type.upper()).replace("{}", media_type)
    headers = case.given | {"Content-Type": named}

    answer = await receiver.post(PATH, content=case.expected(BODIES[media_type]), headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.content == EMPTY[media_type]


@both_encodings
@pytest.mark.parametrize("path", ["/v1/traces", "/otel/v1/traces"])
async def test_a_body_may_come_in_chunks_of_unannounced_length(receiver: httpx.AsyncClient, path: str, media_type: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for byte in BODIES[media_type]:
            yield bytes([byte])

    answer = await receiver.post(path, content=chunks(), headers={"Content-Type": media_type})

    assert (answer.status_code, answer.content) == (200, EMPTY[media_type])
    assert "content-length" not in answer.request.headers


@both_encodings
async def test_an_empty_request_is_answered_with_success(receiver: httpx.AsyncClient, media_type: str) -> None:
    answer = await receiver.post(PATH, content=EMPTY[media_type], headers={"Content-Type": media_type})

    assert (answer.status_code, answer.content) == (200, EMPTY[media_type])


@both_encodings
async def test_a_partial_success_counts_what_was_refused_and_says_why(receiver: httpx.AsyncClient, media_type: str) -> None:
    partly = request(span(), span(span_id=OTHER_ID, end_time_unix_nano=0), span(trace_id=b"short"))
    body = partly.SerializeToString() if media_type == PROTOBUF else as_json(partly)

    answer = await receiver.post(PATH, content=body, headers={"Content-Type": media_type})

    assert answer.status_code == 200
    if media_type == JSON:
        partial = answer.json()["partialSuccess"]
        refused, message = int(partial["rejectedSpans"]), partial["errorMessage"]
    else:
        success = ExportTraceServiceResponse.FromString(answer.content).partial_success
        refused, message = success.rejected_spans, success.error_message
    assert refused == 2
    assert message.startswith("2 of 3 spans refused: ")
    assert "the end time is missing (1)" in message


REFUSED = [
    Case("a body that is no request is 400", {"content": b"\xff\xff"}, (400, 3)),
    Case("a truncated body is 400", {"cut": 5}, (400, 3)),
    Case("a body that is not compressed as announced is 400", {"headers": {"Content-Encoding": "gzip"}}, (400, 3)),
    Case(
        "truncated gzip is 400",
        {"content": gzip.compress(b"spans" * 100)[:-9], "headers": {"Content-Encoding": "gzip"}},
        (400, 3),
    ),
    Case(
        "truncated deflate is 400",
        {"content": zlib.compress(b"spans" * 100)[:-9], "headers": {"Content-Encoding": "deflate"}},
        (400, 3),
    ),
    Case("an unknown compression is 415", {"headers": {"Content-Encoding": "br"}}, (415, 3)),
    Case("two compressions at once are 415", {"headers": {"Content-Encoding": "gzip, gzip"}}, (415, 3)),
    Case("a body over the limit is 413", {"content": bytes(LIMIT + 1)}, (413, 8)),
    Case(
        "a body over the limit once inflated is 413",
        {"content": gzip.compress(bytes(5_000_000)), "headers": {"Content-Encoding": "gzip"}},
        (413, 8),
    ),
    Case("nobody is 401", {"headers": {"Authorization": ""}}, (401, 16)),
    Case("an unknown credential is 401", {"headers": {"Authorization": "Bearer sk_live_no"}}, (401, 16)),
    Case("another scheme is 401", {"headers": {"Authorization": "Basic YTpi"}}, (401, 16)),
    Case("another workspace is 404", {"headers": {"X-Workspace-Id": "00000000-0000-7000-8000-000000000000"}}, (404, 5)),
    Case("GET is 405", {"method": "GET"}, (405, 12)),
    Case("PUT is 405", {"method": "PUT"}, (405, 12)),
    Case("DELETE is 405", {"method": "DELETE"}, (405, 12)),
    Case("a trailing slash is another path", {"path": PATH + "/"}, (404, 5)),
    Case("metrics are not taken", {"path": "/v1/metrics"}, (404, 5)),
    Case("logs are not taken", {"path": "/otel/v1/logs"}, (404, 5)),
    Case("unknown parameters of the query are 400", {"path": PATH + "?a=b"}, (400, 3)),
]


@both_encodings
@pytest.mark.parametrize("case", REFUSED, ids=ids_of(REFUSED))
async def test_a_refusal_is_a_status_in_the_encoding_of_the_request(
    receiver: httpx.AsyncClient, case: Case, media_type: str
) -> None:
    given: dict[str, Any] = {"method": "POST", "path": PATH, "content": BODIES[media_type], "headers": {}} | case.given
    content = given["content"][: -given["cut"]] if "cut" in given else given["content"]
    headers = {"Content-Type": media_type} | given["headers"]

    answer = await receiver.request(given["method"], given["path"], content=content, headers=headers)

    assert (answer.status_code, answer.headers["content-type"]) == (case.expected[0], media_type)
    assert code_in(answer) == case.expected[1]
    assert ("retry-after" in answer.headers) is False
    if answer.status_code == 405:
        assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("media_type", [None, "", "text/plain", "application/protobuf", "application/x-protobuf+json", "*/*"])
async def test_another_media_type_or_none_is_415_in_json(receiver: httpx.AsyncClient, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}

    answer = await receiver.post(PATH, content=b"x", headers=headers)

    assert (answer.status_code, answer.headers["content-type"], code_in(answer)) == (415, JSON, 3)


async def test_head_is_405_without_a_body(receiver: httpx.AsyncClient) -> None:
    answer = await receiver.head(PATH)

    assert (answer.status_code, answer.content) == (405, b"")


async def test_what_is_hard_to_store_is_stored(receiver: httpx.AsyncClient) -> None:
    trace_id = bytes(range(1, 17))
    odd = {
        "": "empty key",
        "nul": "a\x00b",
        "nul\x00key": 1,
        "largest": 2**63 - 1,
        "smallest": -(2**63),
        "nan": float("nan"),
        "bytes": b"\x00\xff",
        "long": "x" * 100_000,
        "llm.cost.total": "1e-20000",
        "gen_ai.conversation.id": "c" * 5_000,
    }
    name = "n" * 20_000
    message: ExportTraceServiceRequest = request(
        span(odd, trace_id=trace_id, name=name, trace_state="a\x00=1", kind=3, flags=0xFFFFFFFF),
        span(trace_id=trace_id, span_id=OTHER_ID, attributes=pairs({"llm.cost.total": "1e999999"}), name=""),
    )

    answer = await receiver.post(PATH, content=message.SerializeToString(), headers={"Content-Type": PROTOBUF})

    assert (answer.status_code, answer.content) == (200, b"")
