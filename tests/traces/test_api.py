"""Traces over HTTP: taking them in, finding them, and seeing them whole."""

import json
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.traces.spans import SpanKind, SpanStatus
from tests.fixtures.callers import Person
from tests.traces.factories import START, call, draft, index, nested, new_trace_id, store

ORDER = {"agent": "support", "input": "Where is my order?", "output": "On its way."}


async def report(person: Person, *traces: Any) -> dict[str, Any]:
    answer = await person.client.post(f"{person.w}/traces", json={"traces": list(traces)})
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


async def listed(person: Person, **query: Any) -> dict[str, Any]:
    answer = await person.client.get(f"{person.w}/traces", params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def names(person: Person, **query: Any) -> list[str]:
    return [trace["name"] for trace in (await listed(person, **query))["results"]]


async def detail(person: Person, trace_id: str, **query: Any) -> dict[str, Any]:
    answer = await person.client.get(f"{person.w}/traces/{trace_id}", params=query)
    assert answer.status_code == 200, answer.text
    trace: dict[str, Any] = answer.json()
    return trace


async def test_a_trace_told_in_a_few_words_becomes_a_trace_of_one_span(owner: Person) -> None:
    trace_id = new_trace_id()
    told = {
        **ORDER,
        "trace_id": trace_id.upper(),
        "started_at": "2026-03-01T12:00:00+02:00",
        "latency_ms": 840,
        "model": "gpt-4o-mini",
        "input_tokens": 1000,
        "output_tokens": 100,
        "session_id": "s-1",
        "user_id": "u-1",
        "tags": ["beta"],
        "metadata": {"shop": {"id": 7}},
    }

    accepted = await report(owner, told)

    assert accepted == {"accepted": 1, "trace_ids": [trace_id], "rejected": []}
    trace = await detail(owner, trace_id)
    (span,) = trace["spans"]
    assert trace["id"] == trace["trace_id"] == trace_id
    assert (trace["started_at"], trace["duration_ms"], trace["status"]) == ("2026-03-01T10:00:00.000000Z", 840, "ok")
    assert (trace["agent_name"], trace["session_id"], trace["user_id"], trace["tags"]) == ("support", "s-1", "u-1", ["beta"])
    assert (trace["input"], trace["output"], trace["models"]) == (ORDER["input"], ORDER["output"], ["gpt-4o-mini"])
    assert (trace["total_tokens"], trace["cost_usd"], trace["unpriced_spans"]) == (1100, "0.00021", 0)
    assert (span["kind"], span["attributes"]["shop"], span["parent_span_id"]) == ("llm", {"id": 7}, None)


async def test_the_least_that_can_be_told_is_enough(owner: Person) -> None:
    before = clock.now()

    (trace_id,) = (await report(owner, {"input": "Hello", "output": None}))["trace_ids"]

    trace = await detail(owner, trace_id)
    assert (trace["name"], trace["agent_id"], trace["cost_usd"], trace["total_tokens"]) == ("trace", None, None, None)
    assert before <= datetime.fromisoformat(trace["started_at"]) <= clock.now()


@pytest.mark.parametrize(
    ("error", "status", "message"), [("too late", "error", "too late"), (True, "error", None), (False, "ok", None)]
)
async def test_a_failure_can_be_told_with_and_without_words(
    owner: Person, error: str | bool, status: str, message: str | None
) -> None:
    (trace_id,) = (await report(owner, ORDER | {"output": None, "error": error}))["trace_ids"]

    trace = await detail(owner, trace_id)
    assert (trace["status"], trace["spans"][0]["status_message"]) == (status, message)


async def test_a_text_cut_within_an_emoji_is_stored_without_its_half(owner: Person) -> None:
    body = r'{"traces": [{"input": "cut \ud83d", "output": "whole \ud83d\ude00"}]}'

    answer = await owner.client.post(f"{owner.w}/traces", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 202, answer.text
    trace = await detail(owner, answer.json()["trace_ids"][0])
    assert (trace["input"], trace["output"]) == ("cut \ufffd", "whole \U0001f600")


async def test_bad_items_are_rejected_one_by_one_and_the_others_are_stored(owner: Person) -> None:
    bad = [
        {"output": "x"},
        {"input": "x"},
        "text",
        ORDER | {"trace_id": "0" * 32},
        ORDER | {"trace_id": "short"},
        ORDER | {"colour": "red"},
        ORDER | {"latency_ms": -1},
        ORDER | {"input_tokens": -1},
        ORDER | {"started_at": "1970-01-01T00:00:00Z"},
        ORDER | {"started_at": (clock.now() + timedelta(days=2)).isoformat()},
        ORDER | {"started_at": "2026-01-01T00:00:00"},
        ORDER | {"metadata": {"big": 2**80}},
        ORDER | {"metadata": {"deep": nested(65)}},
        ORDER | {"metadata": {"bottomless": nested(250)}},
        ORDER | {"tags": ["x"] * 51},
    ]

    accepted = await report(owner, ORDER, *bad, ORDER)

    assert (accepted["accepted"], len(accepted["trace_ids"])) == (2, 2)
    assert [refusal["index"] for refusal in accepted["rejected"]] == list(range(1, len(bad) + 1))
    assert accepted["rejected"][0]["reason"] == "input: Field required"
    assert all(refusal["reason"] for refusal in accepted["rejected"])
    assert (await listed(owner))["pagination"]["total"] == 2
    statistics = await owner.client.get("/otel/v1/traces/stats", headers={"X-Workspace-Id": str(owner.workspace_id)})
    assert (statistics.json()["stored"], statistics.json()["rejected"]) == (2, len(bad))


@pytest.mark.parametrize("body", [{}, {"traces": []}, {"traces": {}}, {"traces": [ORDER], "more": 1}, [ORDER]])
async def test_a_body_without_a_list_of_traces_is_refused(owner: Person, body: Any) -> None:
    assert (await owner.client.post(f"{owner.w}/traces", json=body)).status_code == 422


async def test_a_trace_told_twice_under_its_id_is_stored_once_and_grows(owner: Person) -> None:
    told = ORDER | {"trace_id": new_trace_id(), "output": None, "started_at": "2026-03-01T12:00:00Z"}

    for output in (None, "On its way.", None):
        await report(owner, told | {"output": output})

    page = await listed(owner)
    assert [(trace["output"], trace["span_count"]) for trace in page["results"]] == [("On its way.", 1)]


async def test_a_key_may_send_traces_and_not_read_them(owner: Person, client: httpx.AsyncClient) -> None:
    sender = owner.bearing(await owner.key())

    sent = await client.post(f"{owner.w}/traces", json={"traces": [ORDER]}, headers=sender)
    read = await client.get(f"{owner.w}/traces", headers=sender)

    assert (sent.status_code, read.status_code, read.json()["required_scope"]) == (202, 403, "read:workspace")


async def test_traces_of_another_workspace_are_not_there(owner: Person, stranger: Person) -> None:
    (trace_id,) = (await report(owner, ORDER))["trace_ids"]

    assert (await listed(stranger))["pagination"]["total"] == 0
    for path in (f"traces/{trace_id}", f"traces/{trace_id}/feedback"):
        assert (await stranger.client.get(f"{stranger.w}/{path}")).status_code == 404
        assert (await stranger.client.get(f"{owner.w}/{path}")).status_code == 404


@pytest.fixture
async def shelf(owner: Person, database: Database) -> Person:
    """The owner of a workspace with four traces: alpha, beta, gamma and delta, from the oldest to the newest."""
    hour = timedelta(hours=1)
    alpha, beta, gamma, delta = (new_trace_id() for _ in range(4))
    await store(
        database,
        owner,
        [
            draft(alpha, 1, name="alpha", agent_name="support", workflow="orders", input="50% off?", tags=("vip", "eu")),
            call(
                beta,
                1,
                name="beta",
                started_at=START + hour,
                ended_at=START + 2 * hour,
                session_id="s-1",
                status=SpanStatus.ERROR,
            ),
            call(
                gamma,
                1,
                name="gamma",
                started_at=START + 2 * hour,
                ended_at=START + 2 * hour,
                model="gpt-4o",
                user_id="u-1",
                output="Fifty_",
            ),
            draft(
                delta,
                1,
                name="delta",
                started_at=START + 3 * hour,
                ended_at=START + 3 * hour,
                kind=SpanKind.LLM,
                cost_usd=Decimal(2),
            ),
        ],
    )
    await owner.client.post(f"{owner.w}/traces/{beta}/feedback", json={"score": 1, "source": "user"})
    await index(database)
    return owner


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["delta", "gamma", "beta", "alpha"]),
        ({"status": "error"}, ["beta"]),
        ({"status": "ok"}, ["delta", "gamma", "alpha"]),
        ({"workflow": "orders"}, ["alpha"]),
        ({"model": "gpt-4o"}, ["gamma"]),
        ({"session_id": "s-1"}, ["beta"]),
        ({"user_id": "u-1"}, ["gamma"]),
        ({"tag": "vip"}, ["alpha"]),
        ({"since": "2026-01-01T13:00:00Z"}, ["delta", "gamma", "beta"]),
        ({"until": "2026-01-01T13:00:00Z"}, ["alpha"]),
        ({"since": "2026-01-01T13:00:00Z", "until": "2026-01-01T14:30:00Z"}, ["gamma", "beta"]),
        ({"min_duration_ms": 1000}, ["beta"]),
        ({"min_cost_usd": "1.5"}, ["delta"]),
        ({"has_feedback": "true"}, ["beta"]),
        ({"has_feedback": "false"}, ["delta", "gamma", "alpha"]),
        ({"search": "BET"}, ["beta"]),
        ({"search": "gamma", "user_id": "u-1"}, ["gamma"]),
        ({"search": "gamma", "status": "error"}, []),
        ({"status": "ok", "model": "gpt-4o"}, ["gamma"]),
        ({"status": "error", "model": "gpt-4o"}, []),
        ({"agent_id": str(uuid4())}, []),
        ({"sort": "started_at"}, ["alpha", "beta", "gamma", "delta"]),
        ({"sort": "-cost_usd"}, ["delta", "gamma", "beta", "alpha"]),
        ({"sort": "cost_usd"}, ["alpha", "beta", "gamma", "delta"]),
        ({"sort": "-duration_ms", "limit": 1}, ["beta"]),
        ({"limit": 2, "offset": 1}, ["gamma", "beta"]),
    ],
)
async def test_filters_and_orders(shelf: Person, query: dict[str, Any], expected: list[str]) -> None:
    assert await names(shelf, **query) == expected


