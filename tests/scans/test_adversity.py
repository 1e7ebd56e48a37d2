"""Scans under adverse models: endpoints that refuse, answer garbage, ignore their prompt, or propose what does harm."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.demo import content
from spectral_platform.scans.cases import fresh_stimuli
from spectral_platform.worker.runner import run_worker
from spectral_platform.worlds.rules import DEFAULT_WORLD, load_world
from spectral_platform.worlds.splits import Split
from tests.fixtures.callers import Person
from tests.fixtures.llm import PROPOSER, ModelServer
from tests.scans.workspaces import Scannable, make_scannable, make_scannable_on_endpoint
from tests.worlds.test_rules import good_answer

REVOKED_AFTER = 400
"""Calls: the baseline and the search are done, and the race has begun."""
CREDENTIAL = "AKIA" + "ABCDEFGH" * 2


@pytest.fixture
def settings(model_server: ModelServer, database_url: str, tmp_path: Path) -> Settings:
    return model_server.settings(database_url, tmp_path)


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    """A workspace on the endpoint with enough samples for a verdict and a rubric that needs no judge."""
    return await make_scannable_on_endpoint(owner, database)


def said(words: Any, *, finish_reason: Any = "stop") -> Response:
    """A chat completion that says this."""
    message = {"role": "assistant", "content": words}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    completion = {"id": "1", "object": "chat.completion", "created": 0, "model": "any", "choices": [choice]}
    return Response(json.dumps(completion), media_type="application/json")  # half an emoji travels only as an escape


async def verdict_of(
    scannable: Scannable, settings: Settings, database_url: str, **wanted: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a scan to its end: the verdict, and the report."""
    started = await scannable.start(**wanted)
    await run_worker(settings, database_url, until_idle=True)
    report = await scannable.get(f"scans/{started['scan_id']}/report")
    assert (report["scan"]["status"], report["scan"]["failure"]) == ("completed", None)
    return report["scan"]["verdict"], report


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_an_endpoint_that_refuses_everything_proves_nothing(
    status: int,
    scannable: Scannable,
    settings: Settings,
    database_url: str,
    model_server: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("spectral_platform.llm.calling.FIRST_PAUSE_S", 0.001)
    model_server.fault = lambda number, body: JSONResponse({"error": {"message": "no"}}, status_code=status)

    verdict, report = await verdict_of(scannable, settings, database_url)

    assert verdict["outcome"] == "insufficient_evidence"
    assert report["scan"]["changeset_id"] is None


async def test_answers_that_no_database_can_hold_are_scored_all_the_same(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    def garbled(number: int, body: dict[str, Any]) -> Response | None:
        if body["model"] == PROPOSER and number % 2:
            return said(json.dumps({"component": "base_prompt", "text": "Help \x00\ud83d.", "rationale": "a\x00b\ud83d"}))
        if body["model"] == PROPOSER:
            return said(json.dumps({"component": "base_prompt", "text": "", "rationale": "Silence helps."}))
        return said(f"Half an emoji \ud83d and a \x00 [KB-{number}].", finish_reason=None) if number % 3 else said(None)

    model_server.fault = garbled

    verdict, _ = await verdict_of(scannable, settings, database_url)

    assert verdict["outcome"] == "insufficient_evidence"


async def test_a_key_that_is_revoked_in_the_race_says_nothing_of_the_candidates(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    def revoked(number: int, body: dict[str, Any]) -> Response | None:
        return JSONResponse({"error": {"message": "revoked"}}, status_code=401) if number > REVOKED_AFTER else None

    model_server.fault = revoked

    verdict, report = await verdict_of(scannable, settings, database_url)

    assert verdict["outcome"] == "insufficient_evidence"
    raced = [candidate["fate"] for candidate in report["candidates"] if candidate["dev"]]
    assert "no_gain" not in raced
    assert f"{raced.count('unmeasured')} could not be scored well enough" in " ".join(verdict["reasons"])


async def test_an_agent_that_ignores_its_prompt_is_not_improved(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    def deaf(number: int, body: dict[str, Any]) -> Response | None:
        return None if body["model"] == PROPOSER else said("See [KB-1]." if len(body["messages"][-1]["content"]) % 2 else "No.")

    model_server.fault = deaf

    verdict, report = await verdict_of(scannable, settings, database_url)

    assert verdict["outcome"] == "insufficient_evidence"
    tried = report["candidates"]
    assert {candidate["fate"] for candidate in tried} == {"no_gain"}
    nobody = "No challenger was left to compare on the holdout."
    assert verdict["reasons"][:2] == [nobody, f"Of {len(tried)} tried: {len(tried)} did not help."]


async def test_a_change_that_lifts_the_rubric_and_breaks_the_standard_is_rejected_as_a_tradeoff(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    samples = [sample.input_text for sample in content.load_samples()]
    known: set[str] = set()

    def two_faced(number: int, body: dict[str, Any]) -> Response | None:
        """Good answers wherever the search looks; on the sealed stimuli they give a credential away."""
        prompt, question = body["messages"][0]["content"], body["messages"][-1]["content"]
        if body["model"] == PROPOSER:
            return said(json.dumps({"component": "base_prompt", "text": f"Harm, {number}.", "rationale": f"Harm {number}."}))
        if not prompt.startswith("Harm"):
            if not any(earlier["model"] == PROPOSER for earlier in model_server.bodies):
                known.add(question)
            return said("It depends.")
        is_sealed_stimulus = question not in known and not any(sample in question for sample in samples)
        return said("As the next step, see [KB-1]." + f" The key is {CREDENTIAL}." * is_sealed_stimulus)

    model_server.fault = two_faced

    verdict, report = await verdict_of(scannable, settings, database_url)

    assert verdict["outcome"] == "rejected_tradeoff"
    assert verdict["effect"]["lower_bound"] > 0
    harmful = {gate["gate"] for gate in verdict["gates"] if gate["harm"]}
    assert harmful
    assert harmful <= {"G2", "G5"}
    changeset = await scannable.get(f"changesets/{report['scan']['changeset_id']}")
    assert changeset["status"] == "rejected"
    assert verdict["reasons"][0] in changeset["explainability"]["decision_log"][-1]["entry"]


async def test_a_change_that_only_learnt_its_cases_by_heart_shows_that_none_is_warranted(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    known: set[str] = set()

    def by_heart(number: int, body: dict[str, Any]) -> Response | None:
        """Better answers to what the search and the race ask; what is sealed is answered as before."""
        prompt, question = body["messages"][0]["content"], body["messages"][-1]["content"]
        if body["model"] == PROPOSER:
            edit = {"component": "base_prompt", "text": f"By heart, {number}.", "rationale": f"Edit {number}."}
            return said(json.dumps(edit))
        if not any(earlier["model"] == PROPOSER for earlier in model_server.bodies):
            known.add(question)
        return said("See [KB-1]." if prompt.startswith("By heart") and question in known else "It depends.")

    model_server.fault = by_heart

    verdict, report = await verdict_of(scannable, settings, database_url, max_candidates=8)

    assert verdict["outcome"] == "validated_no_change"
    assert verdict["statistics"]["dev_gain"] > 0.1
    assert abs(verdict["effect"]["estimate"]) < 0.02
    assert verdict["effect"]["lower_bound"] < 0 < verdict["effect"]["upper_bound"] < 0.05
    await assert_nothing_is_warranted(scannable, report)


async def test_where_nothing_fails_nothing_is_warranted(
    scannable: Scannable, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    world = load_world(DEFAULT_WORLD)
    stimuli = {case.text: good_answer(case.stimulus) for case in fresh_stimuli(world, 1, Split.TRAIN) if case.stimulus}

    def flawless(number: int, body: dict[str, Any]) -> Response | None:
        question = body["messages"][-1]["content"]
        article = f"The next step: {question.splitlines()[1]}"  # what the first of the articles at hand says
        return said(next((answer for asked, answer in stimuli.items() if asked in question), article))

    model_server.fault = flawless

    verdict, report = await verdict_of(scannable, settings, database_url, seed=1)

    assert verdict["outcome"] == "validated_no_change"
    assert (verdict["effect"], report["candidates"]) == (None, [])
    assert PROPOSER not in {body["model"] for body in model_server.bodies}
    await assert_nothing_is_warranted(scannable, report)


async def assert_nothing_is_warranted(scannable: Scannable, report: dict[str, Any]) -> None:
    """The scan's changeset changes nothing and says so."""
    changeset = await scannable.get(f"changesets/{report['scan']['changeset_id']}")
    assert (changeset["status"], changeset["items"]) == ("validated", [])
    assert changeset["explainability"]["summary"] == "No changes warranted"


async def test_a_scan_of_two_agents_has_one_finalist_and_no_more_candidates_than_asked_for(
    owner: Person, database: Database, settings: Settings, database_url: str
) -> None:
    scannable = await make_scannable(owner, database)
    config = content.agent_config().model_dump(mode="json", exclude_none=True)
    other = {**config, "template": {**config["template"], "base_prompt": "You answer questions about orders."}}
    made = await owner.client.post(f"{owner.w}/agents", json={"name": "order-agent", "config": other})
    assert made.status_code == 201, made.text

    verdict, report = await verdict_of(scannable, settings, database_url, max_candidates=3, budget={"max_model_calls": 6000})

    assert len(report["scan"]["settings"]["agents"]) == 2
    tried = [candidate for candidate in report["candidates"] if candidate["dev"]]
    assert {candidate["agent_id"] for candidate in tried} == {str(scannable.agent_id), made.json()["id"]}
    assert 2 <= len(tried) <= 3
    assert sum(candidate["fate"] == "finalist" for candidate in report["candidates"]) == 1
    assert verdict["outcome"] == "improve"
    changeset = await scannable.get(f"changesets/{report['scan']['changeset_id']}")
    finalist = next(candidate for candidate in tried if candidate["fate"] == "finalist")
    assert [item["agent_id"] for item in changeset["items"]] == [finalist["agent_id"]]
    assert len(changeset["performance_cards"]) == 2
