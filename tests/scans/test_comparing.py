"""Scans whose rubric asks how alike answers are, where the workspace has a model for embeddings."""

from pathlib import Path

import pytest
from starlette.responses import JSONResponse, Response

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.llm.commands import choose_models
from spectral_platform.llm.purposes import Purpose
from spectral_platform.worker.runner import run_worker
from tests.evaluations.rubrics.factories import create_rubric, dimension
from tests.fixtures.callers import Person
from tests.fixtures.llm import AGENT, JUDGE, ModelServer
from tests.scans.workspaces import Scannable, make_scannable

EMBEDDER = "test-embedder"
SAMPLES = 6
ALIKE = dimension("alike", evaluator={"kind": "semantic_similarity", "threshold": 0.5})


@pytest.fixture
def settings(model_server: ModelServer, database_url: str, tmp_path: Path) -> Settings:
    return model_server.settings(database_url, tmp_path, openai_model=None)


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    made = await make_scannable(owner, database, model=AGENT, samples=0)
    await create_rubric(owner, dimensions=[ALIKE])
    sample_set = (await owner.client.post(f"{owner.w}/samples/sets", json={"name": "Few"})).json()
    path = f"{owner.w}/samples/sets/{sample_set['id']}"
    samples = [
        {"input": f"Where is parcel {number}?", "expected_output": f"Parcel {number} is here."} for number in range(SAMPLES)
    ]
    assert (await owner.client.post(f"{path}/samples", json=samples)).status_code == 201
    assert (await owner.client.post(f"{path}/publish")).status_code in {200, 201}
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        purposes = {Purpose.SCORING: JUDGE, Purpose.EMBEDDING: EMBEDDER}
        await choose_models(session, workspace_id=owner.workspace_id, purposes=purposes)
    return made


async def test_a_scan_compares_by_embeddings_and_counts_them(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    started = await scannable.start(strategies=["rules"])
    await run_worker(settings, database_url, until_idle=True)

    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert (scan["status"], scan["settings"]["models"]["embedding"]) == ("completed", EMBEDDER)
    compared = [body["input"] for body in model_server.bodies if "input" in body]
    assert compared
    assert all(expected.startswith("Parcel ") for _, expected in compared)
    cost = await scannable.get(f"scans/{started['scan_id']}/cost")
    assert {entry["purpose"]: entry["calls"] for entry in cost["by_purpose"]}["embedding"] == len(compared)


async def test_where_embeddings_fail_trials_say_nothing_and_words_take_no_place_of_theirs(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    def without_embeddings(number: int, body: dict[str, object]) -> Response | None:
        return JSONResponse({"error": {"message": "no"}}, status_code=404) if "input" in body else None

    model_server.fault = without_embeddings
    started = await scannable.start(strategies=["rules"])
    await run_worker(settings, database_url, until_idle=True)

    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert scan["verdict"]["outcome"] == "insufficient_evidence"
    events = (await scannable.get(f"scans/{started['scan_id']}/events?limit=200"))["results"]
    (detected,) = [event["data"] for event in events if event["type"] == "failures_detected"]
    assert "alike" not in detected["by_criterion"]
    cost = await scannable.get(f"scans/{started['scan_id']}/cost")
    assert "embedding" not in {entry["purpose"] for entry in cost["by_purpose"]}