async def test_traces_are_found_by_their_agent_and_by_their_id(shelf: Person) -> None:
    (alpha,) = (await listed(shelf, search="alpha"))["results"]

    assert await names(shelf, agent_id=alpha["agent_id"]) == ["alpha"]
    assert await names(shelf, search=alpha["trace_id"].upper()) == ["alpha"]


@pytest.mark.parametrize(
    "query",
    [
        {"colour": "red"},
        {"sort": "name"},
        {"limit": 0},
        {"limit": 201},
        {"offset": 10_001},
        {"offset": -1},
        {"status": "fine"},
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"agent_id": "support"},
        {"cursor": "nonsense"},
        {"cursor": "WyJhIiwxLCJiIl0"},
        {"cursor": "e30"},
        {"search": ""},
        {"search": "a\x00b"},
        {"min_cost_usd": "-1"},
        {"min_cost_usd": "NaN"},
        {"min_cost_usd": "1e999999"},
        {"min_cost_usd": "1e-999999"},
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(owner: Person, query: dict[str, Any]) -> None:
    answer = await owner.client.get(f"{owner.w}/traces", params=query)

    assert (answer.status_code, answer.json()["type"]) == (422, "https://spectral.dev/errors/validation-error")


@pytest.mark.parametrize("sort", ["started_at", "-started_at", "duration_ms", "-total_tokens", "cost_usd", "-cost_usd"])
async def test_a_cursor_walks_every_trace_once_while_new_ones_arrive(owner: Person, database: Database, sort: str) -> None:
    def same_hour(number: int) -> list[Any]:
        cost = Decimal(number % 3) if number % 4 else None
        return [call(new_trace_id(), 1, name=str(number), cost_usd=cost, model="unheard-of", input_tokens=number % 2 or None)]

    for number in range(11):
        await store(database, owner, same_hour(number))
    whole = await names(owner, sort=sort)
    seen: list[str] = []
    query: dict[str, Any] = {"sort": sort, "limit": 3}
    while True:
        page = await listed(owner, **query)
        seen += [trace["name"] for trace in page["results"]]
        if page["pagination"]["next_cursor"] is None:
            break
        query["cursor"] = page["pagination"]["next_cursor"]
        early = START - timedelta(days=1) if sort == "-started_at" else START
        await store(database, owner, [draft(new_trace_id(), 1, name="late", started_at=early, ended_at=early)])

    assert [name for name in seen if name != "late"] == whole


async def test_a_cursor_goes_with_its_own_order_only(shelf: Person) -> None:
    cursor = (await listed(shelf, limit=1))["pagination"]["next_cursor"]

    for query in ({"sort": "cost_usd"}, {"offset": 1}):
        answer = await shelf.client.get(f"{shelf.w}/traces", params={"cursor": cursor, **query})
        assert answer.status_code == 422
    assert await names(shelf, cursor=cursor, limit=2) == ["gamma", "beta"]


@pytest.mark.parametrize(
    ("sort", "value"),
    [("total_tokens", 2**63), ("duration_ms", -2), ("cost_usd", "1e999999"), ("cost_usd", "1e-999999"), ("cost_usd", "NaN")],
)
async def test_a_cursor_to_where_no_trace_can_be_is_refused(owner: Person, sort: str, value: Any) -> None:
    cursor = urlsafe_b64encode(json.dumps([sort, value, new_trace_id()]).encode()).decode()

    answer = await owner.client.get(f"{owner.w}/traces", params={"sort": sort, "cursor": cursor})

    assert answer.status_code == 422


async def test_totals_are_exact_without_filters_and_say_when_they_are_not(
    owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spectral_platform.traces.listing.COUNTED_EXACTLY", 3)
    await store(database, owner, [draft(new_trace_id(), 1) for _ in range(5)])

    everything = (await listed(owner, limit=1))["pagination"]
    filtered = (await listed(owner, limit=1, status="ok"))["pagination"]

    assert (everything["total"], everything["total_capped"]) == (5, False)
    assert (filtered["total"], filtered["total_capped"]) == (3, True)


async def test_a_list_shows_the_beginning_of_long_texts_and_the_trace_all_of_them(owner: Person) -> None:
    (trace_id,) = (await report(owner, {"input": "x" * 5000, "output": "y" * 3000}))["trace_ids"]

    (shown,) = (await listed(owner))["results"]
    trace = await detail(owner, trace_id)

    assert (len(shown["input"]), len(shown["output"])) == (500, 500)
    assert (len(trace["input"]), len(trace["output"])) == (5000, 3000)


@pytest.mark.parametrize("query", [{"spans_cursor": "x"}, {"spans_cursor": "WzFd"}, {"spans_limit": 1001}])
async def test_places_among_spans_that_are_none_are_refused(owner: Person, query: dict[str, str]) -> None:
    (trace_id,) = (await report(owner, ORDER))["trace_ids"]

    assert (await owner.client.get(f"{owner.w}/traces/{trace_id}", params=query)).status_code == 422


async def test_an_absent_trace_is_404_and_an_id_that_is_none_is_422(owner: Person) -> None:
    absent = f"{owner.w}/traces/{new_trace_id()}"

    assert (await owner.client.get(absent)).status_code == 404
    assert (await owner.client.get(f"{absent}/feedback")).status_code == 404
    assert (await owner.client.post(f"{absent}/feedback", json={"score": 1})).status_code == 404
    assert (await owner.client.get(f"{owner.w}/traces/{uuid4()}")).status_code == 422
