"""Masking, for any text: what is found is gone, once is as good as twice, and a quick look never overlooks anything."""

import json
import re
from base64 import b64encode
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import text

from spectral_platform.core.database import Database
from spectral_platform.otel.encoding import Encoding
from spectral_platform.workspaces.policies.detectors import Detector
from spectral_platform.workspaces.policies.masking import Masker, Masking, MaskingRule
from tests.fixtures.callers import Person

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIr3+Zx9/bQ=\n-----END EC PRIVATE KEY-----"
PLANTED = {
    "sk-proj-abcdefghijklmnop1234": "sk-proj-abcdefghijklmnop1234",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "AKIAIOSFODNN7EXAMPLE": "AKIAIOSFODNN7EXAMPLE",
    "xoxb-123456789012-abcdefGHIJKL": "xoxb-123456789012-abcdefGHIJKL",
    JWT: JWT,
    PEM: "MHcCAQEEIIr3+Zx9/bQ=",
    "Authorization: Bearer 9f8e7d6c5b4a39281706": "9f8e7d6c5b4a39281706",
    "Authorization: Basic YW5uOmh1bnRlcjI=": "YW5uOmh1bnRlcjI=",
    "postgresql://app:S3cr3tPassw0rd@db.internal/shop": "S3cr3tPassw0rd",
    "api_key=Zk3vQ9xT7mLp2RwY": "Zk3vQ9xT7mLp2RwY",
    '"clientSecret": "b7Jq-0aXv_44kLmN8sTe"': "b7Jq-0aXv_44kLmN8sTe",
    "password: hunter2!x": "hunter2!x",
    "ann.lee@example.org": "ann.lee@example.org",
    "4111 1111 1111 1111": "4111 1111 1111 1111",
    "378282246310005": "378282246310005",
    "DE89 3704 0044 0532 0130 00": "DE89 3704 0044 0532 0130 00",
    "078-05-1120": "078-05-1120",
    "+1 415 555 2671": "+1 415 555 2671",
}
HARMLESS = (
    "What is the state of order 1234?",
    "version 2.14.1 of 2026-11-22T10:00:00.123456789Z took 1795323600000000000 ns",
    "1795323600123 ms since 1970, id 4bf92f3577b34da6a3ce929d0e0e4736",
    "01a202f0-0e57-7df2-82f7-2b148bd4c584",
    "max_tokens=4096, total_tokens: 128000, token budget, the secret of success, password required",
    "Basic understanding of bearer bonds; a basic_knowledge of sk-learn",
    "https://docs.example.com:8443/orders?page=2 and http://127.0.0.1:8000/@ann",
    "gpt-4o-mini-2024-07-18 claude-haiku-4-5 text-embedding-3-small",
    "über Straße 7, 日本語 🚚",
    '{"role": "user", "content": "hello\\nworld"}',
)
EVERYTHING = Masking(detectors=tuple(Detector))
MASKER = Masker(EVERYTHING)
WITH_RULES = Masker(
    Masking(
        detectors=tuple(Detector),
        rules=(MaskingRule(name="line", pattern=r"^CUST-\d+$"), MaskingRule(name="any", pattern=r"(?i)ticket \d+")),
        keys=("*password*", "auth.token"),
    )
)
AT_THE_ENDS = Masker(Masking(rules=(MaskingRule(name="only", pattern=r"\Aonly\z"),)))
fragments = st.sampled_from([*PLANTED, *HARMLESS, "CUST-12", "Ticket 7", "only", "\n", "\\n", " ", '"', "é", "\ud83d", "0", "a"])
texts = st.lists(fragments, max_size=5).map("".join)
values = st.recursive(
    texts | st.integers(0, 5 * 10**15) | st.floats(allow_nan=False) | st.none() | st.booleans(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "db.password", "auth.token", "api_key", "ann.lee@example.org"]), children, max_size=3
        )
        | children.map(lambda value: json.dumps(value))
    ),
    max_leaves=6,
)


