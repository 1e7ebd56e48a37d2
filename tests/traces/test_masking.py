"""What a workspace does not want stored is not stored, whichever way it comes in; and what models cost there."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from spectral_platform.core.database import Database
from spectral_platform.workspaces.policies.masking import Masker, Masking, MaskingRule
from tests.fixtures.callers import Person

CARD = "4111 1111 1111 1111"
SECRET = "sk-proj-abcdefghijklmnop1234"
EMAIL = "ann.lee@example.org"
EVERYTHING = Masking(detectors=("email", "card", "secret", "phone", "iban", "ssn"))
PLANTED = f"I am {EMAIL}, card {CARD}, key {SECRET}"

MASKED: list[tuple[str, str]] = [
    (f"mail {EMAIL}!", "mail [email]!"),
    (f"pay with {CARD} now", "pay with [card] now"),
    ("order 4111 1111 1111 1112", "order 4111 1111 1111 1112"),
    (f"key={SECRET}", "key=[secret]"),
    ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
    ("Authorization: Bearer abcdefghijklmnopqrstuvwx", "Authorization: [secret]"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "[secret]"),
    ("call +1 415 555 2671 today", "call [phone] today"),
    ("DE89 3704 0044 0532 0130 00 IS MINE", "[iban] IS MINE"),
    ("078-05-1120", "[ssn]"),
    ("version 1.2.3 of 2026-11-22, 15 items", "version 1.2.3 of 2026-11-22, 15 items"),
    ("\u00fcber \U0001f69a a@b.de \u00e4", "\u00fcber \U0001f69a [email] \u00e4"),
    ("", ""),
]


async def stored(database: Database, owner: Person) -> str:
    """Everything that is kept of spans, traces, feedback and statistics, as one text."""
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        rows = [
            str(row)
            for table in ("spans", "traces", "feedback", "ingest_counts")
            for (row,) in await session.execute(text(f"SELECT row_to_json(t)::text FROM {table} t"))
        ]
    return "\n".join(rows)


@pytest.mark.parametrize(("plain", "masked"), MASKED)
def test_what_is_recognised_is_replaced_and_the_rest_stays(plain: str, masked: str) -> None:
    assert Masker(EVERYTHING).text(plain) == masked


def test_masking_what_is_masked_changes_nothing() -> None:
    masker = Masker(EVERYTHING)

    assert [masker.text(masked) for _, masked in MASKED] == [masked for _, masked in MASKED]


def test_rules_come_first_and_in_their_order() -> None:
    rules = (MaskingRule(name="ann", pattern="ann", replacement="X"), MaskingRule(name="rest", pattern=r"\.lee"))
    masker = Masker(EVERYTHING.model_copy(update={"rules": rules}))

    assert masker.text(f"{EMAIL} and bob@example.org") == "X[rest]@example.org and [email]"


def test_a_replacement_is_text_and_no_template() -> None:
    rules = (MaskingRule(name="digits", pattern=r"(\d+)", replacement=r"\1 \0 $1"),)

    assert Masker(Masking(rules=rules)).text("a 12") == r"a \1 \0 $1"


def test_values_of_masked_keys_are_gone_however_deep_they_are() -> None:
    masker = Masker(Masking(keys=("*password*", "auth.token")))
    document = {"user": "ann", "Old_Password": "a", "nested": [{"password": {"x": 1}}], "auth.token": 5, "auth_token": 5}

    assert masker.mapping(document) == {
        "user": "ann",
        "Old_Password": "[key]",
        "nested": [{"password": "[key]"}],
        "auth.token": "[key]",
        "auth_token": 5,
    }
    assert json.loads(masker.text(json.dumps(document))) == masker.mapping(document)
    assert masker.text('{"password": unclosed') == '{"password": unclosed'


@pytest.mark.parametrize("wrap", [lambda text: f" \n{text}", lambda text: json.dumps([{"arguments": text}])])
def test_keys_are_found_in_json_behind_spaces_and_in_json_in_json(wrap: Any) -> None:
    masked = Masker(Masking(keys=("password",))).text(wrap(json.dumps({"password": "hunter2hunter2", "user": "ann"})))

    assert "hunter2hunter2" not in masked
    assert "ann" in masked


@pytest.mark.parametrize("depth", [300, 1_000])
def test_what_is_nested_too_deep_to_be_looked_into_is_not_stored(depth: int) -> None:
    masked = Masker(Masking(keys=("password",))).text("[" * depth + '{"password": "hunter2"}' + "]" * depth)

    assert masked == "[key]"


def test_a_card_that_is_a_number_is_masked_too() -> None:
    assert Masker(EVERYTHING).value({"card": 4111111111111111, "order": 4111}) == {"card": "[card]", "order": 4111}


def test_text_of_any_length_is_masked_in_linear_time() -> None:
    masker = Masker(Masking(detectors=EVERYTHING.detectors, rules=(MaskingRule(name="x", pattern="(a+)+$"),)))

    assert masker.text("a" * 200_000 + "b") == "a" * 200_000 + "b"
    assert masker.text("1 " * 100_000 + EMAIL).endswith("[email]")


async def send_by_otlp(owner: Person) -> None:
    attributes = [
        {"key": "gen_ai.prompt", "value": {"stringValue": PLANTED}},
        {"key": "user.id", "value": {"stringValue": EMAIL}},
        {"key": "db.password", "value": {"stringValue": "hunter2hunter2"}},
    ]
    span: dict[str, Any] = {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": "00f067aa0ba902b7",
        "name": f"mail to {EMAIL}",
        "startTimeUnixNano": "1795323600000000000",
        "endTimeUnixNano": "1795323600840000000",
        "status": {"code": 2, "message": f"no such key {SECRET}"},
        "attributes": attributes,
        "events": [{"name": EMAIL, "timeUnixNano": "1795323600000000000", "attributes": attributes}],
        "links": [{"traceId": "4bf92f3577b34da6a3ce929d0e0e4737", "spanId": "00f067aa0ba902b8", "attributes": attributes}],
    }
    refused = {**span, "spanId": "00", "name": EMAIL}
    resource = {"attributes": [{"key": "host.owner", "value": {"stringValue": EMAIL}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span, refused]}]}]}
    answer = await owner.client.post("/otel/v1/traces", json=body, headers={"X-Workspace-Id": str(owner.workspace_id)})
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"


async def send_as_report(owner: Person) -> None:
    report = {
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "input": PLANTED,
        "output": PLANTED,
        "error": f"lost {SECRET}",
        "user_id": EMAIL,
        "session_id": EMAIL,
        "tags": [EMAIL],
        "metadata": {"note": PLANTED, "db": {"password": "hunter2hunter2"}},
    }
    assert (await owner.client.post(f"{owner.w}/traces", json={"traces": [report]})).status_code == 202
    feedback = {"score": 1, "source": "user", "comment": PLANTED, "corrected_output": PLANTED}
    path = f"{owner.w}/traces/{report['trace_id']}/feedback"
    assert (await owner.client.post(path, json=feedback)).status_code == 201


@pytest.mark.parametrize("send", [send_by_otlp, send_as_report])
async def test_nothing_of_what_is_masked_is_stored(send: Any, owner: Person, database: Database) -> None:
    policy = {"detectors": ["email", "card", "secret"], "keys": ["*password"]}
    assert (await owner.client.put(f"{owner.w}/masking", json=policy)).status_code == 200

    await send(owner)

    kept = await stored(database, owner)
    for planted in (EMAIL, CARD, SECRET, "hunter2hunter2"):
        assert planted not in kept
    for mark in ("[email]", "[card]", "[secret]", "[key]"):
        assert mark in kept


async def test_a_secret_is_masked_before_the_sample_of_a_refused_span_is_cut(owner: Person, database: Database) -> None:
    assert (await owner.client.put(f"{owner.w}/masking", json={"detectors": ["secret"]})).status_code == 200
    span = {"name": "x" * 280 + f" {SECRET}", "traceId": "00"}

    for path, body in (
        ("/otel/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}),
        (f"{owner.w}/traces", {"traces": [{"input": "", "output": "", "x" * 280 + f" {SECRET}": 1}]}),
    ):
        await owner.client.post(path, json=body, headers={"X-Workspace-Id": str(owner.workspace_id)})

    assert "xxxx" in await stored(database, owner)
    assert "sk-proj" not in await stored(database, owner)


async def test_a_secret_is_masked_before_the_labels_of_a_span_are_cut(owner: Person, database: Database) -> None:
    assert (await owner.client.put(f"{owner.w}/masking", json={"detectors": ["secret"]})).status_code == 200
    half = "x" * 190 + f" {SECRET}"  # cut first, it would end in eight characters that nobody knows for a secret's
    names = ["user.id", "session.id", "gen_ai.agent.name", "gen_ai.request.model", "gen_ai.provider.name", "gen_ai.response.id"]
    attributes = [{"key": name, "value": {"stringValue": half}} for name in names]
    tags = {"key": "tag.tags", "value": {"arrayValue": {"values": [{"stringValue": half}]}}}
    span = {
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": "00f067aa0ba902b7",
        "name": "chat",
        "startTimeUnixNano": "1795323600000000000",
        "endTimeUnixNano": "1795323600840000000",
        "attributes": [*attributes, tags],
    }
    resource = {"attributes": [{"key": name, "value": {"stringValue": half}} for name in ("service.name", "telemetry.sdk.name")]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span, {"name": "refused"}]}]}]}

    await owner.client.post("/otel/v1/traces", json=body, headers={"X-Workspace-Id": str(owner.workspace_id)})

    kept = await stored(database, owner)
    assert "x" * 190 + " [secret]" in kept
    assert "sk-proj" not in kept
    trace = (await owner.client.get(f"{owner.w}/traces")).json()["results"][0]
    assert {len(label) for label in (trace["user_id"], trace["session_id"], trace["agent_name"], *trace["tags"])} == {199}


async def test_without_a_policy_and_in_other_workspaces_everything_is_kept(
    owner: Person, stranger: Person, database: Database
) -> None:
    await owner.client.put(f"{owner.w}/masking", json={"detectors": ["email"]})

    await send_as_report(stranger)

    assert EMAIL in await stored(database, stranger)


async def test_a_workspaces_own_prices_come_before_the_price_book(owner: Person) -> None:
    prices = [
        {"model": "gpt-4o-mini", "input_usd": "1000", "output_usd": "2000"},
        {"model": "acme-large", "input_usd": "0.5", "output_usd": "1.5"},
    ]
    call = {"input": "a", "output": "b", "input_tokens": 1_000, "output_tokens": 100}
    reports = [{**call, "model": model} for model in ("gpt-4o-mini", "acme-large", "unheard-of")]

    async def costs() -> list[str | None]:
        sent = (await owner.client.post(f"{owner.w}/traces", json={"traces": reports})).json()["trace_ids"]
        return [(await owner.client.get(f"{owner.w}/traces/{trace_id}")).json()["cost_usd"] for trace_id in sent]

    before = await costs()
    assert (await owner.client.put(f"{owner.w}/prices", json={"prices": prices})).status_code == 200

    assert before[0] not in {None, "1.2"}
    assert before[1:] == [None, None]
    assert await costs() == ["1.2", "0.00065", None]
    await owner.client.put(f"{owner.w}/prices", json={"prices": []})
    assert await costs() == before
