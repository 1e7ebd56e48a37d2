"""Scans over HTTP: what is refused, what is promised, and what a simulated scan finds."""

import asyncio
from typing import Any

import httpx
import pytest

from spectral_platform.core.database import Database
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import Scannable, make_scannable

PHASES = ["observe", "detect", "cluster", "generate", "evaluate", "diagnose", "safety"]


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    return await make_scannable(owner, database)


async def test_a_scan_finds_an_improvement_and_hands_over_a_changeset(scannable: Scannable, work: Drain) -> None:
    limited = {
        "name": "Quality, with answers that are never slow",
        "rubric_id": str(scannable.rubric_id),
        "terms": [{"metric": "quality", "direction": "maximize", "weight": 1}],
        "constraints": [{"metric": "latency_ms", "operator": "<=", "value": 60_000, "statistic": "p95"}],
    }
    objective = await scannable.owner.client.post(f"{scannable.owner.w}/evaluations/objectives", json=limited)
    started = await scannable.start(objective_id=objective.json()["id"])
    assert started["status"] == "scheduled"
    assert started["simulated"] is True
    assert started["readiness"]["mode"] == "full"
    assert started["readiness"]["minimum_detectable_effect"] > 0

    await work()

    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert (scan["status"], scan["failure"]) == ("completed", None)
    verdict = scan["verdict"]
    assert verdict["outcome"] == "improve"
    assert verdict["simulated"] is True
    assert verdict["effect"]["lower_bound"] > 0
    assert verdict["effect"]["n_pairs"] >= 60
    assert {gate["gate"] for gate in verdict["gates"]} == {f"G{number}" for number in range(8)}
    assert [gate["name"] for gate in verdict["gates"] if not gate["passed"]] == ["divergence"]  # it warns only
    assert verdict["statistics"]["look"]["cases"] >= verdict["effect"]["n_pairs"]
    slowest = next(gate for gate in verdict["gates"] if gate["name"] == "constraint:p95:latency_ms")
    assert 0 < slowest["value"] <= slowest["threshold"]
    assert scan["readiness"]["noise"]["cases"] == 15
    changeset = await scannable.get(f"changesets/{scan['changeset_id']}")
    assert (changeset["status"], changeset["simulated"]) == ("proposed", True)
    assert changeset["explainability"]["summary"]
    assert changeset["explainability"]["limitations"]
    assert changeset["items"][0]["agent_id"] == str(scannable.agent_id)

    events = (await scannable.get(f"scans/{started['scan_id']}/events?limit=200"))["results"]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert [event["phase"] for event in events if event["type"] == "phase_started"] == PHASES
    assert events[-1]["type"] == "scan_completed"

    cost = await scannable.get(f"scans/{started['scan_id']}/cost")
    assert (cost["simulated"], cost["unpriced_calls"]) == (True, 0)
    assert {entry["provider"] for entry in cost["by_model"]} == {"simulator"}
    calls = sum(entry["calls"] for entry in cost["by_model"])
    assert calls == cost["budget"]["spent_calls"] == sum(entry["calls"] for entry in cost["by_phase"])
    assert cost["total_usd"] == cost["budget"]["spent_usd"]
    assert cost["budget"]["reserved_usd"] == "0"


async def test_a_good_change_waits_for_cases_that_show_how_slow_its_slowest_answers_are(
    owner: Person, database: Database, work: Drain
) -> None:
    scannable = await make_scannable(owner, database, samples=85)
    await owner.client.put(f"{owner.w}/autonomy", json={"mode": "recommend"})
    slow, slower = ({"metric": "latency_ms", "operator": "<=", "value": 60_000, "statistic": name} for name in ("mean", "p95"))
    objective = {
        "name": "Better, never slow",
        "rubric_id": str(scannable.rubric_id),
        "terms": [{"metric": "quality", "direction": "maximize", "weight": 1}],
        "constraints": [slow, slower],
    }
    made = (await owner.client.post(f"{owner.w}/evaluations/objectives", json=objective)).json()
    started = await scannable.start(objective_id=made["id"], max_candidates=1)
    await work()

    scan = await scannable.get(f"scans/{started['scan_id']}")
    verdict = scan["verdict"]
    limits = {gate["name"]: gate for gate in verdict["gates"] if gate["name"].startswith("constraint:")}
    assert {name: gate["passed"] for name, gate in limits.items()} == {
        "constraint:latency_ms": True,
        "constraint:p95:latency_ms": False,
    }
    slowest = limits["constraint:p95:latency_ms"]
    assert (slowest["harm"], slowest["value"]) == (False, None)
    assert "cases cannot bound it" in slowest["detail"]
    assert (verdict["outcome"], scan["changeset_id"]) == ("insufficient_evidence", None)
    assert {gate["name"] for gate in verdict["gates"] if not gate["passed"]} <= {"constraint:p95:latency_ms", "divergence"}
    assert verdict["need"]["cases"] >= 62
    assert any("from 62 different holdout cases on" in warning for warning in started["readiness"]["warnings"])


async def test_a_seed_repeats_a_scan_to_the_last_figure_and_another_one_does_not(scannable: Scannable, work: Drain) -> None:
    found = []
    for seed in (1, 1, 2):
        started = await scannable.start(seed=seed)
        await work()
        report = await scannable.get(f"scans/{started['scan_id']}/report")
        found.append((report["scan"]["verdict"], report["scan"]["readiness"], report["candidates"], report["clusters"]))

    assert found[0] == found[1]
    assert found[0][0]["statistics"] != found[2][0]["statistics"]


