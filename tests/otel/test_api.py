"""OTLP over HTTP: both encodings, partial success, refusals in the protocol's own shape, and the statistics."""

import asyncio
import gzip
import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.trace import Tracer

from spectral_api.app import create_app
from spectral_platform.agents.models import Agent
from spectral_platform.agents.states import AgentOrigin, AgentStatus
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.traces.intake import Intake
from tests.fixtures.callers import Person
from tests.fixtures.database import run_sql
from tests.otel.payloads import as_json, one_span, recorded

PATH = "/otel/v1/traces"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
FAILING_COMMIT = [
    "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$",
    "CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON spans DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()",
]
"""Every commit that stored a span fails at the last moment."""
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.agent.name": "support",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
    "input.value": "Where is my order?",
    "output.value": "On its way.",
}


async def send(person: Person, request: ExportTraceServiceRequest, path: str = PATH, **headers: str) -> httpx.Response:
    """Send spans as the stock exporter does."""
    own = {"X-Workspace-Id": str(person.workspace_id)}
    return await person.client.post(path, content=request.SerializeToString(), headers=PROTOBUF | own | headers)


async def traces_of(person: Person) -> list[dict[str, Any]]:
    answer = await person.client.get(f"{person.w}/traces")
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def statistics_of(person: Person, window: str = "1h") -> dict[str, Any]:
    answer = await person.client.get(
        f"{PATH}/stats", params={"window": window}, headers={"X-Workspace-Id": str(person.workspace_id)}
    )
    assert answer.status_code == 200, answer.text
    statistics: dict[str, Any] = answer.json()
    return statistics


def two_spans() -> ExportTraceServiceRequest:
    def instrumented(tracer: Tracer) -> None:
        tracer.start_span("good").end()
        tracer.start_span("bad").end()

    request = recorded(instrumented)
    request.resource_spans[0].scope_spans[0].spans[1].span_id = bytes(8)
    return request


@pytest.mark.parametrize("path", [PATH, "/v1/traces"])
async def test_spans_in_protobuf_are_stored_before_the_answer(owner: Person, path: str) -> None:
    answer = await send(owner, one_span(CHAT), path)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
    assert ExportTraceServiceResponse.FromString(answer.content) == ExportTraceServiceResponse()
    (trace,) = await traces_of(owner)
    assert (trace["agent_name"], trace["workflow"], trace["models"]) == ("support", "shop", ["gpt-4o-mini"])
    assert (trace["input"], trace["output"]) == ("Where is my order?", "On its way.")
    assert (trace["total_tokens"], trace["cost_usd"]) == (1100, "0.00021")


