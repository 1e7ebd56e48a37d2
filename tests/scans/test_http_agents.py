"""Scans of agents behind endpoints of their own, over real HTTP."""

import asyncio
import json
from collections import Counter
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.responses import JSONResponse, PlainTextResponse, Response

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.demo import content
from spectral_platform.worker.runner import run_worker
from tests.fixtures.agent import AgentServer
from tests.fixtures.callers import Person
from tests.scans.workspaces import Scannable, make_scannable

SECRET = "Bearer s3cret"
LOCAL = (IPv4Network("127.0.0.0/8"),)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=database_url, data_dir=tmp_path, workers=0, outbound_allowed_networks=LOCAL, model_concurrency=8)


@pytest.fixture
async def scannable(owner: Person, database: Database, agent_server: AgentServer) -> Scannable:
    """A workspace whose agent runs behind the endpoint. Its model is the simulator's, and so are judge and proposer."""
    execution = {"kind": "http", "url": agent_server.url, "headers_secret": {"Authorization": SECRET}, "timeout_ms": 60_000}
    return await make_scannable(owner, database, samples=30, execution=execution)


async def test_a_scan_runs_the_agent_through_its_endpoint_with_the_proposed_config(
    scannable: Scannable, settings: Settings, database_url: str, agent_server: AgentServer, database: Database
) -> None:
    started = await scannable.start(explore=True, max_candidates=2)
    path = f"scans/{started['scan_id']}"
    await run_worker(settings, database_url, until_idle=True)

    scan = await scannable.get(path)
    assert (scan["status"], scan["failure"]) == ("completed", None)
    assert scan["verdict"]["evidence_level"] == "L3"
    assert scan["settings"]["models"]["customer_replay"] == "sim/standard"
    assert any("cost what they report" in warning for warning in scan["readiness"]["warnings"])
    cost = await scannable.get(f"{path}/cost")
    spent = {entry["purpose"]: entry for entry in cost["by_purpose"]}
    assert spent["customer_replay"]["calls"] == len(agent_server.bodies) > 100
    assert float(spent["customer_replay"]["cost_usd"]) == pytest.approx(0.0001 * len(agent_server.bodies))
    assert "agent_turn" not in spent
    assert {entry["provider"] for entry in cost["by_model"]} == {"customer", "simulator"}

    assert {headers["authorization"] for headers in agent_server.headers} == {SECRET}
    assert {headers["spectral-replay"] for headers in agent_server.headers} == {"1"}
    assert {headers["spectral-scan-id"] for headers in agent_server.headers} == {started["scan_id"]}
    calls = Counter(headers["spectral-call-id"] for headers in agent_server.headers)
    assert max(calls.values()) == 1
    assert {frozenset(body) for body in agent_server.bodies} == {
        frozenset({"input", "variables", "context", "messages", "config", "seed"})
    }
    assert {frozenset(body["config"]) for body in agent_server.bodies} == {frozenset({"template", "hyperparameters"})}
    assert len({json.dumps(body["config"]) for body in agent_server.bodies}) > 1
    prompts = {body["config"]["template"]["base_prompt"] for body in agent_server.bodies}
    report = await scannable.get(f"{path}/report")
    tried = {candidate["config"]["template"]["base_prompt"] for candidate in report["candidates"]}
    assert prompts == tried | {content.agent_config().template.base_prompt}
    sent = json.dumps(agent_server.bodies) + json.dumps(agent_server.headers)
    assert not any(word in sent for word in ("holdout", '"split"', '"phase"', "finalist"))
    async with database.transaction(account_id=scannable.owner.account_id, workspace_id=scannable.owner.workspace_id) as session:
        stored = (await session.scalars(text("SELECT document::text FROM scan_documents"))).all()
        kept = (await session.scalars(text("SELECT config::text FROM scan_candidates"))).all()
    assert not any("s3cret" in row for row in [*stored, *kept])


