"""Scans on a real OpenAI-compatible endpoint: slow, failing, and cancelled."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.responses import JSONResponse, PlainTextResponse, Response

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.worker.runner import run_worker
from spectral_platform.worlds.readings import Reading, confine
from tests.fixtures.callers import Person
from tests.fixtures.llm import AGENT, JUDGE, PROPOSER, SMALL_AGENT, ModelServer
from tests.scans.workspaces import Scannable, make_scannable

CONCURRENCY = 8
PATIENCE_S = 240


@pytest.fixture
def settings(model_server: ModelServer, database_url: str, tmp_path: Path) -> Settings:
    return model_server.settings(database_url, tmp_path, model_concurrency=CONCURRENCY, model_call_timeout_s=20)


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    """A workspace whose agent, judge and proposer run on the endpoint; few samples, because it explores anyway."""
    made = await make_scannable(owner, database, model=AGENT, judged=True, samples=40)
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        purposes = json.dumps({"scoring": JUDGE, "reasoning": PROPOSER})
        await session.execute(
            text("INSERT INTO model_profiles (workspace_id, purposes) VALUES (:id, cast(:purposes AS jsonb))"),
            {"id": owner.workspace_id, "purposes": purposes},
        )
    return made


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that other processes bring about."""
    deadline = time.monotonic() + PATIENCE_S
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


