"""How candidates are found: each way of searching, through the API and on the simulator."""

from typing import Any

import pytest
from sqlalchemy import text

from spectral_platform.core.database import Database
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import Scannable, make_scannable

HELD = (
    "SELECT content->>'input' FROM published_samples p JOIN case_splits s USING (workspace_id, content_group)"
    " WHERE s.split <> 'train'"
)
PLENTY = {"max_model_calls": 20_000, "max_usd": 50}


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    return await make_scannable(owner, database)


async def candidates_of(scannable: Scannable, work: Drain, **wanted: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The candidates of a scan, and its events."""
    started = await scannable.start(**wanted, budget=PLENTY)
    await work()
    report = await scannable.get(f"scans/{started['scan_id']}/report")
    assert report["scan"]["status"] == "completed", report["scan"]["failure"]
    events = (await scannable.get(f"scans/{started['scan_id']}/events?limit=200"))["results"]
    return report["candidates"], events


async def test_arms_are_halved_on_shared_cases_and_examples_come_from_training_cases(
    scannable: Scannable, database: Database, work: Drain
) -> None:
    candidates, events = await candidates_of(scannable, work, strategies=["arms", "few_shot"], max_candidates=4)

    (halved,) = [event["data"]["arms"] for event in events if event["type"] == "arms_halved"]
    assert len(halved) == 6  # a model, three temperatures, two caps on tokens
    cases = [arm["cases"] for arm in halved]
    left = [arm for arm in halved if arm["is_left"]]
    assert len(left) == 2
    assert {arm["cases"] for arm in left} == {max(cases)}
    assert min(cases) < max(cases)
    gains = {arm["arm"]: arm["gain"] for arm in halved}
    for candidate in candidates:
        if candidate["strategy"] == "arms" and candidate["dev"]:
            assert gains[candidate["rationale"]] > 0
    shown = [candidate for candidate in candidates if candidate["strategy"] == "few_shot"]
    assert shown
    owner = scannable.owner
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        held = set(await session.scalars(text(HELD)))
    for candidate in shown:
        assert not {example["input"] for example in candidate["config"]["template"]["examples"]} & held


async def test_gepa_finds_candidates_within_the_scans_own_budget_and_repeats_them_by_its_seed(
    scannable: Scannable, work: Drain
) -> None:
    found = [await candidates_of(scannable, work, strategies=["gepa"], max_candidates=3) for _ in range(2)]

    tried = [candidate for candidate in found[0][0] if candidate["strategy"] == "gepa"]
    assert 1 <= sum(bool(candidate["dev"]) for candidate in tried) <= 3
    assert any(candidate["fate"] == "finalist" for candidate in found[0][0])
    assert [candidate["key"] for candidate in found[0][0]] == [candidate["key"] for candidate in found[1][0]]
    assert "proposal_failed" not in {event["type"] for event in found[0][1]}


async def test_gepa_is_refused_where_its_package_is_missing(scannable: Scannable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectral_platform.optimizers.gepa_engine.gepa", None)

    answer = await scannable.owner.client.post(f"{scannable.owner.w}/scans", json={"strategies": ["gepa"]})

    assert answer.status_code == 400
    assert answer.json()["missing"] == ["gepa"]
    assert "spectral-api[gepa]" in answer.json()["detail"]
