"""Conversations over HTTP, read off their traces."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from spectral_platform.core.database import Database
from spectral_platform.traces.sessions import queries
from spectral_platform.traces.spans import SpanStatus
from tests.fixtures.callers import Person
from tests.traces.factories import START, call, new_trace_id, store

HOUR = timedelta(hours=1)
AWKWARD = "a/b c?d#é/"


def turn(session_id: str, hour: int, **fields: Any) -> Any:
    began = START + hour * HOUR
    times: dict[str, Any] = {"started_at": began, "ended_at": began + timedelta(seconds=1), "name": f"{session_id} at {hour}"}
    return call(new_trace_id(), 1, session_id=session_id, **(times | fields))


@pytest.fixture
async def talks(owner: Person, database: Database) -> Person:
    """The owner of a workspace with three conversations and a trace that belongs to none."""
    turns = [
        turn("long", 0, user_id="ann", agent_name="support", input="one", output="x" * 2000, cost_usd=Decimal(1)),
        turn("long", 1, user_id="ann", agent_name="billing", status=SpanStatus.ERROR, model="unheard-of"),
        turn(AWKWARD, 2, user_id="bob"),
        turn("late", 3),
        turn("long", 4, user_id="ann", agent_name="support", cost_usd=Decimal(2)),
        call(new_trace_id(), 1),
    ]
    await store(database, owner, turns)
    return owner


async def sessions(person: Person, **query: Any) -> tuple[list[str], int]:
    answer = await person.client.get(f"{person.w}/traces/sessions", params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [each["id"] for each in page["results"]], page["pagination"]["total"]


async def test_sessions_come_with_the_newest_activity_first_and_sum_up_their_traces(talks: Person) -> None:
    trace = (await talks.client.get(f"{talks.w}/traces", params={"session_id": "long", "limit": 1})).json()["results"][0]
    await talks.client.post(f"{talks.w}/traces/{trace['id']}/feedback", json={"score": 0.5})

    page = (await talks.client.get(f"{talks.w}/traces/sessions")).json()

    assert [each["id"] for each in page["results"]] == ["long", "late", AWKWARD]
    assert page["pagination"] == {"total": 3, "limit": 20, "offset": 0, "total_capped": False}
    long = page["results"][0]
    assert (long["user_id"], long["agents"], long["trace_count"]) == ("ann", ["billing", "support"], 3)
    assert (long["status"], long["error_count"], long["total_tokens"], long["cost_usd"]) == ("error", 1, 330, "3")
    assert (long["started_at"], long["last_at"]) == ("2026-01-01T12:00:00.000000Z", "2026-01-01T16:00:01.000000Z")
    assert (long["feedback_score"], long["feedback_count"]) == (0.5, 1)


@pytest.mark.parametrize("few", [queries.FEW_TRACES, 0])
async def test_filters_choose_sessions_and_pages_follow_each_other(
    talks: Person, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(queries, "FEW_TRACES", few)
    (billing,) = (
        each["id"] for each in (await talks.client.get(f"{talks.w}/agents")).json()["results"] if each["name"] == "billing"
    )

    assert await sessions(talks, user_id="bob") == ([AWKWARD], 1)
    assert await sessions(talks, agent_id=billing) == (["long"], 1)
    assert await sessions(talks, until="2026-01-01T14:30:00Z") == ([AWKWARD, "long"], 2)
    assert await sessions(talks, since="2026-01-01T15:00:00Z") == (["long", "late"], 2)
    assert await sessions(talks, user_id="nobody") == ([], 0)
    assert await sessions(talks, limit=1, offset=1) == (["late"], 3)
    assert (await talks.client.get(f"{talks.w}/traces/sessions", params={"colour": "red"})).status_code == 422


async def test_a_conversation_shows_its_turns_in_order_and_whole(talks: Person) -> None:
    answer = await talks.client.get(f"{talks.w}/traces/sessions/long", params={"limit": 2})

    talk = answer.json()
    assert talk["trace_count"] == 3
    assert [each["name"] for each in talk["turns"]] == ["long at 0", "long at 1"]
    assert (talk["turns"][0]["input"], len(talk["turns"][0]["output"])) == ("one", 2000)
    assert talk["turns_pagination"] == {"total": 3, "limit": 2, "offset": 0}


async def test_a_session_is_found_by_any_text_and_by_nobody_else(talks: Person, stranger: Person) -> None:
    path = f"traces/sessions/{quote(AWKWARD, safe='')}"

    assert (await talks.client.get(f"{talks.w}/{path}")).json()["id"] == AWKWARD
    assert (await talks.client.get(f"{talks.w}/traces/sessions/none")).status_code == 404
    assert (await stranger.client.get(f"{stranger.w}/{path}")).status_code == 404
