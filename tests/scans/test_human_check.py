"""What people say of a finalist: they are asked about dev cases, and their labels can stop what the judge would pass."""

from typing import Any

import pytest
from sqlalchemy import text

from spectral_platform.core.database import Database
from spectral_platform.scans.verdicts.bounding import only_look
from spectral_platform.scans.verdicts.labelled import LabelledPairs, human_check
from spectral_platform.worlds.readings import Reading, confine
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import CODE_RUBRIC, JUDGED, Scannable, make_scannable


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    """A workspace whose rubric rests on its judge."""
    made = await make_scannable(owner, database, judged=True)
    heavy = {"dimensions": [*CODE_RUBRIC, JUDGED | {"weight": 4}]}
    await owner.client.patch(f"{owner.w}/evaluations/rubrics/{made.rubric_id}", json=heavy)
    return made


async def rows(scannable: Scannable, database: Database, statement: str) -> list[Any]:
    owner = scannable.owner
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await confine(session, Reading.REGISTRY)
        return list(await session.execute(text(statement)))


async def test_labels_of_people_check_the_verdict_of_the_next_scan(scannable: Scannable, database: Database, work: Drain) -> None:
    first = await scannable.start(budget={"max_model_calls": 6_000})
    await work()
    before = (await scannable.get(f"scans/{first['scan_id']}"))["verdict"]
    assert before["statistics"]["human_check"] is None
    assert before["statistics"]["judges"] == {"resolution": {"state": "uncalibrated", "labels": 0, "kappa_lower_bound": None}}
    path = f"evaluations/rubrics/{scannable.rubric_id}/label-requests"
    requests = (await scannable.get(f"{path}?limit=200"))["results"]
    held = await rows(
        scannable,
        database,
        "SELECT content->>'input' FROM published_samples p JOIN case_splits s USING (workspace_id, content_group)"
        " WHERE s.split <> 'dev'",
    )
    assert len(requests) >= 30
    assert {request["scan_id"] for request in requests} == {first["scan_id"]}
    assert not {request["input"] for request in requests} & {row[0] for row in held}

    worse = "jsonb_build_object('resolution', jsonb_build_object('baseline', 1, 'candidate', 0))"
    await rows(scannable, database, f"UPDATE label_pairs SET marks = {worse}, labelled_at = now() RETURNING id")
    again = await scannable.start(budget={"max_model_calls": 6_000})
    await work()
    verdict = (await scannable.get(f"scans/{again['scan_id']}"))["verdict"]
    (gate,) = [gate for gate in verdict["gates"] if gate["gate"] == "G8"]
    assert (gate["name"], gate["passed"], gate["harm"]) == ("human_lower_bound", False, False)
    assert verdict["statistics"]["human_check"]["labelled"] >= 30
    assert verdict["outcome"] != "improve"
    events = (await scannable.get(f"scans/{again['scan_id']}/events?limit=200"))["results"]
    assert "checked_with_people" in {event["type"] for event in events}


def differences(mean: float, cases: int = 80) -> tuple[float, ...]:
    return tuple(mean + (0.1 if number % 2 else -0.1) for number in range(cases))


def labelled(human: float, judged: float = 0.3) -> LabelledPairs:
    return LabelledPairs(human=differences(human, 40), judged=differences(judged, 40), inclusion=(1.0,) * 40)


@pytest.mark.parametrize(("human", "passed"), [(0.3, True), (0.1, True), (0.0, False), (-0.2, False)])
def test_the_gate_follows_people_and_not_the_judge(human: float, passed: bool) -> None:
    (gate,), figures = human_check(labelled(human), differences(0.3), only_look(80))
    assert gate.passed is passed
    assert isinstance(figures, dict)
    assert figures["estimate"] == pytest.approx(human, abs=0.01)


def test_without_labels_there_is_no_gate() -> None:
    assert human_check(None, (), only_look(0)) == ((), None)
