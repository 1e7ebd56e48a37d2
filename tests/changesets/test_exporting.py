"""Remarks on changesets and taking their configs away."""

import asyncio
import functools
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.changesets.exporting import environment_of
from spectral_platform.changesets.states import Outcome
from spectral_platform.core.database import Database
from tests.agents.factories import PROMPT, config, create_agent
from tests.changesets.factories import BETTER, change, make_changeset, proposed
from tests.fixtures.callers import Person


async def export(person: Person, changeset_id: object, **query: str) -> httpx.Response:
    answer = await person.client.get(f"{person.w}/changesets/{changeset_id}/export", params=query)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_remark_joins_the_decision_log_whatever_the_status(database: Database, owner: Person) -> None:
    changeset_id = await make_changeset(database, owner, outcome=Outcome.VALIDATED_NO_CHANGE)

    answer = await owner.client.post(f"{owner.w}/changesets/{changeset_id}/comments", json={"comment": " Good to know. "})

    assert answer.status_code == 200
    decision = answer.json()["explainability"]["decision_log"][-1]
    assert (decision["entry"], decision["actor"]) == ("Good to know.", f"user:{owner.user_id}")
    assert answer.json()["status"] == "validated"
    blank = await owner.client.post(f"{owner.w}/changesets/{changeset_id}/comments", json={"comment": " "})
    assert blank.status_code == 422


async def test_the_exported_diff_is_a_patch_that_makes_the_proposed_prompt(
    database: Database, owner: Person, tmp_path: Path
) -> None:
    agent, changeset_id = await proposed(database, owner)

    answer = await export(owner, changeset_id, format="diff")

    assert answer.headers["Content-Type"].startswith("text/x-diff")
    assert f"--- {agent['name']}@1/template/base_prompt\n" in answer.text
    prompt = tmp_path / "template" / "base_prompt"
    prompt.parent.mkdir()
    prompt.write_text(PROMPT + "\n")
    patch = functools.partial(subprocess.run, cwd=tmp_path, input=answer.text.encode(), check=True, capture_output=True)
    await asyncio.to_thread(patch, ["patch", "-p1"])
    assert prompt.read_text() == BETTER + "\n"


async def test_the_exported_json_holds_whole_configs(database: Database, owner: Person) -> None:
    agent, changeset_id = await proposed(database, owner)

    exported = (await export(owner, changeset_id)).json()

    assert exported["changeset_id"] == str(changeset_id)
    (item,) = exported["items"]
    assert (item["agent_id"], item["agent_name"], item["base_version"]) == (agent["id"], agent["name"], 1)
    assert item["config"]["template"]["base_prompt"] == BETTER


async def test_what_changes_nothing_exports_nothing(database: Database, owner: Person) -> None:
    changeset_id = await make_changeset(database, owner, outcome=Outcome.VALIDATED_NO_CHANGE)

    assert (await export(owner, changeset_id, format="diff")).text == ""
    assert (await export(owner, changeset_id, format="env")).text == ""
    assert (await export(owner, changeset_id, format="json")).json()["items"] == []


async def test_the_export_outlives_the_agent(database: Database, owner: Person) -> None:
    agent, changeset_id = await proposed(database, owner)
    await owner.client.delete(f"{owner.w}/agents/{agent['id']}")

    assert "+Be kind and brief." in (await export(owner, changeset_id, format="diff")).text


async def test_the_exported_environment_names_agent_and_field(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, name="support assistant (eu)", config=config())
    changeset_id = await make_changeset(database, owner, change(agent))

    answer = await export(owner, changeset_id, format="env")

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "SPECTRAL_SUPPORT_ASSISTANT_EU_MODEL=sim/standard\n" in answer.text


@pytest.mark.parametrize(
    "prompt", ['Say "hi".', "Costs $5, $(touch x) `id`", "two\nlines", "back\\slash", "tab\there", "ends with \\", "it's"]
)
def test_environment_values_survive_a_shell(prompt: str) -> None:
    document: dict[str, Any] = config(prompt, temperature=0.5)
    lines = environment_of("a", AgentConfig.model_validate(document))

    script = f"{lines}printf '%s' \"$SPECTRAL_A_BASE_PROMPT\""
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)

    assert "SPECTRAL_A_TEMPERATURE=0.5\n" in lines
    assert shown.stdout == prompt