@pytest.mark.parametrize(("wrapped", "secret"), PLANTED.items())
@pytest.mark.parametrize("around", ["{}", "see {}, please", "é{}", "line\n{}\nline", "({})", "a: {}."])
def test_a_secret_is_found_whatever_stands_around_it(wrapped: str, secret: str, around: str) -> None:
    said = around.format(wrapped)

    assert secret not in MASKER.text(said)
    as_json = json.dumps({"content": said})
    masked = MASKER.text(as_json)
    assert json.dumps(secret)[1:-1] not in masked
    assert "content" in json.loads(masked)
    assert secret not in json.dumps(json.loads(MASKER.text(json.dumps([as_json]))))


@pytest.mark.parametrize("said", HARMLESS)
def test_a_text_without_secrets_stays_as_it_is(said: str) -> None:
    assert MASKER.text(said) == said
    assert MASKER.value([said, {said: [said]}]) == [said, {said: [said]}]


@given(said=texts)
@settings(max_examples=60)
@pytest.mark.parametrize("masker", [MASKER, WITH_RULES, AT_THE_ENDS])
def test_masking_twice_is_masking_once(masker: Masker, said: str) -> None:
    once = masker.text(said)

    assert masker.text(once) == once


def as_stored(value: Any) -> str:
    """As JSON, which has no halves of characters."""
    return json.dumps(value).replace("\\ud83d", "\\ufffd")


@given(value=values)
@settings(max_examples=80)
@pytest.mark.parametrize("masker", [MASKER, WITH_RULES, AT_THE_ENDS])
def test_what_a_quick_look_leaves_stays_as_it_is(masker: Masker, value: Any) -> None:
    if masker.leaves(["before", value, "after"]):
        assert as_stored(masker.value(value)) == as_stored(value)


def test_a_value_is_a_secret_by_its_key() -> None:
    drawn = "Zk3vQ9xT7mLp2RwY"

    assert MASKER.mapping({"x.api_key": drawn, "request": {"clientSecret": drawn}, "id": drawn, "password": "required"}) == {
        "x.api_key": "[secret]",
        "request": {"clientSecret": "[secret]"},
        "id": drawn,
        "password": "required",
    }


def test_keys_that_become_the_same_keep_their_values() -> None:
    assert MASKER.mapping({"a@b.de": 1, "c@d.de": 2}) == {"[email]": 1, "[email] (2)": 2}


EVERYWHERE = " ".join(PLANTED)


def attributes(prefix: str) -> list[dict[str, Any]]:
    strings = {
        prefix: EVERYWHERE,
        f"{prefix}.json": json.dumps([{"content": f"line\n{each}"} for each in PLANTED]),
        "gen_ai.agent.name": f"agent of {EVERYWHERE}"[:190],
        "gen_ai.request.model": "model AKIAIOSFODNN7EXAMPLE",
        "gen_ai.provider.name": "AKIAIOSFODNN7EXAMPLE",
        "gen_ai.workflow.name": "flow of ann.lee@example.org",
        "gen_ai.conversation.id": "ann.lee@example.org",
        "user.id": "078-05-1120",
        "service.name": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        **dict.fromkeys(PLANTED, "as a key"),
    }
    listed = [{"key": name, "value": {"stringValue": value}} for name, value in strings.items()]
    tags = {"arrayValue": {"values": [{"stringValue": each} for each in PLANTED]}}
    number = {"key": f"{prefix}.number", "value": {"intValue": "378282246310005"}}
    nested = {"kvlistValue": {"values": [{"key": each, "value": {"stringValue": each}} for each in PLANTED]}}
    return [*listed, {"key": "tag.tags", "value": tags}, number, {"key": f"{prefix}.nested", "value": nested}]


