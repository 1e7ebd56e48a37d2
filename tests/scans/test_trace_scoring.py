"""What a scan finds in traces: whom it scores first, what that may cost, and that nothing of it decides."""

from typing import Any

import pytest
from sqlalchemy import text

from spectral_platform.core.database import Database
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import Scannable, make_scannable


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    return await make_scannable(owner, database, judged=True, samples=20)


async def report(scannable: Scannable, count: int) -> list[str]:
    traces = [
        {"agent": "support-agent", "input": f"Where is order {number}?", "output": f"On its way, see [KB-{number}]. Bye."}
        for number in range(count)
    ]
    answer = await scannable.owner.client.post(f"{scannable.owner.w}/traces", json={"traces": traces})
    trace_ids: list[str] = answer.json()["trace_ids"]
    return trace_ids


async def scores(scannable: Scannable, database: Database) -> list[Any]:
    owner = scannable.owner
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        return list(await session.execute(text("SELECT * FROM trace_scores ORDER BY trace_id, dimension")))


async def test_a_scan_scores_traces_within_its_share_and_says_so(scannable: Scannable, database: Database, work: Drain) -> None:
    trace_ids = await report(scannable, 6)
    for trace_id in trace_ids[3:5]:
        path = f"{scannable.owner.w}/traces/{trace_id}/feedback"
        await scannable.owner.client.post(path, json={"score": 1, "dimension": "resolution"})

    started = await scannable.start(budget={"max_model_calls": 160})
    await work()

    found = await scores(scannable, database)
    assert {row.trace_id for row in found} == set(trace_ids)
    judged = [row for row in found if row.dimension == "resolution"]
    assert {row.trace_id for row in judged} == set(trace_ids[3:5])
    assert {(row.judge_model, row.simulated, row.evaluator) for row in judged} == {("sim/judge", True, "llm_judge@1")}
    assert {(row.judge_model, row.passed) for row in found if row.dimension == "sources"} == {(None, True)}
    assert {str(row.scan_id) for row in found} == {started["scan_id"]}
    cost = await scannable.get(f"scans/{started['scan_id']}/cost")
    assert {entry["purpose"]: entry["calls"] for entry in cost["by_purpose"]}["detection"] == 6
    events = (await scannable.get(f"scans/{started['scan_id']}/events?limit=200"))["results"]
    told = [event for event in events if event["type"] == "traces_scored"]
    assert [(event["phase"], event["data"]["traces"], event["data"]["judged"]) for event in told] == [("detect", 6, 2)]


async def test_a_scan_goes_on_where_the_last_one_stopped_scoring_and_with_a_seed_begins_anew(
    scannable: Scannable, database: Database, work: Drain
) -> None:
    await report(scannable, 4)

    async def judged_by(**settings: Any) -> set[str]:
        answer = await scannable.owner.client.post(
            f"{scannable.owner.w}/scans", json={"budget": {"max_model_calls": 160}, **settings}
        )
        await work()
        made = answer.json()["scan_id"]
        found = await scores(scannable, database)
        return {row.trace_id for row in found if row.dimension == "resolution" and str(row.scan_id) == made}

    first = await judged_by()
    second = await judged_by()
    assert (len(first), len(second)) == (2, 2)
    assert not first & second
    assert await judged_by(seed=1) == first