@pytest.mark.parametrize("snake_case", [False, True])
async def test_spans_in_json_are_stored_and_answered_in_json(owner: Person, snake_case: bool) -> None:
    body = as_json(one_span(CHAT), snake_case=snake_case)
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Workspace-Id": str(owner.workspace_id)}

    answer = await owner.client.post(PATH, content=gzip.compress(body), headers=headers | {"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (200, "application/json", {})
    assert [trace["agent_name"] for trace in await traces_of(owner)] == ["support"]


async def test_an_api_key_decides_the_workspace(owner: Person, client: httpx.AsyncClient) -> None:
    headers = PROTOBUF | owner.bearing(await owner.key())

    answer = await client.post(PATH, content=one_span(CHAT).SerializeToString(), headers=headers)

    assert answer.status_code == 200
    assert len(await traces_of(owner)) == 1


async def test_bad_spans_are_a_partial_success_and_the_good_ones_are_stored(owner: Person) -> None:
    request = two_spans()
    own = {"X-Workspace-Id": str(owner.workspace_id)}

    protobuf = await send(owner, request)
    in_json = await owner.client.post(PATH, content=as_json(request), headers=JSON | own)

    partial = ExportTraceServiceResponse.FromString(protobuf.content).partial_success
    assert (protobuf.status_code, partial.rejected_spans) == (200, 1)
    assert partial.error_message.startswith("1 of 2 spans refused: span_id must be 8 bytes")
    assert in_json.json()["partialSuccess"]["rejectedSpans"] == "1"
    assert [trace["name"] for trace in await traces_of(owner)] == ["good"]


async def test_sending_the_same_spans_again_changes_nothing_but_the_statistics(owner: Person) -> None:
    request = one_span(CHAT)
    await send(owner, request)
    before = await traces_of(owner)

    for _ in range(2):
        assert (await send(owner, request)).status_code == 200

    assert await traces_of(owner) == before
    statistics = await statistics_of(owner)
    assert (statistics["received"], statistics["stored"], statistics["duplicates"]) == (3, 1, 2)


async def test_the_statistics_tell_what_arrived_and_what_was_refused(owner: Person) -> None:
    request = two_spans()
    await send(owner, request)
    await send(owner, one_span({"openinference.span.kind": "CHAIN"}, service_name="kitchen"))

    statistics = await statistics_of(owner)

    assert (statistics["received"], statistics["stored"], statistics["rejected"]) == (3, 2, 1)
    assert statistics["bytes"] > request.ByteSize()
    assert statistics["spans_per_second"] == round(3 / 3600, 3)
    assert statistics["by_service"] == {"shop": 1, "kitchen": 1}
    assert statistics["by_dialect"] == {"plain": 1, "openinference": 1}
    (rejection,) = statistics["rejections"]
    assert rejection["reason"].startswith("span_id must be 8 bytes")
    assert (rejection["count"], rejection["sample"]) == (1, "span 'bad' of service 'shop'")


async def test_a_sender_may_read_the_statistics_with_its_key(owner: Person, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PATH}/stats", headers=owner.bearing(await owner.key("write:traces")))
    refused = await client.get(f"{PATH}/stats", headers=owner.bearing(await owner.key("read:agents")))

    assert (answer.status_code, answer.json()["received"]) == (200, 0)
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "read:workspace")


@pytest.mark.parametrize("window", ["", "1", "1w", "0h", "h", "999999d", "-1h", "400d"])
async def test_a_window_that_is_none_is_refused(owner: Person, window: str) -> None:
    answer = await owner.client.get(
        f"{PATH}/stats", params={"window": window}, headers={"X-Workspace-Id": str(owner.workspace_id)}
    )

    assert (answer.status_code, answer.json()["errors"][0]["location"]) == (422, ["query", "window"])


def status_in(answer: httpx.Response, headers: dict[str, str]) -> tuple[int, str]:
    """Code and message of a failure, which must come in the request's encoding."""
    assert answer.headers["content-type"] == headers["Content-Type"]
    if headers == JSON:
        return answer.json()["code"], answer.json()["message"]
    status = Status.FromString(answer.content)
    return status.code, status.message


@pytest.mark.parametrize("headers", [PROTOBUF, JSON])
async def test_every_refusal_is_a_status_in_the_encoding_of_the_request(
    owner: Person, stranger: Person, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    own = {"X-Workspace-Id": str(owner.workspace_id)}
    narrow = owner.bearing(await owner.key("read:agents"))

    nobody = await client.post(PATH, content=b"x", headers=headers)
    fraud = await client.post(PATH, content=b"x", headers=headers | owner.bearing("sk_live_nonsense"))
    without_scope = await client.post(PATH, content=b"x", headers=headers | narrow)
    foreign = await stranger.client.post(PATH, content=b"x", headers=headers | own)
    nowhere = await owner.client.post(PATH, content=b"x", headers=headers)
    misspelt = await owner.client.post(PATH, content=b"x", headers=headers | {"X-Workspace-Id": "mine"})
    malformed = await owner.client.post(PATH, content=b"x", headers=headers | own)
    unzipped = await owner.client.post(PATH, content=b"x", headers=headers | own | {"Content-Encoding": "gzip"})
    exotic = await owner.client.post(PATH, content=b"x", headers=headers | own | {"Content-Encoding": "br"})
    unknown = await owner.client.post(f"{PATH}?a=b", content=b"", headers=headers | own)
    got = await owner.client.get(PATH, headers=headers | own)

    for answer, status, code in [
        (nobody, 401, 16),
        (fraud, 401, 16),
        (without_scope, 403, 7),
        (foreign, 404, 5),
        (nowhere, 400, 3),
        (misspelt, 400, 3),
        (malformed, 400, 3),
        (unzipped, 400, 3),
        (exotic, 415, 3),
        (unknown, 400, 3),
        (got, 405, 12),
    ]:
        assert answer.status_code == status, answer.text
        assert status_in(answer, headers)[0] == code
        assert status_in(answer, headers)[1]
    assert nobody.headers["www-authenticate"] == "Bearer"


async def test_another_media_type_is_refused_readably(owner: Person) -> None:
    answer = await send(owner, one_span({}), **{"Content-Type": "text/plain"})

    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (415, "application/json", 3)


@pytest.mark.parametrize("headers", [PROTOBUF, JSON])
async def test_a_body_over_the_limit_is_refused_before_and_after_inflating(
    owner: Person, settings: Settings, database: Database, headers: dict[str, str]
) -> None:
    narrow = create_app(settings.model_copy(update={"max_body_bytes": 20_000}), database)
    sent = headers | owner.bearing(await owner.key())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=narrow), base_url="http://testserver") as client:
        plain = await client.post(PATH, content=bytes(20_001), headers=sent)
        bomb = await client.post(PATH, content=gzip.compress(bytes(10_000_000)), headers=sent | {"Content-Encoding": "gzip"})

    for answer in (plain, bomb):
        assert answer.status_code == 413
        assert "20000 bytes" in status_in(answer, headers)[1]


async def test_a_server_with_its_hands_full_asks_to_try_again(owner: Person, app: FastAPI) -> None:
    intake: Intake = app.state.intake
    intake.held_bytes = 10 * app.state.settings.max_body_bytes

    answer = await send(owner, one_span({}))

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert Status.FromString(answer.content).code == 14
    intake.held_bytes = 0
    assert (await send(owner, one_span({}))).status_code == 200
    assert intake.held_bytes == 0


