"""Scans on models of several providers, and through their outages."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse, Response

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.llm import calling, pacing
from spectral_platform.llm.commands import choose_models
from spectral_platform.llm.purposes import Purpose
from spectral_platform.worker.runner import run_worker
from tests.fixtures.callers import Person
from tests.fixtures.llm import AGENT, JUDGE, PROPOSER, ModelServer
from tests.scans.workspaces import Scannable, make_scannable


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(pacing, "FIRST_HOLD_S", 0.001)


@pytest.fixture
def settings(model_server: ModelServer, database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        data_dir=tmp_path,
        workers=0,
        anthropic_base_url=model_server.root,
        anthropic_api_key=SecretStr("secret"),
        google_base_url=model_server.root,
        google_api_key=SecretStr("secret"),
        model_concurrency=4,
        provider_patience_s=20,
    )


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    """An agent on Anthropic and a judge on Google; so few samples that the scan ends after the baseline."""
    made = await make_scannable(owner, database, model=f"anthropic/{AGENT}", judged=True, samples=12)
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        purposes = {Purpose.SCORING: f"google/{JUDGE}", Purpose.REASONING: f"anthropic/{PROPOSER}"}
        await choose_models(session, workspace_id=owner.workspace_id, purposes=purposes)
    return made


async def events_of(scannable: Scannable, scan_id: str) -> list[dict[str, Any]]:
    """The events of a scan, oldest first."""
    page = await scannable.get(f"scans/{scan_id}/events?limit=200")
    events: list[dict[str, Any]] = page["results"]
    return events


async def test_one_scan_asks_each_model_of_the_provider_that_its_name_says(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer, owner: Person
) -> None:
    prices = [{"model": f"anthropic/{AGENT}", "input_usd": "10", "output_usd": "20"}]
    priced = await owner.client.put(f"{owner.w}/prices", json={"prices": prices})
    assert priced.status_code == 200, priced.text

    def shaky(number: int, body: dict[str, Any]) -> Response | None:
        return JSONResponse({"error": {"message": "down"}}, status_code=500) if 20 <= number < 36 else None

    model_server.fault = shaky
    started = await scannable.start()
    await run_worker(settings, database_url, until_idle=True)

    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert (scan["status"], scan["failure"], scan["simulated"]) == ("completed", None, False)
    cost = await scannable.get(f"scans/{started['scan_id']}/cost")
    spent = {entry["model"]: entry for entry in cost["by_model"]}
    assert {(model, entry["provider"]) for model, entry in spent.items()} == {
        (f"anthropic/{AGENT}", "anthropic"),
        (f"google/{JUDGE}", "google"),
    }
    agent = spent[f"anthropic/{AGENT}"]
    assert float(agent["cost_usd"]) == pytest.approx((agent["input_tokens"] * 10 + agent["output_tokens"] * 20) / 1e6)
    assert spent[f"google/{JUDGE}"]["cost_usd"] is None
    events = await events_of(scannable, started["scan_id"])
    observed = next(event for event in events if event["type"] == "baseline_observed")
    assert observed["data"]["unscored"] == 0  # the outage cost time and nothing else
    told = [event["type"] for event in events if event["type"].startswith("provider_")]
    assert told[:2] == ["provider_unavailable", "provider_recovered"]
    assert len(told) % 2 == 0


async def test_a_provider_that_stays_away_ends_the_scan_and_is_named(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: JSONResponse({"error": {"message": "down"}}, status_code=500)
    started = await scannable.start()

    await run_worker(settings.model_copy(update={"provider_patience_s": 0.1}), database_url, until_idle=True)

    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert (scan["status"], scan["verdict"]["outcome"]) == ("completed", "insufficient_evidence")
    events = await events_of(scannable, started["scan_id"])
    (away, *_) = [event for event in events if event["type"] == "provider_unavailable"]
    assert away["level"] == "warning"
    assert "down" in away["message"]
    assert (await scannable.get(f"scans/{started['scan_id']}/cost"))["by_model"] == []
