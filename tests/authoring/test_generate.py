"""Drafting a rubric over HTTP: by rules, by a model, and when the model fails."""

from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse, Response

from spectral_api.app import create_app
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.llm.commands import choose_models
from spectral_platform.llm.purposes import Purpose
from tests.agents.factories import config, create_agent
from tests.authoring.factories import answered
from tests.fixtures.callers import Person
from tests.fixtures.llm import ModelServer

WRITTEN = (
    '{"name": "Parcel answers", "description": "Parcels are found.", "dimensions": [{"name": "Next step", "description": "One.",'
    ' "weight": 2, "criteria": ["Names the next step."], "reason": "People ask what to do."}]}'
)


async def generate(person: Person, agent: dict[str, Any], **query: Any) -> httpx.Response:
    body = {"agent_id": agent["id"], "goal": "Parcels are found."}
    return await person.client.post(f"{person.w}/evaluations/rubrics/generate", json=body, params=query)


def saying(text: str) -> Response:
    return JSONResponse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        }
    )


async def test_a_draft_by_rules_can_be_created_as_it_is(owner: Person) -> None:
    agent = await create_agent(owner, config=config("Answer in at most 80 words. Always greet first."))

    answer = await generate(owner, agent)

    draft = answer.json()
    assert answer.status_code == 200, answer.text
    assert (draft["method"], draft["model"], draft["cost_usd"], draft["id"]) == ("rules", None, None, None)
    assert "rules" in draft["note"]
    assert [each["key"] for each in draft["sources"]] == [each["key"] for each in draft["dimensions"]]
    assert {"goal", "length", "instructions", "conduct"} <= {each["key"] for each in draft["dimensions"]}
    assert (await owner.client.get(f"{owner.w}/evaluations/rubrics")).json()["pagination"]["total"] == 0
    body = {field: draft[field] for field in ("name", "description", "agent_id", "dimensions")}
    made = await owner.client.post(f"{owner.w}/evaluations/rubrics", json=body)
    assert made.status_code == 201, made.text
    stored = made.json()["dimensions"]
    assert [each.pop("weight") for each in stored] == pytest.approx([each.pop("weight") for each in draft["dimensions"]])
    assert stored == draft["dimensions"]


async def test_a_draft_can_be_saved_at_once(owner: Person) -> None:
    answer = await generate(owner, await create_agent(owner, config=config()), save=True)

    assert answer.status_code == 201, answer.text
    saved = (await owner.client.get(answer.headers["Location"])).json()
    assert (saved["id"], saved["version"]) == (answer.json()["id"], 1)
    assert [each["key"] for each in saved["dimensions"]] == [each["key"] for each in answer.json()["dimensions"]]
    assert answer.headers["ETag"] == '"1"'


async def test_traces_that_became_samples_are_not_read(owner: Person) -> None:
    agent = await create_agent(owner, name="Helper", config=config())
    await answered(owner, 25, output='{"answer": 1}')
    before = (await generate(owner, agent)).json()
    sample_set = (await owner.client.post(f"{owner.w}/samples/sets", json={"name": "All"})).json()
    await owner.client.post(f"{owner.w}/samples/sets/{sample_set['id']}/curate", json={"max": 100, "dedupe": False})

    after = (await generate(owner, agent)).json()

    assert "format" in {each["key"] for each in before["dimensions"]}
    assert "format" not in {each["key"] for each in after["dimensions"]}


async def test_an_agent_of_another_workspace_is_not_found(owner: Person, stranger: Person) -> None:
    assert (await generate(owner, await create_agent(stranger, config=config()))).status_code == 404


@pytest.fixture
async def on_endpoint(owner: Person, database: Database, settings: Settings, model_server: ModelServer) -> Person:
    """The owner, of a server whose endpoint serves the workspace's model for reasoning."""
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await choose_models(session, workspace_id=owner.workspace_id, purposes={Purpose.REASONING: "gpt-4o-mini"})
    real = settings.model_copy(update={"openai_base_url": model_server.url, "openai_api_key": SecretStr("secret")})
    owner.client._transport = httpx.ASGITransport(app=create_app(real, database), raise_app_exceptions=False)
    return owner


@pytest.mark.parametrize(
    ("answer", "method", "cost"),
    [
        (saying(WRITTEN), "model", "0.00021"),
        (saying("I would rather not."), "rules", "0.00021"),
        (JSONResponse({"error": {"message": "no"}}, status_code=400), "rules", None),
    ],
)
async def test_a_model_writes_what_is_judged_and_rules_stand_in_for_it(
    on_endpoint: Person, model_server: ModelServer, answer: Response, method: str, cost: str | None
) -> None:
    model_server.fault = lambda number, body: answer
    agent = await create_agent(on_endpoint, config=config("Answer in at most 80 words. Always greet first."))

    draft = (await generate(on_endpoint, agent)).json()

    keys = {each["key"]: each["source"] for each in draft["sources"]}
    assert (draft["method"], draft["cost_usd"]) == (method, cost)
    assert "gpt-4o-mini" in draft["note"]
    assert keys["length"] == "template", "what a program can check is not left to a judge"
    if method == "model":
        assert set(keys) == {"length", "next_step"}
        assert (draft["name"], draft["model"]) == ("Parcel answers", "gpt-4o-mini")
    else:
        assert keys["goal"] == "goal"
    entries = (await on_endpoint.client.get("/api/v1/account/audit-log", params={"limit": 1})).json()["results"]
    assert entries[0]["action"] == "rubric.drafted"
