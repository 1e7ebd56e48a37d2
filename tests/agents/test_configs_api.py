"""What agents run with, over HTTP."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from spectral_platform.core.database import Database
from tests.agents.factories import PROMPT, add_version, config, create_agent
from tests.fixtures.callers import Person


def at(person: Person, agent: dict[str, Any], path: str = "") -> str:
    return f"{person.w}/agents/{agent['id']}/config{path}"


async def test_an_api_key_fetches_the_production_config_and_polls_by_its_entity_tag(
    client: httpx.AsyncClient, owner: Person
) -> None:
    agent = await create_agent(owner, config=config(temperature=0.2))
    headers = owner.bearing(await owner.key())

    fetched = await client.get(at(owner, agent), headers=headers)
    tag = fetched.headers["ETag"]
    polled = await client.get(at(owner, agent), headers=headers | {"If-None-Match": f'"other", W/{tag}'})

    assert fetched.status_code == 200
    body = fetched.json()
    assert set(body) == {"agent_id", "version", "template", "hyperparameters", "execution"}
    assert (body["agent_id"], body["version"], body["execution"]) == (agent["id"], 1, None)
    assert body["template"]["base_prompt"] == PROMPT
    assert body["hyperparameters"]["temperature"] == 0.2
    assert tag.startswith('"')
    assert (polled.status_code, polled.content, polled.headers["ETag"]) == (304, b"", tag)


async def test_labels_decide_what_is_fetched_and_are_not_in_the_entity_tag(owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    version = await add_version(owner, agent, config("Be brief."))
    first = await owner.client.get(at(owner, agent))
    assert first.json()["version"] == 1

    promoted = await owner.client.post(at(owner, agent, f"/versions/{version}/promote"), json={"label": "approved"})
    approved = await owner.client.get(at(owner, agent), params={"label": "approved"})
    production = await owner.client.get(at(owner, agent))

    assert promoted.status_code == 200
    assert promoted.json()["labels"] == ["approved"]
    assert (approved.json()["version"], production.json()["version"]) == (2, 1)
    assert production.headers["ETag"] == first.headers["ETag"] != approved.headers["ETag"]
    await owner.client.post(at(owner, agent, f"/versions/{version}/promote"), json={"label": "production"})
    assert (await owner.client.get(at(owner, agent))).headers["ETag"] == approved.headers["ETag"]


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
async def test_a_config_that_cannot_be_stored_is_refused_where_it_is_given(owner: Person, seed: int) -> None:
    agent = await create_agent(owner, config=config())
    refused = config() | {"hyperparameters": {"model": "sim/standard", "seed": seed}}

    added = await owner.client.post(at(owner, agent, "/versions"), json={"config": refused})
    made = await owner.client.post(f"{owner.w}/agents", json={"name": "other", "config": refused})

    assert (added.status_code, made.status_code) == (422, 422)
    assert added.json()["errors"][0]["location"] == ["body", "config"]


async def test_a_parameter_of_any_size_comes_back_as_it_was_sent(owner: Person) -> None:
    extra = {"huge": 1e300, "tiny": 1e-300, "whole": 2**63 - 1}
    agent = await create_agent(owner, config=config() | {"hyperparameters": {"model": "sim/standard", "extra": extra}})

    fetched = await owner.client.get(at(owner, agent))

    assert fetched.status_code == 200, fetched.text
    assert fetched.json()["hyperparameters"]["extra"] == extra


async def test_no_config_is_served_where_no_version_carries_the_label(owner: Person) -> None:
    agent = await create_agent(owner)
    await add_version(owner, agent, config())

    answer = await owner.client.get(at(owner, agent))

    assert answer.status_code == 404
    assert answer.json()["detail"] == f"No config version of agent {agent['id']} is labelled production."


async def test_versions_tell_source_author_and_labels_newest_first(owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    body = {"config": config("Be brief."), "note": "Shorter."}
    created = await owner.client.post(at(owner, agent, "/versions"), json=body)

    listed = (await owner.client.get(at(owner, agent, "/versions"))).json()["results"]

    assert created.status_code == 201
    assert created.headers["Location"] == at(owner, agent, "/versions/2")
    assert [version["version"] for version in listed] == [2, 1]
    assert [version["labels"] for version in listed] == [[], ["approved", "production"]]
    assert listed[0] == created.json() == (await owner.client.get(created.headers["Location"])).json()
    assert (listed[0]["source"], listed[0]["note"]) == ("manual", "Shorter.")
    assert listed[0]["author"] == {"kind": "user", "id": str(owner.user_id)}
    assert (await owner.client.get(at(owner, agent, "/versions/3"))).status_code == 404


async def test_if_match_guards_against_versions_that_the_author_has_not_seen(owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    seen = (await owner.client.get(at(owner, agent, "/versions/1"))).headers["ETag"]

    async def add(prompt: str) -> httpx.Response:
        body = {"config": config(prompt)}
        return await owner.client.post(at(owner, agent, "/versions"), json=body, headers={"If-Match": seen})

    answers = await asyncio.gather(add("One."), add("Two."))

    assert sorted(answer.status_code for answer in answers) == [201, 412]
    refused = next(answer for answer in answers if answer.status_code == 412)
    assert refused.json()["type"].endswith("/version-conflict")
    assert refused.json()["latest_version"] == 2


async def test_racing_authors_get_versions_of_their_own(owner: Person) -> None:
    agent = await create_agent(owner, config=config())

    versions = await asyncio.gather(*(add_version(owner, agent, config(f"Prompt {number}.")) for number in range(6)))

    assert sorted(versions) == [2, 3, 4, 5, 6, 7]


async def test_a_stored_version_cannot_be_changed_by_the_application(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, config=config())

    with pytest.raises(ProgrammingError, match="permission denied"):
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            await session.execute(
                text("UPDATE config_versions SET note = 'x' WHERE agent_id = :agent"), {"agent": UUID(agent["id"])}
            )


async def test_promoting_needs_the_right_to_approve(client: httpx.AsyncClient, owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    headers = owner.bearing(await owner.key("read:workspace", "write:workspace"))

    answer = await client.post(at(owner, agent, "/versions/1/promote"), json={"label": "approved"}, headers=headers)

    assert answer.status_code == 403
    assert answer.json()["required_scope"] == "approve:agents"


async def test_the_difference_of_two_versions_is_hunks_and_deltas(owner: Person) -> None:
    agent = await create_agent(owner, config=config(temperature=0.7))
    changed = config(PROMPT.replace("Be kind.", "Be kind and brief."), model="sim/mini", temperature=0.7, seed=3)
    await add_version(owner, agent, changed)

    answer = await owner.client.get(at(owner, agent, "/diff"), params={"from": 1, "to": 2})

    assert answer.status_code == 200
    (component,) = answer.json()["template"]
    assert component["component"] == "base_prompt"
    (hunk,) = component["hunks"]
    assert [(line["kind"], line["text"]) for line in hunk["lines"]] == [
        ("context", "You answer questions about orders."),
        ("removed", "Be kind."),
        ("added", "Be kind and brief."),
        ("context", "Cite the article that you use."),
    ]
    assert (hunk["from_line"], hunk["from_count"], hunk["to_line"], hunk["to_count"]) == (1, 3, 1, 3)
    assert answer.json()["parameters"] == [
        {"parameter": "model", "before": "sim/standard", "after": "sim/mini"},
        {"parameter": "seed", "before": None, "after": 3},
    ]


async def test_the_difference_comes_as_a_unified_diff_on_request(owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    await add_version(owner, agent, config(PROMPT.replace("Be kind.", "Be brief."), temperature=0))

    answer = await owner.client.get(at(owner, agent, "/diff"), params={"from": 1, "to": 2}, headers={"Accept": "text/x-diff"})

    assert answer.headers["Content-Type"].startswith("text/x-diff")
    assert "--- v1/template/base_prompt\n+++ v2/template/base_prompt\n@@ -1,3 +1,3 @@\n" in answer.text
    assert "\n-Be kind.\n+Be brief.\n" in answer.text
    assert '@@ -1 +1,2 @@\n model: "sim/standard"\n+temperature: 0.0\n' in answer.text


async def test_rendering_shows_the_exact_messages(owner: Person) -> None:
    prompts = {"base_prompt": "You help {{name}}.", "examples": [{"input": "Hi", "output": "Hello."}]}
    agent = await create_agent(owner, config={"template": prompts, "hyperparameters": {"model": "sim/standard"}})
    body = {"input": "Where is it?", "variables": {"name": "Ada"}, "context": "[KB-1] Here."}

    answer = await owner.client.post(f"{owner.w}/agents/{agent['id']}/render", json=body)

    assert answer.status_code == 200
    assert answer.json() == {
        "agent_id": agent["id"],
        "version": 1,
        "model": "sim/standard",
        "messages": [
            {"role": "system", "content": "You help Ada."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Context:\n[KB-1] Here.\n\nQuestion: Where is it?"},
        ],
        "tools": [],
        "json_schema": None,
        "missing_variables": [],
    }
    assert (await owner.client.post(f"{owner.w}/agents/{agent['id']}/render", json={})).status_code == 422


async def test_rendering_names_the_placeholders_that_have_no_value(owner: Person) -> None:
    prompts = {"base_prompt": "You help {{name}} of {{firm}}.", "user_prompt": "{{context}} {{input}} {{name}}"}
    agent = await create_agent(owner, config={"template": prompts, "hyperparameters": {"model": "sim/standard"}})
    body = {"variables": {"firm": "Acme"}, "context": ["One.", "Two."]}

    answer = (await owner.client.post(f"{owner.w}/agents/{agent['id']}/render", json=body)).json()

    assert answer["missing_variables"] == ["name"]
    assert answer["messages"][1]["content"] == "One.\n\nTwo. firm: Acme "


async def test_a_prompt_that_repeats_a_long_value_is_not_written_out(owner: Person) -> None:
    prompts = {"base_prompt": "{{input}}" * 1_000}
    agent = await create_agent(owner, config={"template": prompts, "hyperparameters": {"model": "sim/standard"}})

    answer = await owner.client.post(f"{owner.w}/agents/{agent['id']}/render", json={"input": "x" * 100_000})

    assert answer.status_code == 400
    assert answer.json()["limit_characters"] == 4_000_000


WHOLE: dict[str, Any] = {
    "template": {
        "base_prompt": "Be kind.",
        "user_prompt": "{{input}}",
        "variables": ["input"],
        "context_selection": {"strategy": "first", "max_items": 3, "max_tokens": 100, "truncation": "tail"},
        "chain_of_thought": "brief",
        "examples": [{"input": "Hi", "output": "Hello."}],
        "output_format": {"kind": "json", "json_schema": {"type": "object"}},
        "tools": [{"type": "function", "function": {"name": "look_up"}}],
    },
    "hyperparameters": {
        "model": "sim/standard",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 10,
        "seed": 1,
        "stop": ["END"],
        "extra": {"logit_bias": {}},
    },
    "execution": {"kind": "model", "timeout_ms": 1000},
}
OTHER: dict[str, Any] = {
    "base_prompt": "Be kind.\n",
    "user_prompt": "{{input}}!",
    "variables": ["input", "name"],
    "context_selection": None,
    "chain_of_thought": "full",
    "examples": [],
    "output_format": None,
    "tools": [],
    "model": "sim/mini",
    "temperature": 0,
    "top_p": None,
    "max_output_tokens": 20,
    "seed": None,
    "stop": [],
    "extra": {"logit_bias": {"1": 2}, "empty": []},
    "timeout_ms": None,
}


@pytest.mark.parametrize("field", sorted(OTHER))
async def test_no_field_of_a_config_changes_without_a_difference(owner: Person, field: str) -> None:
    part = next(part for part, values in WHOLE.items() if field in values)
    agent = await create_agent(owner, config=WHOLE)
    await add_version(owner, agent, WHOLE | {part: WHOLE[part] | {field: OTHER[field]}})
    versions = {"from": 1, "to": 2}

    told = (await owner.client.get(at(owner, agent, "/diff"), params=versions)).json()
    text = (await owner.client.get(at(owner, agent, "/diff"), params=versions, headers={"Accept": "text/x-diff"})).text

    components = [each["component"] for each in told["template"]]
    parameters = {each["parameter"].split(".")[0] for each in told["parameters"]}
    assert (components, parameters) == (
        ([field], set()) if part == "template" else ([], {"execution"} if part == "execution" else {field})
    )
    assert f"+++ v2/{f'template/{field}' if part == 'template' else 'parameters'}\n" in text