async def test_what_an_agent_does_wrong_is_its_own_failure_and_an_overloaded_gateway_is_asked_again(
    scannable: Scannable, settings: Settings, database_url: str, agent_server: AgentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spectral_platform.llm.calling.FIRST_PAUSE_S", 0.001)

    def troubled(number: int, body: dict[str, Any]) -> Response | None:
        answers: dict[int, Response] = {
            3: PlainTextResponse("Traceback", status_code=500),
            5: PlainTextResponse("<html>", media_type="text/html"),
            7: JSONResponse({"output": ""}),
        }
        if number % 10 == 1:
            return JSONResponse({}, status_code=503, headers={"Retry-After": "0"})
        return answers.get(number % 10)

    agent_server.fault = troubled
    started = await scannable.start(max_candidates=1, strategies=["rules"])
    await run_worker(settings, database_url, until_idle=True)

    events = (await scannable.get(f"scans/{started['scan_id']}/events?limit=200"))["results"]
    observed = next(event["data"] for event in events if event["type"] == "baseline_observed")
    assert observed["unscored"] == 0
    assert observed["agent_errors"] >= observed["cases"] // 5
    assert {entry["problem"] for entry in observed["problems"]} == {
        "The endpoint answered 500.",
        "The endpoint's answer is neither the JSON object that is asked for nor text.",
        "The answer is empty.",
    }


async def test_a_limit_is_not_kept_by_leaving_out_what_the_dearest_answers_took(
    owner: Person, database: Database, settings: Settings, database_url: str, agent_server: AgentServer
) -> None:
    execution = {"kind": "http", "url": agent_server.url}
    scannable = await make_scannable(owner, database, samples=80, execution=execution)
    await owner.client.put(f"{owner.w}/autonomy", json={"mode": "recommend"})
    limits = [{"metric": metric, "operator": "<=", "value": 1_000} for metric in ("cost_usd", "total_tokens", "latency_ms")]
    quality = {"metric": "quality", "direction": "maximize", "weight": 1}
    objective = {"name": "Cheap", "rubric_id": str(scannable.rubric_id), "terms": [quality], "constraints": limits}
    made = (await owner.client.post(f"{owner.w}/evaluations/objectives", json=objective)).json()
    agent_server.counted = 250
    started = await scannable.start(objective_id=made["id"], max_candidates=1, strategies=["rules"])
    await run_worker(settings, database_url, until_idle=True)

    verdict = (await scannable.get(f"scans/{started['scan_id']}"))["verdict"]
    unknown = verdict["statistics"]["unknown_amounts"]
    assert 0 < unknown["cost_usd"] == unknown["total_tokens"] < verdict["effect"]["n_pairs"]
    failed = {gate["name"]: gate for gate in verdict["gates"] if not gate["passed"] and gate["gate"] != "G7"}
    assert set(failed) == {"constraint:cost_usd", "constraint:total_tokens"}, verdict["reasons"]
    assert {(gate["value"], gate["harm"]) for gate in failed.values()} == {(None, False)}
    assert verdict["outcome"] == "insufficient_evidence"
    assert any(f"What {unknown['cost_usd']} of" in reason for reason in verdict["reasons"])


async def test_a_refused_key_says_nothing_about_the_agent(
    scannable: Scannable, settings: Settings, database_url: str, agent_server: AgentServer
) -> None:
    agent_server.fault = lambda number, body: JSONResponse({}, status_code=401)
    started = await scannable.start(max_candidates=1, strategies=["rules"])
    await run_worker(settings, database_url, until_idle=True)

    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert scan["verdict"]["outcome"] == "insufficient_evidence"
    assert any("could not be scored" in reason for reason in scan["verdict"]["reasons"])
    assert (await scannable.get(f"scans/{started['scan_id']}/cost"))["by_model"] == []
    events = (await scannable.get(f"scans/{started['scan_id']}/events?limit=200"))["results"]
    observed = next(event["data"] for event in events if event["type"] == "baseline_observed")
    assert observed["problems"][0]["problem"] == "The endpoint answered 401."


async def test_a_retried_scan_does_not_run_the_agent_again_where_it_has_answered(
    scannable: Scannable, settings: Settings, database_url: str, agent_server: AgentServer
) -> None:
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def counting(number: int, body: dict[str, Any]) -> Response | None:
        if number == 40:
            loop.call_soon_threadsafe(reached.set)
        return None

    agent_server.fault = counting
    started = await scannable.start(max_candidates=1, strategies=["rules"])
    working = asyncio.create_task(run_worker(settings, database_url, until_idle=True))
    async with asyncio.timeout(60):
        await reached.wait()
    await scannable.owner.client.post(f"{scannable.owner.w}/scans/{started['scan_id']}/cancel")
    await working
    assert (await scannable.get(f"scans/{started['scan_id']}"))["status"] == "cancelled"

    retried = await scannable.owner.client.post(f"{scannable.owner.w}/scans/{started['scan_id']}/retry")
    assert retried.status_code == 202, retried.text
    await run_worker(settings, database_url, until_idle=True)

    asked = Counter(json.dumps(body, sort_keys=True) for body in agent_server.bodies)
    assert sum(count - 1 for count in asked.values()) <= settings.model_concurrency
    assert (await scannable.get(f"scans/{retried.json()['scan_id']}"))["status"] == "completed"


async def test_an_endpoint_that_may_not_be_called_any_more_refuses_the_scan(scannable: Scannable, app: FastAPI) -> None:
    app.state.settings = Settings(database_url=app.state.settings.database_url, data_dir=app.state.settings.data_dir)

    answer = await scannable.owner.client.post(f"{scannable.owner.w}/scans", json={})

    assert (answer.status_code, answer.json()["missing"]) == (400, ["execution"])