async def test_a_compressed_body_is_held_at_the_size_that_it_has_inflated(owner: Person, app: FastAPI) -> None:
    intake: Intake = app.state.intake
    body = gzip.compress(one_span({"text": "x" * 1_000_000}).SerializeToString())
    sent = PROTOBUF | {"Content-Encoding": "gzip"} | owner.bearing(await owner.key())
    intake.held_bytes = 4 * app.state.settings.max_body_bytes - 500_000

    refused = await owner.client.post(PATH, content=body, headers=sent)

    assert (len(body) < 10_000, refused.status_code) == (True, 503)
    intake.held_bytes = 0
    assert (await owner.client.post(PATH, content=body, headers=sent)).status_code == 200
    assert intake.held_bytes == 0


async def test_a_database_that_does_not_answer_is_503_and_worth_a_retry(owner: Person, settings: Settings) -> None:
    cut_off = create_app(settings, Database("postgresql://localhost:1/nowhere"))
    sent = PROTOBUF | owner.bearing(await owner.key())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=cut_off), base_url="http://testserver") as client:
        answer = await client.post(PATH, content=one_span({}).SerializeToString(), headers=sent)

    assert (answer.status_code, Status.FromString(answer.content).code) == (503, 14)
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.own_database
async def test_a_commit_that_fails_is_never_answered_with_200(owner: Person, database_url: str) -> None:
    for statement in FAILING_COMMIT:
        await asyncio.to_thread(run_sql, database_url, statement)

    answer = await send(owner, one_span(CHAT))

    assert answer.status_code == 500
    assert Status.FromString(answer.content).code == 13
    assert await traces_of(owner) == []


async def test_what_postgres_cannot_hold_is_stored_nearly_as_it_was(owner: Person) -> None:
    attributes = {
        "gen_ai.agent.name": "a\x00b",
        "input": "nul \x00 here",
        "odd\x00key": "\x00",
        "looks": "\\u0000",
        "nan": float("nan"),
    }

    assert (await send(owner, one_span(attributes))).status_code == 200

    (trace,) = await traces_of(owner)
    assert trace["agent_name"] == "a\ufffdb"
    detail = (await owner.client.get(f"{owner.w}/traces/{trace['id']}")).json()
    (span,) = detail["spans"]
    assert span["input"] == "nul \ufffd here"
    assert span["attributes"]["odd\ufffdkey"] == "\ufffd"
    assert span["attributes"]["looks"] == "\\u0000"
    assert span["attributes"]["nan"] == "NaN"
    assert (span["scope"], span["otlp"]["kind"]) == ({"name": "tests"}, "internal")


async def test_a_text_cut_within_an_emoji_costs_neither_the_span_nor_its_batch(owner: Person) -> None:
    body = as_json(one_span({"input": "CUT", "whole": "WHOLE", "looks": "LOOKS"}))
    for spelt, escape in ((b"CUT", rb"cut \ud83d"), (b"WHOLE", rb"\ud83d\ude00"), (b"LOOKS", rb"\\ud83d")):
        body = body.replace(spelt, escape)

    answer = await owner.client.post(PATH, content=body, headers=JSON | {"X-Workspace-Id": str(owner.workspace_id)})

    assert (answer.status_code, answer.content) == (200, b"{}")
    (trace,) = await traces_of(owner)
    (span,) = (await owner.client.get(f"{owner.w}/traces/{trace['id']}")).json()["spans"]
    assert span["input"] == "cut \ufffd"
    assert span["attributes"].items() >= {"whole": "\U0001f600", "looks": "\\ud83d"}.items()


async def test_agents_on_spans_are_inferred(owner: Person, database: Database) -> None:
    await send(owner, one_span(CHAT))
    await send(owner, one_span(CHAT))

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        agent = (await session.scalars(Agent.in_workspace(owner.workspace_id))).one()
    assert (agent.name, agent.origin, agent.status) == ("support", AgentOrigin.INFERRED, AgentStatus.PENDING)
    assert {trace["agent_id"] for trace in await traces_of(owner)} == {str(agent.id)}


async def test_an_empty_request_is_fine(owner: Person) -> None:
    assert (await send(owner, ExportTraceServiceRequest())).status_code == 200
    assert (await statistics_of(owner))["received"] == 0


async def test_the_documented_example_is_accepted(owner: Person, app: FastAPI) -> None:
    example = app.openapi()["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["example"]
    span = example["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    now_ns = int(datetime.now(UTC).timestamp()) * 1_000_000_000
    span |= {"startTimeUnixNano": str(now_ns), "endTimeUnixNano": str(now_ns + 1), "traceId": uuid4().hex}

    answer = await owner.client.post(
        PATH, content=json.dumps(example), headers=JSON | {"X-Workspace-Id": str(owner.workspace_id)}
    )

    assert (answer.status_code, answer.json()) == (200, {})
