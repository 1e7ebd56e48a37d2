"""Suggestions for rubrics over HTTP: what speaks for them, and what becomes of them."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from spectral_platform.authoring.models import SuggestionDecision
from spectral_platform.core.database import Database
from tests.authoring.factories import answered, rate, score, suggested
from tests.evaluations.rubrics.factories import create_rubric, dimension
from tests.fixtures.callers import Person


def path(person: Person, rubric: dict[str, Any]) -> str:
    return f"{person.w}/evaluations/rubrics/{rubric['id']}"


async def pending(person: Person, rubric: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    answer = await person.client.get(f"{path(person, rubric)}/suggestions", params=query)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert answer.json()["pagination"]["total"] == len(results)
    return results


async def test_nothing_is_suggested_without_evidence(owner: Person) -> None:
    assert await pending(owner, await create_rubric(owner, "polite", "short")) == []


async def test_a_dimension_that_people_contradict_learns_what_they_said(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite", "short")
    trace_ids = await answered(owner, 6)
    await score(database, owner, rubric, {"polite": [(trace_id, 1.0) for trace_id in trace_ids]})
    for number, trace_id in enumerate(trace_ids):
        liked = {"label": "positive"} if number >= 3 else {"comment": "Curt and cold."}
        await rate(owner, trace_id, dimension="polite", **liked)

    (suggestion,) = await pending(owner, rubric)
    accepted = await owner.client.post(f"{path(owner, rubric)}/suggestions/{suggestion['id']}/accept")
    newest = (await owner.client.get(path(owner, rubric))).json()

    assert suggestion["kind"] == "disagreement"
    figures = suggestion["evidence"]["figures"]
    assert (figures["compared"], figures["disagreeing"], figures["share"]) == (6, 3, 0.5)
    assert suggestion["evidence"]["comments"] == ["Curt and cold."]
    assert set(suggestion["evidence"]["trace_ids"]) == set(trace_ids[:3])
    assert (accepted.status_code, accepted.json()["status"], accepted.json()["version"]) == (200, "accepted", 2)
    assert accepted.headers["ETag"] == '"2"'
    assert newest["version"] == 2
    assert newest["dimensions"][0]["guidance"] == "Gives no cause for this complaint: Curt and cold."
    assert newest["dimensions"][1] == rubric["dimensions"][1]
    assert await pending(owner, rubric) == [], "what was measured by the older guidance is no evidence against the newer one"
    assert [each["id"] for each in await pending(owner, rubric, status="accepted")] == [suggestion["id"]]


async def test_what_code_says_of_an_answer_is_no_persons_verdict(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite", "short")
    trace_ids = await answered(owner, 6)
    await score(database, owner, rubric, {"polite": [(trace_id, 1.0) for trace_id in trace_ids]})
    for trace_id in trace_ids:
        await rate(owner, trace_id, dimension="polite", source="code", comment="Too long.")

    assert await pending(owner, rubric) == []


async def test_a_dismissed_suggestion_stays_dismissed(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite")
    suggestion = await suggested(database, owner, rubric)
    dismissed = await owner.client.post(f"{path(owner, rubric)}/suggestions/{suggestion['id']}/dismiss")

    (late,) = await answered(owner, 1)
    await score(database, owner, rubric, {"polite": [(late, 1.0)]})
    await rate(owner, late, comment="Nor how it comes.")

    assert (dismissed.status_code, dismissed.json()["status"]) == (200, "dismissed")
    assert dismissed.json()["decided_at"] is not None
    assert await pending(owner, rubric) == []
    assert (await owner.client.get(path(owner, rubric))).json()["version"] == 1
    for action in ("accept", "dismiss"):
        again = await owner.client.post(f"{path(owner, rubric)}/suggestions/{suggestion['id']}/{action}")
        assert again.status_code == 400
        assert again.json()["type"].endswith("/invalid-transition")
        assert again.json()["current"] == "dismissed"


async def test_of_two_who_accept_at_once_one_makes_a_version(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite")
    suggestion = await suggested(database, owner, rubric)
    accept = f"{path(owner, rubric)}/suggestions/{suggestion['id']}/accept"

    answers = await asyncio.gather(*(owner.client.post(accept) for _ in range(2)))

    assert sorted(answer.status_code for answer in answers) == [200, 400]
    newest = (await owner.client.get(path(owner, rubric))).json()
    assert newest["version"] == 2
    assert [each["key"] for each in newest["dimensions"]] == ["polite", "complaints"]
    assert newest["dimensions"][1]["weight"] == pytest.approx(0.5)


async def test_accepting_on_a_version_that_is_no_longer_the_newest_is_refused(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite")
    suggestion = await suggested(database, owner, rubric)
    await owner.client.patch(path(owner, rubric), json={"name": "Changed by somebody else"})
    accept = f"{path(owner, rubric)}/suggestions/{suggestion['id']}/accept"

    stale = await owner.client.post(accept, headers={"If-Match": '"1"'})
    fresh = await owner.client.post(accept, headers={"If-Match": '"2"'})

    assert (stale.status_code, stale.json()["current_version"]) == (412, 2)
    assert (fresh.status_code, fresh.json()["version"]) == (200, 3)


async def test_scores_by_an_older_version_count_where_the_dimension_measures_the_same(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite", "short")
    trace_ids = await answered(owner, 20)
    scores = {"polite": [(trace_id, 0.5) for trace_id in trace_ids], "short": [(trace_id, 0.5) for trace_id in trace_ids]}
    await score(database, owner, rubric, scores)

    await owner.client.patch(
        path(owner, rubric),
        json={"dimensions": [dimension("polite", weight=9), dimension("short", description="Be very short.")]},
    )

    assert [(each["kind"], each["changes"][0]["key"]) for each in await pending(owner, rubric)] == [("constant", "polite")]


async def test_redundant_dimensions_become_one_with_the_weight_of_both(owner: Person, database: Database) -> None:
    checked = dimension("short", evaluator={"kind": "max_tokens", "value": 50})
    rubric = await create_rubric(owner, dimensions=[dimension("polite"), checked, dimension("kind", weight=2)])
    trace_ids = await answered(owner, 20)
    rising = [(trace_id, number / 20) for number, trace_id in enumerate(trace_ids)]
    falling = [(trace_id, 1 - value) for trace_id, value in rising]
    await score(database, owner, rubric, {"polite": rising, "short": rising, "kind": falling})

    (suggestion,) = await pending(owner, rubric)
    await owner.client.post(f"{path(owner, rubric)}/suggestions/{suggestion['id']}/accept")
    newest = (await owner.client.get(path(owner, rubric))).json()

    assert suggestion["kind"] == "redundant"
    assert suggestion["evidence"]["figures"] == {"traces": 20, "correlation": 1.0}
    assert [(each["key"], each["weight"]) for each in newest["dimensions"]] == [("short", 0.5), ("kind", 0.5)]


async def test_no_dimension_is_taken_from_an_objective(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite", "short")
    for key in ("polite", "short"):
        terms = [{"metric": f"dimension:{key}", "direction": "maximize", "weight": 1}]
        body = {"name": key, "rubric_id": rubric["id"], "terms": terms}
        assert (await owner.client.post(f"{owner.w}/evaluations/objectives", json=body)).status_code == 201
    trace_ids = await answered(owner, 20)
    rising = [(trace_id, number / 20) for number, trace_id in enumerate(trace_ids)]
    await score(database, owner, rubric, {"polite": rising, "short": rising})

    removed = await owner.client.patch(path(owner, rubric), json={"dimensions": [dimension("polite")]})

    assert await pending(owner, rubric) == []
    assert removed.status_code == 400
    assert removed.json()["dimensions"] == ["short"]


async def test_another_workspace_has_no_part_in_it(owner: Person, stranger: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite")
    suggestion = await suggested(database, owner, rubric)
    foreign = f"{stranger.w}/evaluations/rubrics/{rubric['id']}/suggestions"

    assert (await stranger.client.get(foreign)).status_code == 404
    assert (await stranger.client.post(f"{foreign}/{suggestion['id']}/accept")).status_code == 404


async def test_what_was_dismissed_long_ago_stays_dismissed_and_every_decision_is_counted(
    owner: Person, database: Database
) -> None:
    rubric = await create_rubric(owner, "polite")
    suggestion = await suggested(database, owner, rubric)
    await owner.client.post(f"{path(owner, rubric)}/suggestions/{suggestion['id']}/dismiss")
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        (first,) = await session.scalars(select(SuggestionDecision))
        later = {name: getattr(first, name) for name in ("workspace_id", "rubric_id", "status", "suggestion", "version")}
        session.add_all(SuggestionDecision(**later, suggestion_id=uuid4()) for _ in range(210))

    assert await pending(owner, rubric) == []
    decided = await owner.client.get(
        f"{path(owner, rubric)}/suggestions", params={"status": "dismissed", "limit": "200", "offset": "200"}
    )
    assert decided.json()["pagination"]["total"] == 211
    assert [each["id"] for each in decided.json()["results"]][-1] == suggestion["id"]
    assert len(decided.json()["results"]) == 11
