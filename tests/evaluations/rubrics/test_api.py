"""Rubrics and their versions over HTTP."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from spectral_platform.core.database import Database
from spectral_platform.evaluations.rubrics import queries
from spectral_platform.evaluations.rubrics.errors import RubricNotFound
from tests.agents.factories import create_agent
from tests.evaluations.rubrics.factories import create_rubric, dimension
from tests.fixtures.callers import Person


async def test_a_rubric_is_stored_with_weights_that_sum_to_one(owner: Person) -> None:
    body = {"name": "Quality", "dimensions": [dimension("polite", weight=3), dimension("short", weight=1, minimum=0.5)]}

    made = await owner.client.post(f"{owner.w}/evaluations/rubrics", json=body)

    assert made.status_code == 201
    rubric = made.json()
    assert (rubric["version"], rubric["name"], rubric["description"], rubric["agent_id"]) == (1, "Quality", None, None)
    assert [(each["key"], each["weight"]) for each in rubric["dimensions"]] == [("polite", 0.75), ("short", 0.25)]
    assert rubric["dimensions"][1]["minimum"] == 0.5
    got = await owner.client.get(made.headers["Location"])
    assert got.json() == rubric
    assert got.headers["ETag"] == made.headers["ETag"] == '"1"'


@pytest.mark.parametrize(
    "evaluator",
    [
        {"kind": "json_schema", "schema": {"type": "object", "required": ["answer"]}},
        {"kind": "regex", "pattern": r"\[KB-\d+\]", "flags": "i"},
        {"kind": "contains", "values": ["a", "b"], "mode": "any"},
        {"kind": "llm_judge", "criteria": [{"id": "facts", "text": "States the facts."}], "votes": 3},
        {"kind": "json_path", "path": "$.total", "equals": None},
        {"kind": "json_path", "path": "$.total", "equals": [1, 2.5, {"größe": "👍"}]},
        {"kind": "tool_calls", "expected": [{"name": "search", "arguments": {"q": "tea"}}], "match": "subset", "max_calls": 2},
        {"kind": "instruction", "instructions": [{"id": "punctuation:no_comma"}], "strictness": "loose"},
    ],
)
async def test_an_evaluator_comes_back_as_it_was_sent(owner: Person, evaluator: dict[str, Any]) -> None:
    rubric = await create_rubric(owner, dimensions=[dimension(evaluator=evaluator)])

    stored = (await owner.client.get(f"{owner.w}/evaluations/rubrics/{rubric['id']}")).json()

    assert stored["dimensions"][0]["evaluator"].items() >= evaluator.items()


@pytest.mark.parametrize(
    ("dimensions", "place"),
    [
        ([], []),
        ([dimension("a"), dimension("a")], []),
        ([dimension("Not a key")], [0, "key"]),
        ([dimension(weight=0)], [0, "weight"]),
        ([dimension(evaluator={"kind": "telepathy"})], [0, "evaluator"]),
        ([dimension("a"), dimension("b", evaluator={"kind": "regex", "pattern": "(?=a)"})], [1, "evaluator", "regex", "pattern"]),
        (
            [dimension(evaluator={"kind": "json_schema", "schema": {"type": "thing"}})],
            [0, "evaluator", "json_schema", "schema"],
        ),
        (
            [dimension(evaluator={"kind": "json_path", "path": "$[", "equals": 1})],
            [0, "evaluator", "json_path", "path"],
        ),
        (
            [dimension(evaluator={"kind": "instruction", "instructions": [{"id": "keywords:existence", "keywords": []}]})],
            [0, "evaluator", "instruction", "instructions", 0, "keywords:existence", "keywords"],
        ),
        ([dimension(colour="red")], [0, "colour"]),
    ],
)
async def test_a_dimension_that_cannot_be_measured_is_refused_where_it_stands(
    owner: Person, dimensions: list[dict[str, Any]], place: list[str | int]
) -> None:
    answer = await owner.client.post(f"{owner.w}/evaluations/rubrics", json={"name": "Quality", "dimensions": dimensions})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"] == ["body", "dimensions", *place]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
@pytest.mark.parametrize(
    "evaluator",
    [
        {"kind": "json_path", "path": "$", "equals": ["TEXT"]},
        {"kind": "tool_calls", "expected": [{"name": "a", "arguments": {"TEXT": "TEXT"}}]},
        {"kind": "instruction", "instructions": [{"id": "keywords:existence", "keywords": ["TEXT"]}]},
        {"kind": "json_schema", "schema": {"const": "TEXT"}},
    ],
)
async def test_what_cannot_be_stored_is_refused(owner: Person, evaluator: dict[str, Any], text: str) -> None:
    written = json.dumps({"name": "Quality", "dimensions": [dimension(evaluator=evaluator)]})
    body = written.replace("TEXT", json.dumps(text)[1:-1])

    answer = await owner.client.post(f"{owner.w}/evaluations/rubrics", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422, answer.text


async def test_each_write_makes_a_version_and_leaves_the_older_ones(owner: Person) -> None:
    first = await create_rubric(owner, "polite")
    path = f"{owner.w}/evaluations/rubrics/{first['id']}"

    second = (await owner.client.patch(path, json={"dimensions": [dimension("short")]})).json()
    third = (await owner.client.put(path, json={"name": "Other", "dimensions": [dimension("kind")]})).json()

    assert [each["version"] for each in (first, second, third)] == [1, 2, 3]
    assert second["name"] == "Quality"
    assert (await owner.client.get(path)).json() == third
    for each in (first, second, third):
        assert (await owner.client.get(path, params={"version": each["version"]})).json() == each
        assert each["created_at"] == first["created_at"]
    assert (await owner.client.get(path, params={"version": 4})).status_code == 404
    listed = (await owner.client.get(f"{owner.w}/evaluations/rubrics")).json()
    assert listed["results"] == [third]
    assert listed["pagination"]["total"] == 1


async def test_replacing_clears_what_is_not_named_and_changing_does_not(owner: Person) -> None:
    rubric = await create_rubric(owner, description="What we promise")
    path = f"{owner.w}/evaluations/rubrics/{rubric['id']}"

    changed = (await owner.client.patch(path, json={"name": "Renamed"})).json()
    replaced = (await owner.client.put(path, json={"name": "Renamed", "dimensions": [dimension()]})).json()

    assert changed["description"] == "What we promise"
    assert changed["dimensions"] == rubric["dimensions"]
    assert replaced["description"] is None


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
async def test_a_write_on_a_version_that_is_no_longer_the_newest_is_refused(owner: Person, method: str) -> None:
    rubric = await create_rubric(owner)
    path = f"{owner.w}/evaluations/rubrics/{rubric['id']}"
    body = None if method == "DELETE" else {"name": "New", "dimensions": [dimension()]}
    await owner.client.patch(path, json={"name": "Changed by somebody else"})

    stale = await owner.client.request(method, path, json=body, headers={"If-Match": '"1"'})
    fresh = await owner.client.request(method, path, json=body, headers={"If-Match": '"2"'})

    assert stale.status_code == 412
    assert stale.json()["type"].endswith("/version-conflict")
    assert stale.json()["current_version"] == 2
    assert fresh.is_success


async def test_a_version_that_the_caller_holds_is_not_sent_again(owner: Person) -> None:
    rubric = await create_rubric(owner)
    path = f"{owner.w}/evaluations/rubrics/{rubric['id']}"

    held = await owner.client.get(path, headers={"If-None-Match": '"1"'})
    await owner.client.patch(path, json={"name": "New"})
    changed = await owner.client.get(path, headers={"If-None-Match": '"1"'})

    assert (held.status_code, held.content, held.headers["ETag"]) == (304, b"", '"1"')
    assert changed.status_code == 200


async def test_two_writes_at_once_make_two_versions(owner: Person) -> None:
    rubric = await create_rubric(owner)
    path = f"{owner.w}/evaluations/rubrics/{rubric['id']}"

    answers = await asyncio.gather(*(owner.client.patch(path, json={"name": name}) for name in ("one", "other")))

    assert {answer.json()["version"] for answer in answers} == {2, 3}


async def test_a_rubric_may_be_meant_for_an_agent_of_the_workspace(owner: Person, stranger: Person) -> None:
    agent, foreign = await create_agent(owner), await create_agent(stranger)
    rubric = await create_rubric(owner, agent_id=agent["id"])
    path = f"{owner.w}/evaluations/rubrics/{rubric['id']}"

    refused = await owner.client.patch(path, json={"agent_id": foreign["id"]})

    assert rubric["agent_id"] == agent["id"]
    assert refused.status_code == 404
    assert (await owner.client.patch(path, json={"agent_id": None})).json()["agent_id"] is None


async def test_a_rubric_that_an_objective_measures_by_is_not_deleted(owner: Person) -> None:
    rubric = await create_rubric(owner)
    path = f"{owner.w}/evaluations/rubrics/{rubric['id']}"
    terms = [{"metric": "quality", "direction": "maximize", "weight": 1}]
    objective = await owner.client.post(
        f"{owner.w}/evaluations/objectives", json={"name": "Better", "rubric_id": rubric["id"], "terms": terms}
    )

    refused = await owner.client.delete(path)
    await owner.client.delete(objective.headers["Location"])

    assert refused.status_code == 400
    assert refused.json()["type"].endswith("/business-rule-violation")
    assert (await owner.client.delete(path)).status_code == 204


async def test_a_scan_still_finds_the_version_that_it_pinned_of_a_deleted_rubric(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner)
    path = f"{owner.w}/evaluations/rubrics/{rubric['id']}"

    assert (await owner.client.delete(path)).status_code == 204

    assert (await owner.client.get(path)).status_code == 404
    assert (await owner.client.get(path, params={"version": 1})).status_code == 404
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        pinned = await queries.get_rubric_version(session, owner.workspace_id, UUID(rubric["id"]), 1)
        assert pinned.name == rubric["name"]
        with pytest.raises(RubricNotFound):
            await queries.get_rubric_version(session, owner.workspace_id, UUID(rubric["id"]))


async def test_the_newest_rubric_is_the_one_made_last(owner: Person, database: Database) -> None:
    older = await create_rubric(owner, name="Older")
    await create_rubric(owner, name="Newer")
    await owner.client.patch(f"{owner.w}/evaluations/rubrics/{older['id']}", json={"name": "Older, changed"})

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        newest = await queries.find_newest_rubric(session, owner.workspace_id)
        none = await queries.find_newest_rubric(session, uuid4())

    assert newest is not None
    assert newest.name == "Newer"
    assert none is None