async def test_few_samples_end_in_insufficient_evidence_with_what_is_needed(
    owner: Person, database: Database, work: Drain
) -> None:
    scannable = await make_scannable(owner, database, samples=40)

    started = await scannable.start()
    assert started["readiness"]["warnings"]
    await work()

    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert scan["status"] == "completed"
    assert scan["verdict"]["outcome"] == "insufficient_evidence"
    assert scan["verdict"]["need"]["cases"] >= 60
    assert scan["changeset_id"] is None
    events = (await scannable.get(f"scans/{started['scan_id']}/events?limit=200"))["results"]
    assert (await scannable.get("changesets/clusters"))["pagination"]["total"] > 0
    skipped = [event["message"] for event in events if event["type"] == "phase_skipped"]
    assert len(skipped) == 2


async def test_without_samples_the_mode_is_synthetic_only(owner: Person, database: Database, work: Drain) -> None:
    scannable = await make_scannable(owner, database, samples=0)

    started = await scannable.start()
    assert started["readiness"]["mode"] == "synthetic_only"
    await work()

    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert scan["verdict"]["outcome"] == "insufficient_evidence"


async def test_a_scan_of_an_agent_that_is_being_scanned_is_refused(scannable: Scannable) -> None:
    body = {"seed": 1}
    answers = await asyncio.gather(*(scannable.owner.client.post(f"{scannable.owner.w}/scans", json=body) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [202, 400, 400, 400, 400]
    refusals = {answer.json()["type"].rpartition("/")[2] for answer in answers if answer.status_code == 400}
    assert refusals == {"business-rule-violation"}
    (started,) = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    assert all(f"Scan {started} of" in answer.json()["detail"] for answer in answers if answer.status_code == 400)


async def test_a_scheduled_scan_is_cancelled_at_once_and_frees_its_agent(scannable: Scannable) -> None:
    started = await scannable.start()

    cancelled = await scannable.owner.client.post(f"{scannable.owner.w}/scans/{started['scan_id']}/cancel")
    assert cancelled.status_code == 202
    assert cancelled.json()["status"] == "cancelled"
    again = await scannable.owner.client.post(f"{scannable.owner.w}/scans/{started['scan_id']}/cancel")
    assert again.json()["type"].endswith("/invalid-transition")
    assert (again.json()["current"], again.json()["requested"]) == ("cancelled", "cancelling")
    assert (await scannable.start())["status"] == "scheduled"


async def refusal(owner: Person, body: dict[str, Any]) -> dict[str, Any]:
    answer = await owner.client.post(f"{owner.w}/scans", json=body)
    assert answer.status_code == 400, answer.text
    problem: dict[str, Any] = answer.json()
    return problem


async def test_an_empty_workspace_is_told_what_is_missing(owner: Person) -> None:
    problem = await refusal(owner, {})

    assert problem["missing"] == ["agents"]


@pytest.mark.parametrize(("field", "missing"), [("agent_ids", "agents"), ("rubric_id", "rubric"), ("objective_id", "objective")])
async def test_naming_what_is_not_there_is_refused(scannable: Scannable, field: str, missing: str) -> None:
    absent = str(scannable.owner.user_id)

    problem = await refusal(scannable.owner, {field: [absent] if field == "agent_ids" else absent})

    assert problem["missing"] == [missing]
    assert absent in problem["detail"]


async def test_a_budget_below_the_first_look_is_refused_with_a_quote(scannable: Scannable) -> None:
    problem = await refusal(scannable.owner, {"budget": {"max_model_calls": 50}})

    assert problem["quote"]["model_calls"] > 50


async def test_a_model_that_nobody_serves_is_refused_and_never_simulated(owner: Person, database: Database) -> None:
    await make_scannable(owner, database, model="gpt-4o-mini", samples=10)

    problem = await refusal(owner, {})

    assert problem["type"].endswith("/provider-unconfigured")
    assert problem["missing"] == ["SPECTRAL_OPENAI_BASE_URL or SPECTRAL_OPENAI_API_KEY"]
    assert "gpt-4o-mini" in problem["models"]


async def test_real_and_simulated_models_do_not_mix(owner: Person, database: Database) -> None:
    await make_scannable(owner, database, samples=10)
    config = {"template": {"base_prompt": "Help."}, "hyperparameters": {"model": "gpt-4o-mini"}}
    made = await owner.client.post(f"{owner.w}/agents", json={"name": "other", "config": config})
    assert made.status_code == 201

    problem = await refusal(owner, {})

    assert set(problem["models"]) >= {"gpt-4o-mini", "sim/standard"}


async def test_a_quote_starts_nothing(scannable: Scannable) -> None:
    answer = await scannable.owner.client.post(f"{scannable.owner.w}/scans/quote", json={"max_candidates": 2})

    assert answer.status_code == 200
    assert answer.json()["quote"]["max_candidates"] == 2
    assert (await scannable.get("scans"))["pagination"]["total"] == 0


async def test_the_workspace_defaults_fill_in_what_is_absent(scannable: Scannable) -> None:
    owner = scannable.owner
    changed = await owner.client.patch(owner.w, json={"scan_defaults": {"seed": 99, "max_candidates": 5}})
    assert changed.status_code == 200, changed.text

    started = (await owner.client.post(f"{owner.w}/scans", json={"max_candidates": 2})).json()

    assert started["settings"]["seed"] == 99
    assert started["settings"]["max_candidates"] == 2


async def test_scans_of_another_tenant_are_not_found(scannable: Scannable, stranger: Person, client: httpx.AsyncClient) -> None:
    started = await scannable.start()

    for path in ("", "/events", "/cost", "/report"):
        answer = await stranger.client.get(f"{stranger.w}/scans/{started['scan_id']}{path}")
        assert answer.status_code == 404
