"""Calibration over HTTP: what people say of traces against what the judge said, and what they are asked next."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from spectral_platform.core.database import Database
from spectral_platform.evaluations.calibration import commands
from spectral_platform.evaluations.rubrics.queries import get_rubric_version
from tests.evaluations.calibration.factories import ask_about, compared, judge
from tests.evaluations.rubrics.factories import create_rubric, dimension
from tests.evaluations.scores.test_scores import answered
from tests.fixtures.callers import Person
from tests.scans.factories import insert_scan

PAIR = {"first": {"polite": "negative"}, "second": {"polite": "positive"}}


async def say(owner: Person, trace_id: str, score: float, **fields: Any) -> None:
    body = {"score": score, "source": "human", **fields}
    answer = await owner.client.post(f"{owner.w}/traces/{trace_id}/feedback", json=body)
    assert answer.status_code == 201, answer.text


async def say_all(database: Database, owner: Person, marks: dict[str, bool], *, key: str = "polite") -> None:
    """What people said of many traces, written as feedback is, at once."""
    rows = [{"trace": trace_id, "score": 1.0 if good else -1.0} for trace_id, good in marks.items()]
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(
            text(
                "INSERT INTO feedback (id, workspace_id, trace_id, score, dimension, source, author_kind, author_id, created_at)"
                " VALUES (gen_random_uuid(), :workspace, :trace, :score, :key, 'human', 'user', :author, clock_timestamp())"
            ),
            [{**row, "workspace": owner.workspace_id, "key": key, "author": owner.user_id} for row in rows],
        )


async def calibration(owner: Person, rubric: dict[str, Any], **query: Any) -> dict[str, Any]:
    answer = await owner.client.get(f"{owner.w}/evaluations/rubrics/{rubric['id']}/calibration", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def requests(owner: Person, rubric: dict[str, Any], **query: Any) -> dict[str, Any]:
    answer = await owner.client.get(f"{owner.w}/evaluations/rubrics/{rubric['id']}/label-requests", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def a_scan(owner: Person, database: Database) -> str:
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        return str(await insert_scan(session, owner))


async def test_without_labels_the_judge_is_an_opinion(owner: Person) -> None:
    rubric = await create_rubric(owner)

    found = await calibration(owner, rubric)

    assert (found["n"], found["state"], found["opinion_only"], found["labels_needed"]) == (0, "uncalibrated", True, 30)
    assert {found[name] for name in ("agreement", "kappa", "ac1", "sensitivity", "specificity", "bias", "drift")} == {None}
    (each,) = found["dimensions"]
    assert (each["key"], each["scored"], each["judge_model"]) == ("polite", 0, None)


async def test_the_worked_example_of_the_documentation(owner: Person, database: Database) -> None:
    """100 labelled answers: 50 both passed, 10 only the judge, 5 only people, 35 neither."""
    rubric = await create_rubric(owner)
    trace_ids = await answered(owner, *(f"Answer {number}." for number in range(100)))
    table = [(True, True)] * 50 + [(True, False)] * 10 + [(False, True)] * 5 + [(False, False)] * 35
    await judge(database, owner, rubric["id"], dict(zip(trace_ids, (by_judge for by_judge, _ in table), strict=True)))
    await say_all(database, owner, dict(zip(trace_ids, (by_people for _, by_people in table), strict=True)))

    found = await calibration(owner, rubric)

    assert found["ratings"] == {"both_yes": 50, "false_yes": 10, "false_no": 5, "both_no": 35}
    rounded = {
        name: tuple(round(found[name][part], 2) for part in ("estimate", "lower", "upper"))
        for name in ("agreement", "kappa", "ac1", "sensitivity", "specificity")
    }
    assert rounded == {
        "agreement": (0.85, 0.77, 0.91),
        "kappa": (0.69, 0.55, 0.84),
        "ac1": (0.71, 0.57, 0.85),
        "sensitivity": (0.91, 0.8, 0.96),
        "specificity": (0.78, 0.64, 0.87),
    }
    assert round(found["bias"], 2) == 0.05
    assert (found["n"], found["state"], found["opinion_only"]) == (100, "calibrated", False)


async def test_only_what_people_said_of_the_whole_answer_in_this_dimension_counts(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite", "short")
    named, unnamed, by_code, changed, at_odds = await answered(owner, *"abcde")
    await judge(database, owner, rubric["id"], dict.fromkeys((named, unnamed, by_code, changed, at_odds), True))
    await say(owner, named, 1, dimension="polite")
    await say(owner, named, -1, dimension="short")
    await say(owner, unnamed, 1)
    await say(owner, by_code, -1, dimension="polite", source="code")
    await say(owner, changed, -1, dimension="polite")
    await say(owner, changed, 0.5, dimension="polite")
    await say(owner, at_odds, 0, dimension="polite")

    polite, short = (await calibration(owner, rubric))["dimensions"]

    assert polite["ratings"] == {"both_yes": 2, "false_yes": 0, "false_no": 0, "both_no": 0}
    assert (polite["n"], polite["undecided"], polite["scored"], short["n"]) == (2, 1, 5, 0)


async def test_where_there_is_one_dimension_it_need_not_be_named(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner)
    (trace_id,) = await answered(owner, "a")
    await judge(database, owner, rubric["id"], {trace_id: False})
    await say(owner, trace_id, 1)

    assert (await calibration(owner, rubric))["ratings"]["false_no"] == 1


async def test_another_judge_or_version_begins_anew(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner)
    first, second = await answered(owner, "a", "b")
    await judge(database, owner, rubric["id"], {first: True, second: True}, model="sim/judge")
    await say_all(database, owner, {first: True, second: True})
    assert (await calibration(owner, rubric))["n"] == 2

    await judge(database, owner, rubric["id"], {first: True}, model="sim/stricter")

    assert (await calibration(owner, rubric))["n"] == 1
    await owner.client.patch(f"{owner.w}/evaluations/rubrics/{rubric['id']}", json={"name": "Newer"})
    assert (await calibration(owner, rubric))["n"] == 0
    assert (await calibration(owner, rubric, version=1))["n"] == 1


async def test_a_judge_that_drifts_is_told_once(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner)
    trace_ids = await answered(owner, *(f"Answer {number}." for number in range(150)))
    verdicts = {trace_id: number % 2 == 0 for number, trace_id in enumerate(trace_ids)}
    await judge(database, owner, rubric["id"], verdicts)
    early = dict(list(verdicts.items())[:110])
    late = {trace_id: not passed for trace_id, passed in list(verdicts.items())[110:]}

    async def certify() -> list[dict[str, Any]]:
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            version = await get_rubric_version(session, owner.workspace_id, UUID(rubric["id"]))
            await commands.certify_judge(session, owner.workspace_id, version, account_id=owner.account_id)
            told = "SELECT args->'work'->'facts' FROM procrastinate_jobs WHERE args->'work'->>'event' = 'judge.drifted'"
            return list(await session.scalars(text(told)))

    await say_all(database, owner, early)
    assert await certify() == []
    assert (await calibration(owner, rubric))["state"] == "calibrated"

    await say_all(database, owner, late)
    (news,) = await certify()
    assert (news["reason"], news["dimension"], news["rubric_id"]) == ("agreement_fell", "polite", rubric["id"])
    found = await calibration(owner, rubric)
    assert found["dimensions"][0]["drift"]["alarm"] is True
    assert found["state"] == "provisional"
    assert len(await certify()) == 1

    await judge(database, owner, rubric["id"], {trace_ids[0]: True}, model="sim/other")
    assert [each["reason"] for each in await certify()] == ["agreement_fell", "judge_changed"]


async def test_traces_to_label_are_those_that_only_the_judge_has_seen(owner: Person, database: Database) -> None:
    rubric = await create_rubric(owner, "polite", "short")
    trace_ids = await answered(owner, *(f"Answer {number}." for number in range(130)))
    await judge(database, owner, rubric["id"], dict.fromkeys(trace_ids, True))
    await judge(database, owner, rubric["id"], dict.fromkeys(trace_ids, True), dimension="short", model=None)
    await say(owner, trace_ids[0], 1, dimension="polite")

    first = await requests(owner, rubric, limit=60)
    rest = await requests(owner, rubric, limit=60, offset=60)

    everything = first["results"] + rest["results"]
    assert first["pagination"]["total"] == 99 == len({each["id"] for each in everything})
    assert trace_ids[0] not in {each["trace_id"] for each in everything}
    assert {(each["kind"], each["reason"], tuple(each["dimensions"])) for each in everything} == {
        ("trace", "uniform", ("polite",))
    }
    assert everything[0]["inclusion_probability"] == pytest.approx(99 / 129)
    assert first == await requests(owner, rubric, limit=60)
    wanted = everything[0]["label_with"]
    assert (await owner.client.request(wanted["method"], wanted["path"], json=wanted["body"])).status_code == 201
    assert everything[0]["id"] not in {each["id"] for each in (await requests(owner, rubric, limit=200))["results"]}


async def test_pairs_are_asked_for_blindly_most_of_them_where_the_judge_differs_most(owner: Person, database: Database) -> None:
    rubric, scan_id = await create_rubric(owner), await a_scan(owner, database)
    await ask_about(database, owner, rubric["id"], scan_id, [compared(number, number / 100) for number in range(100)])

    found = await requests(owner, rubric, limit=200)

    assert found["pagination"]["total"] == 60
    largest = [each for each in found["results"] if each["reason"] == "largest_difference"]
    assert {each["input"] for each in largest} == {f"Question {number}?" for number in range(58, 100)}
    assert {each["inclusion_probability"] for each in largest} == {1}
    uniform = [each for each in found["results"] if each["reason"] == "uniform"]
    assert {round(each["inclusion_probability"], 6) for each in uniform} == {round(18 / 58, 6)}
    assert {each["answers"][0].split()[0] for each in found["results"]} == {"Old", "New"}
    assert not any({"baseline_output", "difference", "is_swapped", "case_key"} & each.keys() for each in found["results"])


async def test_a_pair_is_labelled_in_the_order_in_which_it_was_shown(owner: Person, database: Database) -> None:
    rubric, scan_id = await create_rubric(owner), await a_scan(owner, database)
    await ask_about(database, owner, rubric["id"], scan_id, [compared(number) for number in range(6)])
    for request in (await requests(owner, rubric))["results"]:
        path = request["label_with"]["path"]
        marks = [{"polite": "positive" if answer.startswith("New") else "negative"} for answer in request["answers"]]
        answer = await owner.client.post(path, json={"first": marks[0], "second": marks[1]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["id"] == request["id"]

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        marks_of_all = list(await session.scalars(text("SELECT marks FROM label_pairs")))
    assert marks_of_all == [{"polite": {"baseline": 0, "candidate": 1}}] * 6
    assert (await requests(owner, rubric))["results"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"first": {}, "second": {}}, 400),
        ({"first": {"polite": "positive"}, "second": {"polite": "positive", "kind": "negative"}}, 400),
        ({"first": {"polite": "superb"}, "second": {"polite": "positive"}}, 422),
        ({"first": {"polite": "positive"}}, 422),
    ],
)
async def test_a_label_that_makes_no_sense_is_refused(
    owner: Person, database: Database, body: dict[str, Any], status: int
) -> None:
    rubric, scan_id = await create_rubric(owner), await a_scan(owner, database)
    await ask_about(database, owner, rubric["id"], scan_id, [compared(1)])
    (request,) = (await requests(owner, rubric))["results"]

    answer = await owner.client.post(request["label_with"]["path"], json=body)

    assert answer.status_code == status, answer.text


async def test_of_two_who_label_the_same_pair_the_later_one_counts(owner: Person, database: Database) -> None:
    rubric, scan_id = await create_rubric(owner), await a_scan(owner, database)
    await ask_about(database, owner, rubric["id"], scan_id, [compared(1)])
    (request,) = (await requests(owner, rubric))["results"]
    path = request["label_with"]["path"]

    answers = await asyncio.gather(*(owner.client.post(path, json=PAIR) for _ in range(2)))

    assert [answer.status_code for answer in answers] == [200, 200]
    other = await create_rubric(owner, dimensions=[dimension("polite")])
    elsewhere = path.replace(rubric["id"], other["id"])
    assert (await owner.client.post(elsewhere, json=PAIR)).status_code == 404