async def test_a_scan_comes_through_an_endpoint_that_throttles_fails_and_babbles(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer, database: Database
) -> None:
    def troubled(number: int, body: dict[str, Any]) -> Response | None:
        if number % 29 == 0:
            return JSONResponse({"error": {"message": "slow down"}}, status_code=429, headers={"Retry-After": "0"})
        if number % 41 == 0:
            return JSONResponse({"error": {"message": "oops"}}, status_code=500)
        if number % 53 == 0:
            return PlainTextResponse("<html>gateway</html>", media_type="text/html")
        if body["model"] == JUDGE and number % 17 == 0:
            message = {"role": "assistant", "content": "I would say it is quite good, overall!"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return JSONResponse({"id": "1", "object": "chat.completion", "created": 0, "model": JUDGE, "choices": [choice]})
        return None

    model_server.fault = troubled
    started = await scannable.start(explore=True, max_candidates=2)
    assert started["simulated"] is False

    await run_worker(settings, database_url, until_idle=True)

    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert (scan["status"], scan["failure"]) == ("completed", None)
    assert scan["verdict"]["simulated"] is False
    cost = await scannable.get(f"scans/{started['scan_id']}/cost")
    assert {entry["provider"] for entry in cost["by_model"]} == {"openai"}
    assert cost["total_usd"] is None
    assert cost["unpriced_calls"] == cost["budget"]["spent_calls"] > 0
    assert model_server.most_in_flight <= CONCURRENCY


async def test_a_dead_endpoint_ends_in_insufficient_evidence_not_in_the_simulator(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spectral_platform.llm.calling.FIRST_PAUSE_S", 0.001)
    model_server.fault = lambda number, body: JSONResponse({"error": {"message": "down"}}, status_code=503)
    started = await scannable.start(explore=True, max_candidates=2)

    await run_worker(settings.model_copy(update={"provider_patience_s": 0.1}), database_url, until_idle=True)

    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert scan["status"] == "completed"
    assert scan["verdict"]["outcome"] == "insufficient_evidence"
    assert (await scannable.get(f"scans/{started['scan_id']}/cost"))["by_model"] == []


@pytest.mark.parametrize(
    ("slow", "strategies"), [(AGENT, ["reflective"]), (PROPOSER, ["gepa"])], ids=["while it observes", "while gepa searches"]
)
async def test_a_running_scan_is_cancelled_within_two_seconds(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer, slow: str, strategies: list[str]
) -> None:
    def slow_down(number: int, body: dict[str, Any]) -> None:
        model_server.latency_s = 15 if body["model"] == slow else 0

    model_server.fault = slow_down
    started = await scannable.start(explore=True, strategies=strategies)
    path = f"scans/{started['scan_id']}"
    working = asyncio.create_task(run_worker(settings, database_url, until_idle=True))

    async def is_calling() -> bool:
        """Whether slow calls are under way, and all that are reserved have arrived."""
        reserved = (await scannable.get(f"{path}/cost"))["budget"]["reserved_calls"]
        return model_server.latency_s > 0 and model_server.in_flight == reserved > 0

    await until(is_calling)
    asked = time.monotonic()
    cancelled = await scannable.owner.client.post(f"{scannable.owner.w}/{path}/cancel")
    assert cancelled.json()["status"] == "cancelling"
    await working
    took = time.monotonic() - asked

    assert (await scannable.get(path))["status"] == "cancelled"
    assert took < 12  # the call that was under way would have taken fifteen
    assert model_server.received - model_server.answered <= CONCURRENCY
    cost = await scannable.get(f"{path}/cost")
    assert cost["budget"]["reserved_calls"] == 0
    assert cost["budget"]["spent_calls"] == model_server.received


async def test_a_retry_inherits_what_the_cancelled_scan_was_answered(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    started = await scannable.start(explore=True, max_candidates=1)
    path = f"scans/{started['scan_id']}"
    working = asyncio.create_task(run_worker(settings, database_url, until_idle=True))

    async def has_answers() -> bool:
        return model_server.answered > 60

    await until(has_answers)
    await scannable.owner.client.post(f"{scannable.owner.w}/{path}/cancel")
    await working
    before = await scannable.get(f"{path}/cost")

    retried = await scannable.owner.client.post(f"{scannable.owner.w}/{path}/retry")
    assert retried.status_code == 202
    assert retried.json()["retried_from"] == started["scan_id"]
    await run_worker(settings, database_url, until_idle=True)

    bodies = Counter(json.dumps(body, sort_keys=True) for body in model_server.bodies)
    asked_again = sum(count - 1 for count in bodies.values())
    answered = sum(entry["calls"] for entry in before["by_model"])
    assert answered > 0
    assert asked_again <= CONCURRENCY
    assert (await scannable.get(f"scans/{retried.json()['scan_id']}"))["status"] == "completed"


async def test_the_proposer_never_sees_a_word_run_that_no_train_case_has(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer, database: Database
) -> None:
    started = await scannable.start(explore=True, max_candidates=2)
    await run_worker(settings, database_url, until_idle=True)
    assert (await scannable.get(f"scans/{started['scan_id']}"))["status"] == "completed"

    async with database.transaction(account_id=scannable.owner.account_id, workspace_id=scannable.owner.workspace_id) as session:
        await confine(session, Reading.REGISTRY)
        rows = await session.execute(
            text(
                "SELECT s.split, told FROM published_samples p JOIN case_splits s USING (workspace_id, content_group),"
                " unnest(ARRAY[p.content->>'input', p.content->>'context', p.content->>'expected_output']) AS told"
                " WHERE told IS NOT NULL"
            )
        )
        contents = [(split, content) for split, content in rows]
    held = set().union(*(runs(content) for split, content in contents if split != "train"))
    shown = set().union(*(runs(content) for split, content in contents if split == "train"))
    proposals = [json.dumps(body) for body in model_server.bodies if body["model"] == PROPOSER]
    assert proposals
    assert held - shown
    for proposal in proposals:
        assert not runs(proposal) & (held - shown)


def runs(content: str) -> set[tuple[str, ...]]:
    """Every run of eight words."""
    words = "".join(letter if letter.isalnum() else " " for letter in content.lower()).split()
    return {tuple(words[start : start + 8]) for start in range(len(words) - 7)}


async def test_arms_run_an_agent_on_the_models_that_the_scan_names_and_the_quote_knows_the_dearest(
    scannable: Scannable, settings: Settings, database_url: str, owner: Person
) -> None:
    prices = {AGENT: 2, SMALL_AGENT: 1, JUDGE: 1, PROPOSER: 1}
    book = [{"model": model, "input_usd": str(usd), "output_usd": str(usd)} for model, usd in prices.items()]
    assert (await owner.client.put(f"{owner.w}/prices", json={"prices": book})).status_code == 200
    wanted: dict[str, Any] = {"explore": True, "max_candidates": 2, "strategies": ["arms"], "seed": 1}

    async def quoted(*models: str) -> float:
        body = {**wanted, **({"agent_models": models} if models else {})}
        answer = await owner.client.post(f"{owner.w}/scans/quote", json=body)
        return float(answer.json()["quote"]["max_usd"])

    alone, with_small = await quoted(), await quoted(SMALL_AGENT)
    book[1] |= {"input_usd": "9", "output_usd": "9"}
    assert (await owner.client.put(f"{owner.w}/prices", json={"prices": book})).status_code == 200
    assert alone < with_small * 1.5 < await quoted(SMALL_AGENT)

    started = await scannable.start(**wanted, agent_models=[SMALL_AGENT, AGENT, SMALL_AGENT])
    assert started["settings"]["agent_models"] == [SMALL_AGENT, AGENT]
    await run_worker(settings, database_url, until_idle=True)

    path = f"scans/{started['scan_id']}"
    events = (await scannable.get(f"{path}/events?limit=200"))["results"]
    (halved,) = [event["data"]["arms"] for event in events if event["type"] == "arms_halved"]
    assert [arm["arm"] for arm in halved if "Run on" in arm["arm"]] == [f"Run on {SMALL_AGENT} instead of {AGENT}."]
    spent = {entry["model"]: entry for entry in (await scannable.get(f"{path}/cost"))["by_model"]}
    assert spent[SMALL_AGENT]["calls"] > 0
    assert float(spent[SMALL_AGENT]["cost_usd"]) > 0


async def test_no_arm_mixes_the_simulator_with_real_models_and_without_arms_no_other_model_is_tried(scannable: Scannable) -> None:
    body = {"explore": True, "strategies": ["arms"], "agent_models": ["sim/mini"]}
    refused = await scannable.owner.client.post(f"{scannable.owner.w}/scans", json=body)
    assert refused.status_code == 400
    assert "mix both: test-agent, sim/mini" in refused.json()["detail"]

    unused = await scannable.owner.client.post(f"{scannable.owner.w}/scans/quote", json={**body, "strategies": ["rules"]})
    assert any("arms alone" in warning for warning in unused.json()["warnings"])
