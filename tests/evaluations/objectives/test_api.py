"""Objectives over HTTP."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from spectral_platform.core.database import Database
from spectral_platform.evaluations.objectives import queries
from tests.evaluations.rubrics.factories import create_rubric
from tests.fixtures.callers import Person


def term(metric: str, *, direction: str = "maximize", weight: float = 1) -> dict[str, Any]:
    return {"metric": metric, "direction": direction, "weight": weight}


async def create_objective(person: Person, rubric: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"name": "Better", "rubric_id": rubric["id"], "terms": [term("quality")]} | fields
    answer = await person.client.post(f"{person.w}/evaluations/objectives", json=body)
    assert answer.status_code == 201, answer.text
    objective: dict[str, Any] = answer.json()
    return objective


async def test_an_objective_can_be_made_read_changed_and_deleted(owner: Person) -> None:
    rubric = await create_rubric(owner, "polite")
    body = {
        "name": "Better",
        "rubric_id": rubric["id"],
        "terms": [term("quality", weight=3), term("dimension:polite"), term("cost_usd", direction="minimize")],
        "constraints": [
            {"metric": "latency_ms", "operator": "<=", "value": 4000.0, "statistic": "mean"},
            {"metric": "latency_ms", "operator": "<=", "value": 9000.0, "statistic": "p95"},
        ],
    }

    made = await owner.client.post(f"{owner.w}/evaluations/objectives", json=body)

    path = made.headers["Location"]
    assert made.status_code == 201
    assert made.json().items() >= (body | {"is_default": False, "version": 1}).items()
    assert (await owner.client.get(path)).json() == made.json()
    changed = await owner.client.patch(path, json={"name": "Cheaper"})
    assert changed.json().items() >= (body | {"name": "Cheaper", "version": 2}).items()
    assert (await owner.client.get(f"{owner.w}/evaluations/objectives")).json()["results"] == [changed.json()]
    replaced = await owner.client.put(path, json={"name": "Plain", "rubric_id": rubric["id"], "terms": [term("quality")]})
    assert replaced.json().items() >= {"name": "Plain", "constraints": [], "version": 3}.items()
    assert (await owner.client.delete(path)).status_code == 204
    assert (await owner.client.get(path)).status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"terms": [term("dimension:witty")]},
        {"constraints": [{"metric": "dimension:witty", "operator": ">=", "value": 0.5}]},
    ],
)
async def test_a_dimension_that_the_rubric_lacks_is_refused(owner: Person, fields: dict[str, Any]) -> None:
    rubric = await create_rubric(owner, "polite")
    objective = await create_objective(owner, rubric)
    body = {"name": "Better", "rubric_id": rubric["id"], "terms": [term("quality")]} | fields

    made = await owner.client.post(f"{owner.w}/evaluations/objectives", json=body)
    changed = await owner.client.patch(f"{owner.w}/evaluations/objectives/{objective['id']}", json=fields)

    assert made.status_code == changed.status_code == 400
    assert made.json()["metrics"] == changed.json()["metrics"] == ["dimension:witty"]


async def test_moving_to_another_rubric_checks_the_dimensions_again(owner: Person) -> None:
    polite, short = await create_rubric(owner, "polite"), await create_rubric(owner, "short")
    objective = await create_objective(owner, polite, terms=[term("dimension:polite")])
    path = f"{owner.w}/evaluations/objectives/{objective['id']}"

    refused = await owner.client.patch(path, json={"rubric_id": short["id"]})
    moved = await owner.client.patch(path, json={"rubric_id": short["id"], "terms": [term("dimension:short")]})

    assert refused.status_code == 400
    assert moved.json()["rubric_id"] == short["id"]


async def test_the_newest_version_of_the_rubric_decides(owner: Person) -> None:
    rubric = await create_rubric(owner, "polite")
    newer = (await create_rubric(owner, "short"))["dimensions"]
    await owner.client.patch(f"{owner.w}/evaluations/rubrics/{rubric['id']}", json={"dimensions": newer})

    await create_objective(owner, rubric, terms=[term("dimension:short")])


@pytest.mark.parametrize(
    "fields",
    [
        {"terms": []},
        {"terms": [term("quality"), term("quality")]},
        {"terms": [term("happiness")]},
        {"terms": [term("quality", weight=-1)]},
        {"constraints": [{"metric": "quality", "operator": "==", "value": 1}]},
        {"constraints": [{"metric": "quality", "operator": "<=", "value": 1, "statistic": "p95"}]},
        {"constraints": [{"metric": "latency_ms", "operator": ">=", "value": 1, "statistic": "p95"}]},
    ],
)
async def test_an_objective_of_another_shape_is_refused(owner: Person, fields: dict[str, Any]) -> None:
    rubric = await create_rubric(owner)
    body = {"name": "Better", "rubric_id": rubric["id"], "terms": [term("quality")]} | fields

    answer = await owner.client.post(f"{owner.w}/evaluations/objectives", json=body)

    assert answer.status_code == 422


async def test_a_rubric_that_is_not_there_is_not_found(owner: Person, stranger: Person) -> None:
    foreign = await create_rubric(stranger)
    objective = await create_objective(owner, await create_rubric(owner))

    for rubric_id in (str(uuid4()), foreign["id"]):
        body = {"name": "Better", "rubric_id": rubric_id, "terms": [term("quality")]}
        path = f"{owner.w}/evaluations/objectives"
        assert (await owner.client.post(path, json=body)).status_code == 404
        assert (await owner.client.patch(f"{path}/{objective['id']}", json={"rubric_id": rubric_id})).status_code == 404


async def defaults(person: Person) -> dict[str, tuple[bool, int]]:
    answer = await person.client.get(f"{person.w}/evaluations/objectives")
    return {each["name"]: (each["is_default"], each["version"]) for each in answer.json()["results"]}


async def test_a_new_default_unsets_the_old_one_as_a_change_of_it(owner: Person) -> None:
    rubric = await create_rubric(owner)
    await create_objective(owner, rubric, name="first", is_default=True)
    second = await create_objective(owner, rubric, name="second")

    await owner.client.patch(f"{owner.w}/evaluations/objectives/{second['id']}", json={"is_default": True})
    by_change = await defaults(owner)
    await create_objective(owner, rubric, name="third", is_default=True)

    assert by_change == {"first": (False, 2), "second": (True, 2)}
    assert await defaults(owner) == {"first": (False, 2), "second": (False, 3), "third": (True, 1)}


async def test_of_many_that_become_the_default_at_once_one_does(owner: Person) -> None:
    rubric = await create_rubric(owner)
    made = [await create_objective(owner, rubric, name=str(number)) for number in range(4)]

    answers = await asyncio.gather(
        *(owner.client.patch(f"{owner.w}/evaluations/objectives/{each['id']}", json={"is_default": True}) for each in made)
    )

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [is_default for is_default, _ in (await defaults(owner)).values()].count(True) == 1


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
async def test_a_write_on_what_has_changed_since_is_refused(owner: Person, method: str) -> None:
    rubric = await create_rubric(owner)
    objective = await create_objective(owner, rubric)
    path = f"{owner.w}/evaluations/objectives/{objective['id']}"
    body = None if method == "DELETE" else {"name": "New", "rubric_id": rubric["id"], "terms": [term("quality")]}
    changed = await owner.client.patch(path, json={"name": "Changed by somebody else"})

    stale = await owner.client.request(method, path, json=body, headers={"If-Match": '"1"'})
    fresh = await owner.client.request(method, path, json=body, headers={"If-Match": changed.headers["ETag"]})

    assert stale.status_code == 412
    assert fresh.is_success


async def test_an_objective_that_the_caller_holds_is_not_sent_again(owner: Person) -> None:
    objective = await create_objective(owner, await create_rubric(owner))
    path = f"{owner.w}/evaluations/objectives/{objective['id']}"

    assert (await owner.client.get(path, headers={"If-None-Match": '"1"'})).status_code == 304
    assert (await owner.client.get(path, headers={"If-None-Match": '"2"'})).status_code == 200


async def test_a_scan_takes_the_default_objective_and_else_the_newest(owner: Person, database: Database) -> None:
    async def found() -> str | None:
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            objective = await queries.find_default_objective(session, owner.workspace_id)
        return objective.name if objective else None

    rubric = await create_rubric(owner)
    without_any = await found()
    first = await create_objective(owner, rubric, name="first")
    await create_objective(owner, rubric, name="second")
    newest = await found()
    await owner.client.patch(f"{owner.w}/evaluations/objectives/{first['id']}", json={"is_default": True})

    assert (without_any, newest, await found()) == (None, "second", "first")


@pytest.mark.parametrize("kind", ["rubric", "objective"])
async def test_what_scans_use_by_default_is_not_deleted(owner: Person, kind: str) -> None:
    rubric = await create_rubric(owner)
    made = rubric if kind == "rubric" else await create_objective(owner, rubric)
    path = f"{owner.w}/evaluations/{kind}s/{made['id']}"
    named = await owner.client.patch(owner.w, json={"scan_defaults": {f"{kind}_id": made["id"]}})

    refused = await owner.client.delete(path)
    await owner.client.patch(owner.w, json={"scan_defaults": {}})
    deleted = await owner.client.delete(path)

    assert (named.status_code, refused.status_code, deleted.status_code) == (200, 400, 204)
    assert refused.json()["type"].endswith("/business-rule-violation")


async def test_naming_and_deleting_at_once_leave_no_name_of_nothing(owner: Person) -> None:
    objective = await create_objective(owner, await create_rubric(owner))
    path = f"{owner.w}/evaluations/objectives/{objective['id']}"

    named, deleted = await asyncio.gather(
        owner.client.patch(owner.w, json={"scan_defaults": {"objective_id": objective["id"]}}), owner.client.delete(path)
    )

    assert (named.status_code, deleted.status_code) in {(200, 400), (400, 204)}


async def test_naming_a_dimension_and_taking_it_away_at_once_leave_no_term_without_it(owner: Person) -> None:
    rubric = await create_rubric(owner, "polite", "short")
    path = f"{owner.w}/evaluations/rubrics/{rubric['id']}"
    body = {"name": "Short", "rubric_id": rubric["id"], "terms": [term("dimension:short")]}

    named, taken = await asyncio.gather(
        owner.client.post(f"{owner.w}/evaluations/objectives", json=body),
        owner.client.patch(path, json={"dimensions": rubric["dimensions"][:1]}),
    )

    assert (named.status_code, taken.status_code) in {(201, 400), (400, 200)}


async def test_of_what_becomes_default_or_goes_at_once_nobody_waits_for_ever(owner: Person) -> None:
    rubric = await create_rubric(owner, "polite")
    old = await create_objective(owner, rubric, name="old")
    path = f"{owner.w}/evaluations"
    body = {"name": "new", "rubric_id": rubric["id"], "terms": [term("dimension:polite")], "is_default": True}

    answers = await asyncio.gather(
        *(owner.client.post(f"{path}/objectives", json=body) for _ in range(2)),
        owner.client.patch(f"{path}/objectives/{old['id']}", json={"is_default": True, "terms": [term("quality")]}),
        owner.client.delete(f"{path}/rubrics/{rubric['id']}"),
    )

    assert [answer.status_code for answer in answers] == [201, 201, 200, 400]
    assert [objective["is_default"] for objective in await listed(owner)].count(True) == 1


async def listed(person: Person) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = (await person.client.get(f"{person.w}/evaluations/objectives")).json()["results"]
    return results


async def test_figures_of_a_dimension_that_the_rubric_lacks_are_refused(owner: Person) -> None:
    objective = await create_objective(owner, await create_rubric(owner, "polite"))
    path = f"{owner.w}/evaluations/objectives/{objective['id']}/preview"
    arm = {"dimensions": {"polite": 0.5}}

    refused = await owner.client.post(path, json={"baseline": arm, "candidate": {"dimensions": {"witty": 1}}})
    unknown = await owner.client.post(path, json={"baseline": {}, "candidate": arm})
    broken = await owner.client.post(path, json={"baseline": arm, "candidate": {"dimensions": {"polite": 1.5}}})

    assert (refused.status_code, refused.json()["metrics"]) == (400, ["dimension:witty"])
    assert (unknown.status_code, unknown.json()["difference"]) == (200, None)
    assert broken.status_code == 422