def body() -> dict[str, Any]:
    """Secrets in everything that OTLP lets a sender write, in a span that is stored and in one that is refused."""
    span = {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": "00f067aa0ba902b7",
        "traceState": "vendor=AKIAIOSFODNN7EXAMPLE",
        "name": EVERYWHERE,
        "startTimeUnixNano": "1795323600000000001",
        "endTimeUnixNano": "1795323600840000000",
        "status": {"code": 2, "message": EVERYWHERE},
        "attributes": attributes("span"),
        "events": [{"name": EVERYWHERE, "timeUnixNano": "1795323600000000000", "attributes": attributes("event")}],
        "links": [{"traceId": "4b" * 16, "spanId": "00f067aa0ba902b8", "traceState": "v=AKIAIOSFODNN7EXAMPLE"}],
    }
    span["links"][0]["attributes"] = attributes("link")  # type: ignore[index]  # the link just made
    scope = {"name": EVERYWHERE, "version": "AKIAIOSFODNN7EXAMPLE", "attributes": attributes("scope")}
    refused = [{**span, "spanId": "00", "name": each} for each in PLANTED]
    scoped = {"scope": scope, "spans": [span, *refused], "schemaUrl": "https://app:S3cr3tPassw0rd@example.org/1.0"}
    return {"resourceSpans": [{"resource": {"attributes": attributes("resource")}, "scopeSpans": [scoped]}]}


def as_protobuf(value: dict[str, Any]) -> bytes:
    in_base64 = re.sub(
        r'"(traceId|spanId)": "([0-9a-f]*)"',
        lambda found: f'"{found[1]}": "{b64encode(bytes.fromhex(found[2])).decode()}"',
        json.dumps(value),
    )
    return ParseDict(json.loads(in_base64), ExportTraceServiceRequest()).SerializeToString()


async def send_json(owner: Person) -> None:
    answer = await owner.client.post("/otel/v1/traces", json=body(), headers={"X-Workspace-Id": str(owner.workspace_id)})
    assert answer.json()["partialSuccess"]["rejectedSpans"] == str(len(PLANTED))


async def send_protobuf(owner: Person) -> None:
    headers = {"X-Workspace-Id": str(owner.workspace_id), "Content-Type": Encoding.PROTOBUF.value}
    assert (await owner.client.post("/otel/v1/traces", content=as_protobuf(body()), headers=headers)).status_code == 200


async def send_report(owner: Person) -> None:
    report = {
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "agent": EVERYWHERE[:190],
        "input": f"cut \ud83d {EVERYWHERE}",
        "output": EVERYWHERE,
        "error": EVERYWHERE,
        "model": "AKIAIOSFODNN7EXAMPLE",
        "session_id": "ann.lee@example.org",
        "user_id": "ann.lee@example.org",
        "tags": ["078-05-1120", "ann.lee@example.org"],
        "metadata": {each: [each, {each: each}] for each in PLANTED} | {"number": 378282246310005, "double": 378282246310005.0},
    }
    refused = {"input": EVERYWHERE, "ann.lee@example.org": EVERYWHERE}
    sent = await owner.client.post(
        f"{owner.w}/traces", content=json.dumps({"traces": [report, refused]}), headers={"Content-Type": "application/json"}
    )
    assert (sent.status_code, sent.json()["accepted"]) == (202, 1)
    feedback = {"score": 1, "source": "user", "comment": EVERYWHERE, "corrected_output": EVERYWHERE}
    path = f"{owner.w}/traces/{report['trace_id']}/feedback"
    judged = await owner.client.post(path, json=feedback | {"dimension": "ann.lee@example.org"})
    assert judged.status_code == 201


async def kept(database: Database, owner: Person) -> str:
    """Every row of the workspace in every table."""
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        tables = await session.scalars(
            text(
                "SELECT relname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
                "WHERE attname = 'workspace_id' AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
                "AND NOT relispartition AND has_table_privilege(pg_class.oid, 'SELECT')"
            )
        )
        rows: list[str] = []
        for table in tables.all():
            own = text(f'SELECT row_to_json(t)::text FROM "{table}" t WHERE workspace_id = :workspace_id')
            rows += await session.scalars(own, {"workspace_id": owner.workspace_id})
    return "\n".join(rows)


@pytest.mark.parametrize("send", [send_json, send_protobuf, send_report])
async def test_no_secret_is_in_any_table_whichever_way_it_came(send: Any, owner: Person, database: Database) -> None:
    policy = {"detectors": [detector.value for detector in Detector]}
    assert (await owner.client.put(f"{owner.w}/masking", json=policy)).status_code == 200

    await send(owner)

    rows = await kept(database, owner)
    assert "[secret]" in rows
    for secret in PLANTED.values():
        assert json.dumps(secret)[1:-1] not in rows
        assert secret not in rows
