"""Agents with tools: their models are run again, and recordings of their traces answer what they ask of the tools."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse, Response

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.demo import content
from spectral_platform.worker.runner import run_worker
from spectral_platform.worlds.commands import install_split_key
from tests.evaluations.scores.test_spans import span
from tests.fixtures.callers import Person
from tests.fixtures.llm import AGENT, JUDGE, ModelServer
from tests.scans.workspaces import CODE_RUBRIC, Scannable

PARAMETERS = {"type": "object", "properties": {"ref": {"type": "string"}}}
LOOKUP = {
    "type": "function",
    "function": {"name": "lookup", "parameters": PARAMETERS},
    "annotations": {"readOnlyHint": True},
}
SAMPLES = 90
UNRECORDED = 25
"""Every so many questions the agent asks for something that nobody recorded."""


@pytest.fixture
def settings(model_server: ModelServer, database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        data_dir=tmp_path,
        workers=0,
        openai_base_url=model_server.url,
        openai_api_key=SecretStr("secret"),
        openai_model=JUDGE,
        model_concurrency=16,
    )


def spans_of(trace_id: str, question: str, *calls: tuple[str, str, str]) -> list[dict[str, Any]]:
    """A run of the agent that called tools: their names, arguments and results."""
    started = time.time_ns() - 3_600_000_000_000
    run = {"gen_ai__operation__name": "invoke_agent", "gen_ai__agent__name": "clerk", "input__value": question}
    tools = [
        {
            "gen_ai__operation__name": "execute_tool",
            "gen_ai__tool__name": name,
            "gen_ai__tool__call__arguments": arguments,
            "gen_ai__tool__call__result": result,
        }
        for name, arguments, result in calls
    ]
    return [
        span(trace_id, number, f"step {number}", **attributes)
        | {"startTimeUnixNano": str(started + number), "endTimeUnixNano": str(started + number + 1_000_000)}
        for number, attributes in enumerate([run, *tools], 1)
    ]


async def send(owner: Person, spans: list[dict[str, Any]]) -> None:
    body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    sent = await owner.client.post("/otel/v1/traces", json=body, headers=owner.bearing(await owner.key()))
    assert sent.status_code == 200, sent.text


async def post(owner: Person, path: str, body: Any) -> dict[str, Any]:
    answer = await owner.client.post(f"{owner.w}/{path}", json=body)
    assert answer.status_code in {200, 201}, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def make_clerk(owner: Person, database: Database, *, samples: int, recorded: Callable[[int], bool]) -> Scannable:
    """An agent with a tool, traces in which it called it, and samples that were made of those traces."""
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await install_split_key(session, owner.workspace_id, content.SPLIT_KEY)
    config = {
        "template": {"base_prompt": "You answer customers.", "tools": [LOOKUP]},
        "hyperparameters": {"model": AGENT, "temperature": 0.5},
    }
    agent = await post(owner, "agents", {"name": "clerk", "config": config})
    rubric = await post(owner, "evaluations/rubrics", {"name": "Quality", "dimensions": CODE_RUBRIC})
    asked = [f"{sample.input_text} (ref R-{number})" for number, sample in enumerate(content.load_samples()[:samples])]
    traces = [uuid4().hex for _ in asked]
    spans = []
    for number, (trace_id, question) in enumerate(zip(traces, asked, strict=True)):
        call = ("lookup", f'{{"ref": "R-{number}"}}', f'{{"article": "KB-{number}"}}')
        spans += spans_of(trace_id, question, *([call] if recorded(number) else []))
    await send(owner, spans)
    sample_set = await post(owner, "samples/sets", {"name": "Questions"})
    cases = [{"input": question, "source_trace_id": trace_id} for question, trace_id in zip(asked, traces, strict=True)]
    await post(owner, f"samples/sets/{sample_set['id']}/samples", cases)
    await post(owner, f"samples/sets/{sample_set['id']}/publish", None)
    return Scannable(owner=owner, agent_id=UUID(agent["id"]), rubric_id=UUID(rubric["id"]))


def said(text: str | None, *calls: tuple[str, str]) -> Response:
    """A completion of OpenAI's: a text, or calls of tools."""
    functions = [{"id": f"x{name}", "type": "function", "function": {"name": name, "arguments": text}} for name, text in calls]
    message = {"role": "assistant", "content": text, **({"tool_calls": functions} if functions else {})}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if functions else "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": AGENT, "choices": [choice], "usage": usage}
    return JSONResponse(body)


def clerk(number: int, body: dict[str, Any]) -> Response:
    """Plays the agent: it looks the reference up, and names the article only where its prompt asks for sources."""
    *_, last = body["messages"]
    asked = re.search(r"\(ref R-(\d+)\)", body["messages"][1]["content"])
    if last["role"] == "tool":
        article = re.findall(r"KB-\d+", last["content"])[0]
        cites = "source" in body["messages"][0]["content"].casefold()
        return said(f"It is known. {f'[{article}] ' if cites else ''}The next step: wait.")
    if asked is None:
        return said("I cannot tell from what I have. The next step: ask a colleague.")
    missing = "-unknown" if int(asked[1]) % UNRECORDED == 3 else ""
    return said(None, ("lookup", f'{{"ref": "R-{asked[1]}{missing}"}}'))


async def test_an_agent_with_tools_is_compared_on_runs_that_recordings_answer(
    owner: Person, database: Database, settings: Settings, database_url: str, model_server: ModelServer
) -> None:
    scannable = await make_clerk(owner, database, samples=SAMPLES, recorded=lambda number: True)
    assert (await owner.client.put(f"{owner.w}/autonomy", json={"mode": "recommend"})).status_code == 200
    model_server.fault = clerk
    started = await scannable.start(strategies=["rules"], max_candidates=2)
    await run_worker(settings, database_url, until_idle=True)

    scan = await scannable.get(f"scans/{started['scan_id']}")
    verdict = scan["verdict"]
    assert (verdict["outcome"], verdict["evidence_level"]) == ("improve", "L2"), verdict["reasons"]
    assert any("level L2" in warning for warning in scan["readiness"]["warnings"])
    replay = verdict["statistics"]["tool_replay"]
    assert 0 < replay["excluded_samples"] == replay["samples"] - verdict["effect"]["n_pairs"]
    assert replay["baseline"]["calls"] == replay["candidate"]["calls"] >= replay["samples"]
    assert 0.8 <= replay["coverage"]["baseline"] == replay["coverage"]["candidate"] < 1
    passed = {gate["name"] for gate in verdict["gates"] if gate["passed"]}
    assert {"tool_coverage", "tool_coverage_difference", "stimulus_coverage_difference"} <= passed
    cost = await scannable.get(f"scans/{started['scan_id']}/cost")
    assert cost["by_model"][0]["calls"] <= scan["readiness"]["quote"]["model_calls"]
    tools = next(body["tools"] for body in model_server.bodies)
    assert tools == [{"type": "function", "function": LOOKUP["function"]}]  # no model is told of annotations
    changeset = (await scannable.get("changesets"))["results"][0]
    whole = await scannable.get(f"changesets/{changeset['id']}")
    assert any("left out of both arms" in limit for limit in whole["explainability"]["limitations"])
