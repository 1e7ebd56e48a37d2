"""The demo workspace, and what its first scan finds on every install."""

from uuid import uuid4

import httpx
import pytest

from spectral_api.demonstration import CREDENTIALS_FILE, DemoAccess, ensure_demo
from spectral_platform.core.settings import Settings
from tests.fixtures.worker import Drain

pytestmark = pytest.mark.own_database


@pytest.fixture
async def demo(settings: Settings, database_url: str) -> DemoAccess:
    return await ensure_demo(settings, database_url)


@pytest.fixture
async def visitor(client: httpx.AsyncClient, demo: DemoAccess) -> httpx.AsyncClient:
    """Somebody who came in with the demo's credentials."""
    login = await client.post("/api/v1/auth/login", json={"email": demo.email, "password": demo.password})
    assert login.status_code == 200, login.text
    client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
    return client


async def test_the_first_scan_improves_and_shows_what_it_refused(
    visitor: httpx.AsyncClient, demo: DemoAccess, work: Drain
) -> None:
    workspace = f"/api/v1/workspaces/{demo.workspace_id}"
    started = await visitor.post(f"{workspace}/scans", json={})
    assert started.status_code == 202, started.text

    await work()

    report = (await visitor.get(f"{workspace}/scans/{started.json()['scan_id']}/report")).json()
    verdict = report["scan"]["verdict"]
    assert (verdict["outcome"], verdict["simulated"]) == ("improve", True)
    assert verdict["effect"]["lower_bound"] > 0.05
    assert {"finalist", "harms_authority_a", "no_gain"} <= {each["fate"] for each in report["candidates"]}
    by_key = {each["key"]: each for each in report["candidates"]}
    step = next(each for each in report["candidates"] if each["fate"] == "finalist")
    changeset = (await visitor.get(f"{workspace}/changesets/{report['scan']['changeset_id']}")).json()
    while step is not None:  # every edit that led to the finalist
        assert step["rationale"] in changeset["explainability"]["summary"]
        step = by_key.get(step["parent_key"])
    cost = (await visitor.get(f"{workspace}/scans/{started.json()['scan_id']}/cost")).json()
    assert {entry["provider"] for entry in cost["by_model"]} == {"simulator"}
    card = changeset["performance_cards"][0]
    composite = next(each for each in card["measurements"] if each["metric"] == "composite")
    assert composite["proposed"] - composite["baseline"] == pytest.approx(verdict["effect"]["estimate"])
    rubric = report["scan"]["settings"]["rubric_id"]
    suggested = (await visitor.get(f"{workspace}/evaluations/rubrics/{rubric}/suggestions")).json()["results"]
    assert ("constant", "speed") in {(each["kind"], each["changes"][0]["key"]) for each in suggested}
    repeated = {change["key"] for each in suggested for change in each["changes"]} & {"rests_on_the_context", "grounding"}
    assert not repeated, "the rubric checks grounding itself, on samples that have a context"


async def test_the_demo_holds_traces_samples_rubric_objective_and_defaults(visitor: httpx.AsyncClient, demo: DemoAccess) -> None:
    workspace = f"/api/v1/workspaces/{demo.workspace_id}"

    totals = {
        path: (await visitor.get(f"{workspace}/{path}")).json()["pagination"]["total"]
        for path in ("traces", "agents", "samples/sets", "evaluations/rubrics", "evaluations/objectives")
    }

    assert totals == {
        "traces": 48,
        "agents": 1,
        "samples/sets": 1,
        "evaluations/rubrics": 1,
        "evaluations/objectives": 1,
    }
    trace = (await visitor.get(f"{workspace}/traces")).json()["results"][0]
    assert trace["agent_id"] == str(demo.agent_id)
    assert trace["tags"] == ["simulated"]
    assert "seed" in (await visitor.get(workspace)).json()["scan_defaults"]


async def test_the_demo_is_made_once_and_its_password_is_told_again(
    demo: DemoAccess, settings: Settings, database_url: str
) -> None:
    assert await ensure_demo(settings, database_url) == demo


async def test_the_operator_may_choose_the_credentials(settings: Settings, database_url: str) -> None:
    chosen = settings.model_copy(update={"demo_email": f"{uuid4().hex}@example.com"})

    made = await ensure_demo(chosen, database_url)

    assert made.email == chosen.demo_email
    assert made.password


async def test_a_demo_whose_password_could_not_be_kept_is_made_by_the_next_start(settings: Settings, database_url: str) -> None:
    chosen = settings.model_copy(update={"demo_email": f"{uuid4().hex}@example.com"})
    kept = settings.data_dir / CREDENTIALS_FILE
    kept.unlink(missing_ok=True)
    kept.mkdir()
    with pytest.raises(IsADirectoryError):
        await ensure_demo(chosen, database_url)
    kept.rmdir()

    assert (await ensure_demo(chosen, database_url)).password
