"""Managed templates over HTTP."""

import asyncio
from typing import Any

import httpx
import pytest

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.core.database import Database
from tests.agents.factories import create_agent
from tests.changesets.factories import change, make_changeset
from tests.fixtures.callers import Person

TEXT = "You work for {{company}}.\nCite the article that you use."
MODEL = {"model": "sim/standard"}


async def create(person: Person, name: str = "tone", text: str = TEXT) -> dict[str, Any]:
    answer = await person.client.post(f"{person.w}/agents/templates", json={"name": name, "text": text})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def replace(person: Person, text: str, **headers: str) -> httpx.Response:
    return await person.client.put(f"{person.w}/agents/templates/tone", json={"text": text}, headers=headers)


async def shown(person: Person, **query: int) -> dict[str, Any]:
    answer = await person.client.get(f"{person.w}/agents/templates/tone", params=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def referring(**reference: Any) -> dict[str, Any]:
    return {"template": {"managed_template": {"name": "tone", **reference}}, "hyperparameters": MODEL}


async def test_a_new_text_is_a_new_version_and_the_old_one_stays(owner: Person) -> None:
    made = await create(owner)
    first = await owner.client.get(f"{owner.w}/agents/templates/tone")
    tag = first.headers["ETag"]

    replaced = await replace(owner, "You are kind.", **{"If-Match": tag})
    stale = await replace(owner, "You are curt.", **{"If-Match": tag})
    same = await replace(owner, "You are kind.")

    assert (made["version"], made["variables"]) == (1, ["company"])
    assert (replaced.status_code, replaced.json()["version"]) == (200, 2)
    assert (stale.status_code, stale.json()["current_version"]) == (412, 2)
    assert same.json() == replaced.json()
    assert (await shown(owner, version=1))["text"] == TEXT
    listed = (await owner.client.get(f"{owner.w}/agents/templates/tone/versions")).json()["results"]
    assert [each["version"] for each in listed] == [2, 1]
    assert [each["version"] for each in (await owner.client.get(f"{owner.w}/agents/templates")).json()["results"]] == [2]
    assert (await owner.client.get(f"{owner.w}/agents/templates/tone", params={"version": 3})).status_code == 404


async def test_racing_authors_of_one_version_are_told_apart(owner: Person) -> None:
    await create(owner)
    tag = (await owner.client.get(f"{owner.w}/agents/templates/tone")).headers["ETag"]

    answers = await asyncio.gather(*(replace(owner, f"Text {number}.", **{"If-Match": tag}) for number in range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    assert (await shown(owner))["latest_version"] == 2


async def test_a_config_holds_the_text_of_the_version_that_it_refers_to(owner: Person) -> None:
    await create(owner)
    agent = await create_agent(owner, config=referring())
    await replace(owner, "You are kind.")

    config = (await owner.client.get(f"{owner.w}/agents/{agent['id']}/config")).json()
    body = {"input": "Hi", "variables": {"company": "Acme"}}
    rendered = (await owner.client.post(f"{owner.w}/agents/{agent['id']}/render", json=body)).json()

    assert config["template"]["managed_template"] == {"name": "tone", "version": 1}
    assert config["template"]["base_prompt"] == TEXT
    assert rendered["messages"][0]["content"] == TEXT.replace("{{company}}", "Acme")
    newer = await create_agent(owner, config=referring(version=2))
    (own, other) = sorted((await shown(owner))["used_by"], key=lambda use: use["template_version"])
    assert (own["agent_id"], own["labels"], own["template_version"]) == (agent["id"], ["approved", "production"], 1)
    assert (other["agent_id"], other["template_version"], other["config_version"]) == (newer["id"], 2, 1)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ({"managed_template": {"name": "tome"}}, "does not exist"),
        ({"managed_template": {"name": "tone", "version": 2}}, "does not exist"),
        ({"managed_template": {"name": "tone"}, "base_prompt": "Something else."}, "is not what version 1"),
        ({"managed_template": {"name": "tone"}, "variables": ["firm"]}, "company"),
        ({"base_prompt": "You help {{name}} of {{input}}.", "variables": ["firm"]}, "name."),
    ],
)
async def test_a_config_that_does_not_fit_its_template_is_refused(owner: Person, template: dict[str, Any], told: str) -> None:
    await create(owner)
    agent = await create_agent(owner)
    refused = {"template": template, "hyperparameters": MODEL}

    added = await owner.client.post(f"{owner.w}/agents/{agent['id']}/config/versions", json={"config": refused})

    assert added.status_code == 400, added.text
    assert told in added.json()["detail"]


@pytest.mark.parametrize("text", ["", "{{", "Hello {{first name}}", "a\n{{ user.name }}", "{{name}"])
async def test_a_text_with_a_broken_placeholder_is_refused(owner: Person, text: str) -> None:
    answer = await owner.client.post(f"{owner.w}/agents/templates", json={"name": "tone", "text": text})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"] == ["body", "text"]


async def test_a_template_that_is_used_is_not_deleted(owner: Person) -> None:
    await create(owner)
    agent = await create_agent(owner, name="shop", config=referring())
    own = {"template": {"base_prompt": TEXT}, "hyperparameters": MODEL}
    path = f"{owner.w}/agents/templates/tone"

    used = await owner.client.delete(path)
    await owner.client.post(f"{owner.w}/agents/{agent['id']}/config/versions", json={"config": own})
    labelled = await owner.client.delete(path)
    for label in ("approved", "production"):
        await owner.client.post(f"{owner.w}/agents/{agent['id']}/config/versions/2/promote", json={"label": label})

    assert (used.status_code, used.json()["agents"]) == (400, ["shop"])
    assert labelled.status_code == 400
    assert (await owner.client.delete(path)).status_code == 204
    assert (await owner.client.get(path)).status_code == 404
    old = (await owner.client.get(f"{owner.w}/agents/{agent['id']}/config/versions/1")).json()
    assert old["config"]["template"]["base_prompt"] == TEXT
    await create(owner)


async def test_a_reference_and_a_deletion_at_the_same_time_leave_no_dangling_reference(owner: Person) -> None:
    await create(owner)
    agent = await create_agent(owner)

    added, deleted = await asyncio.gather(
        owner.client.post(f"{owner.w}/agents/{agent['id']}/config/versions", json={"config": referring()}),
        owner.client.delete(f"{owner.w}/agents/templates/tone"),
    )

    assert (added.status_code, deleted.status_code) in {(201, 400), (400, 204)}


async def test_applying_a_changeset_makes_its_text_current_and_rolling_back_undoes_it(database: Database, owner: Person) -> None:
    await create(owner)
    agent = await create_agent(owner, config=referring())
    shared = await create_agent(owner, config=referring())
    better = {"base_prompt": f"{TEXT}\nBe brief.", "managed_template": {"name": "tone", "version": 1}}
    proposal = change(agent).model_copy(
        update={"proposed_config": AgentConfig.model_validate({"template": better, "hyperparameters": MODEL})}
    )
    changeset = f"{owner.w}/changesets/{await make_changeset(database, owner, proposal)}"

    assert (await owner.client.post(f"{changeset}/accept")).status_code == 200
    accepted = await shown(owner)
    assert (await owner.client.post(f"{changeset}/apply")).status_code == 200
    applied = await shown(owner)
    runs = (await owner.client.get(f"{owner.w}/agents/{agent['id']}/config")).json()["template"]
    assert (await owner.client.post(f"{changeset}/rollback", json={"reason": "No."})).status_code == 200

    assert (accepted["current_version"], accepted["latest_version"]) == (1, 2)
    assert (applied["version"], applied["source"], applied["text"]) == (2, "changeset", better["base_prompt"])
    assert applied["changeset_id"] == changeset.rsplit("/", 1)[1]
    assert (runs["managed_template"], runs["base_prompt"]) == ({"name": "tone", "version": 2}, better["base_prompt"])
    assert (await owner.client.get(f"{owner.w}/agents/{shared['id']}/config")).json()["template"]["base_prompt"] == TEXT
    assert (await shown(owner))["version"] == 1


async def test_templates_of_others_do_not_exist(owner: Person, stranger: Person) -> None:
    await create(owner)

    assert (await stranger.client.get(f"{stranger.w}/agents/templates/tone")).status_code == 404
    assert (await stranger.client.put(f"{stranger.w}/agents/templates/tone", json={"text": "x"})).status_code == 404
    assert (await stranger.client.delete(f"{stranger.w}/agents/templates/tone")).status_code == 404
    taken = await owner.client.post(f"{owner.w}/agents/templates", json={"name": "tone", "text": "x"})
    assert taken.status_code == 400
    await create(stranger)
