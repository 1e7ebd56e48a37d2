"""The example agent as a program of its own, against a real server: what it does, and what Spectral knows of it afterwards."""

import ast
import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.callers import Person
from tests.fixtures.forks import CLEAN

SCRIPT = Path(__file__).parents[2] / "examples" / "support_agent.py"
QUESTIONS = 10
CONFIG = {
    "template": {
        "base_prompt": "You are the support agent of Halden Outdoor.",
        "user_prompt": "Knowledge base articles:\n{{context}}\n\nCustomer: {{ input }}",
        "variables": ["context", "input"],
        "examples": [{"input": "May I return boots?", "output": "Yes, within 60 days [KB-107]."}],
    },
    "hyperparameters": {"model": "sim/standard", "temperature": 0.7, "max_output_tokens": 400, "stop": ["END"]},
}

Run = Callable[..., Awaitable["subprocess.CompletedProcess[str]"]]


@pytest.fixture
def run(server_url: str, owner: Person) -> Run:
    """Run the agent to its end, in the owner's workspace."""

    async def start(*options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        variables = {
            "SPECTRAL_URL": server_url,
            "SPECTRAL_WORKSPACE_ID": str(owner.workspace_id),
            "SPECTRAL_API_KEY": environment.get("SPECTRAL_API_KEY") or await owner.key(),
        }
        return await asyncio.to_thread(finish, options, variables)

    return start


def finish(options: Sequence[str], variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run the script. Its connections live as long as it does, so it need not close them."""
    command = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", str(SCRIPT), *options]
    return subprocess.run(command, env=CLEAN | dict(variables), capture_output=True, text=True, timeout=120)


@pytest.fixture
async def agent(owner: Person) -> str:
    """The path of the agent that the example plays."""
    other = await owner.client.post(f"{owner.w}/agents", json={"name": "support-agent-of-the-night"})
    answer = await owner.client.post(f"{owner.w}/agents", json={"name": "support-agent", "config": CONFIG})
    assert (other.status_code, answer.status_code) == (201, 201), answer.text
    return f"{owner.w}/agents/{answer.json()['id']}"


async def traces(owner: Person) -> list[dict[str, Any]]:
    """The traces of the workspace, the newest first."""
    answer = await owner.client.get(f"{owner.w}/traces", params={"limit": 200})
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


async def test_its_traces_tell_agent_version_tokens_and_words(owner: Person, agent: str, run: Run) -> None:
    ended = await run()

    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert "config version 1 (new) on sim/standard" in ended.stdout
    assert f"Spectral took {2 * QUESTIONS} of {2 * QUESTIONS} spans" in ended.stdout
    found = await traces(owner)
    assert len(found) == QUESTIONS == len({trace["session_id"] for trace in found})
    for trace in found:
        assert trace["agent_name"] == "support-agent"
        assert agent.endswith(trace["agent_id"])
        assert trace["config_version"] == 1
        assert trace["models"] == ["sim/standard"]
        assert trace["total_tokens"] > 0
        assert trace["status"] == "ok"
        assert f"Q: {trace['input']}" in ended.stdout

    whole = (await owner.client.get(f"{owner.w}/traces/{found[0]['trace_id']}")).json()
    [turn] = whole["spans"]
    [call] = turn["children"]
    assert (turn["kind"], turn["name"]) == ("agent", "invoke_agent support-agent")
    assert (call["kind"], call["model"], call["provider"]) == ("llm", "sim/standard", "spectral.simulator")
    assert call["input"].endswith(f"Customer: {turn['input']}")
    assert call["output"] == turn["output"]
    assert call["input_tokens"] + call["output_tokens"] == whole["total_tokens"]
    assert call["attributes"]["gen_ai.request.stop_sequences"] == ["END"]


async def test_it_takes_over_what_is_promoted_and_asks_no_more_than_whether_it_changed(
    owner: Person, agent: str, run: Run
) -> None:
    first = await run("--rounds", "2", "--pause", "0")
    config = {**CONFIG, "hyperparameters": {"model": "sim/mini"}}
    created = await owner.client.post(f"{agent}/config/versions", json={"config": config})
    promoted = await owner.client.post(f"{agent}/config/versions/2/promote", json={"label": "production"})
    assert (created.status_code, promoted.status_code) == (201, 200), promoted.text
    second = await run()

    assert "config version 1 (new)" in first.stdout
    assert "config version 1 (unchanged)" in first.stdout
    assert "config version 2 (new) on sim/mini" in second.stdout
    assert [trace["config_version"] for trace in await traces(owner)] == [2] * QUESTIONS + [1] * 2 * QUESTIONS


async def test_failures_are_told_and_end_up_on_the_traces(owner: Person, agent: str, run: Run) -> None:
    ended = await run("--model", "gpt-5")

    assert ended.returncode == 1
    assert "The simulator has no such agent model" in ended.stdout
    assert {trace["status"] for trace in await traces(owner)} == {"error"}


async def test_a_wrong_key_and_an_unknown_agent_are_told(owner: Person, run: Run) -> None:
    absent = await run()
    refused = await run(SPECTRAL_API_KEY="sk_live_nonsense")

    assert (absent.returncode, refused.returncode) == (1, 1)
    assert absent.stderr == "The workspace has no agent support-agent.\n"
    assert "answered 401" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_it_is_a_strangers_program() -> None:
    tree = ast.parse(SCRIPT.read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}

    assert imported
    assert not [name for name in imported if name is None or name.startswith("spectral")]
