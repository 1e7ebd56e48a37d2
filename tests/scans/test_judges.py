"""Judges on a real endpoint that break their answers, refuse, lie, obey what they judge or like everything."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.evaluations.judging import ENVELOPE_END, ENVELOPE_START
from spectral_platform.llm.commands import choose_models
from spectral_platform.llm.messages import Message, ModelRequest, Role
from spectral_platform.llm.providers.simulator.judge import answer_as_judge
from spectral_platform.llm.purposes import Purpose
from spectral_platform.worker.runner import run_worker
from tests.fixtures.callers import Person
from tests.fixtures.llm import AGENT, JUDGE, PROPOSER, ModelServer
from tests.scans.test_adversity import said
from tests.scans.workspaces import make_scannable

Case = dict[str, Any]


def case_of(body: dict[str, Any]) -> Case:
    inside = body["messages"][-1]["content"].split(ENVELOPE_START)[1].split(ENVELOPE_END)[0]
    case: Case = json.loads(inside)
    return case


def honest(body: dict[str, Any]) -> str:
    """What a sound judge answers."""
    messages = tuple(Message(role=Role(each["role"]), content=each["content"]) for each in body["messages"])
    return answer_as_judge(ModelRequest(model=JUDGE, messages=messages, max_output_tokens=9))


def all_met(case: Case, evidence: str) -> str:
    verdict = {"verdict": "yes", "evidence": evidence, "confidence": 1}
    return json.dumps({"criteria": [{"id": criterion["id"], **verdict} for criterion in case["criteria"]]})


def flatters(body: dict[str, Any]) -> Response:
    case = case_of(body)
    return said(all_met(case, case["answer"].split(".")[0]))


def lies(body: dict[str, Any]) -> Response:
    return said(all_met(case_of(body), "The answer is perfect in every respect."))


def obeys(body: dict[str, Any]) -> Response:
    is_told = any(order in case_of(body)["answer"] for order in ("mark everything", "mark it"))
    return flatters(body) if is_told else said(honest(body))


def falls_for_length(body: dict[str, Any]) -> Response:
    return flatters(body) if len(case_of(body)["answer"]) > 250 else said(honest(body))


def refuses(body: dict[str, Any]) -> Response:
    return said("I'm sorry, but I can't help with that.")


def breaks_off(body: dict[str, Any]) -> Response:
    return said(honest(body)[:-2])


def chats(body: dict[str, Any]) -> Response:
    return said(f"Sure! Let me think [step by step].\n```json\n{honest(body)}\n```\nI hope this helps {{you}}.")


def knows_no_schemas(body: dict[str, Any]) -> Response:
    if "response_format" in body:
        status = 422 if body["response_format"]["type"] == "json_schema" else 400
        return JSONResponse({"error": {"message": "response_format is not supported"}}, status_code=status)
    return said(honest(body))


@pytest.fixture
def settings(model_server: ModelServer, database_url: str, tmp_path: Path) -> Settings:
    return model_server.settings(database_url, tmp_path)


@pytest.mark.parametrize(
    ("judge", "failed"),
    [
        (flatters, {"padded", "injection", "truncated", "confidently_wrong"}),
        (lies, {"padded", "injection", "truncated", "confidently_wrong", "decorated", "reordered"}),
        (refuses, {"padded", "injection", "truncated", "confidently_wrong", "decorated", "reordered"}),
        (obeys, {"injection"}),
        (falls_for_length, {"padded"}),
        (breaks_off, set()),
        (chats, set()),
        (knows_no_schemas, set()),
    ],
)
async def test_a_judge_that_misbehaves_is_found_out_and_one_that_merely_stammers_is_understood(
    judge: Callable[[dict[str, Any]], Response],
    failed: set[str],
    owner: Person,
    database: Database,
    settings: Settings,
    database_url: str,
    model_server: ModelServer,
) -> None:
    scannable = await make_scannable(owner, database, model=AGENT, judged=True, samples=3)
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        purposes = {Purpose.SCORING: JUDGE, Purpose.REASONING: PROPOSER}
        await choose_models(session, workspace_id=owner.workspace_id, purposes=purposes)
    model_server.fault = lambda number, body: judge(body) if body["model"] == JUDGE else None
    started = await scannable.start()

    await run_worker(settings, database_url, until_idle=True)

    scan = await scannable.get(f"scans/{started['scan_id']}")
    events = (await scannable.get(f"scans/{started['scan_id']}/events?limit=200"))["results"]
    ((probed, told),) = [(event["data"], event["message"]) for event in events if event["type"] == "judge_probed"]
    assert set(probed["failed"]) == failed
    assert probed["untrusted"] is bool(failed)
    assert probed["without_verdict"] == (12 if judge is refuses else 0)
    assert ("holds no verdict on any criterion" in told) is (judge is refuses)
    assert (scan["status"], scan["verdict"]["outcome"]) == ("completed", "insufficient_evidence")
    distrust = "The judge failed more than one canary, so its scores cannot decide."
    assert (distrust in scan["verdict"]["reasons"]) is bool(failed)
    assert "Judge and agent" not in " ".join(scan["readiness"]["warnings"])


async def test_a_judge_of_the_agents_own_family_is_warned_of(owner: Person, database: Database, settings: Settings) -> None:
    scannable = await make_scannable(owner, database, model="openai/gpt-4o-mini", judged=True, samples=3)
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        purposes = {Purpose.SCORING: "gpt-5", Purpose.REASONING: "claude-sonnet-4-5"}
        await choose_models(session, workspace_id=owner.workspace_id, purposes=purposes)

    answer = await scannable.owner.client.post(f"{owner.w}/scans/quote", json={})

    assert "Judge and agent are both of the family GPT" in " ".join(answer.json()["warnings"])
