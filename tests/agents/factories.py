"""Agents and configs for tests."""

from typing import Any
from uuid import uuid4

import httpx

from tests.fixtures.callers import Person

PROMPT = "You answer questions about orders.\nBe kind.\nCite the article that you use."


def config(prompt: str = PROMPT, *, model: str = "sim/standard", **hyperparameters: Any) -> dict[str, Any]:
    """The JSON of a config."""
    return {"template": {"base_prompt": prompt}, "hyperparameters": {"model": model, **hyperparameters}}


async def create_agent(person: Person, **fields: Any) -> dict[str, Any]:
    """Declare an agent over HTTP; without a name it gets one of its own."""
    answer = await person.client.post(f"{person.w}/agents", json={"name": f"agent-{uuid4().hex}"} | fields)
    assert answer.status_code == 201, answer.text
    agent: dict[str, Any] = answer.json()
    return agent


async def add_version(person: Person, agent: dict[str, Any], new: dict[str, Any]) -> int:
    """Add a config version without labels over HTTP."""
    answer = await person.client.post(f"{person.w}/agents/{agent['id']}/config/versions", json={"config": new})
    assert answer.status_code == 201, answer.text
    version: int = answer.json()["version"]
    return version


async def merge(person: Person, agent_id: str, into: str) -> httpx.Response:
    """Ask over HTTP that one agent becomes an alias of another."""
    return await person.client.post(f"{person.w}/agents/{agent_id}/merge", json={"into": into})
