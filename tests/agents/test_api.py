"""Agents over HTTP."""

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from spectral_platform.agents.commands import observe_agents
from spectral_platform.audit.queries import AuditFilter, list_audit_log
from spectral_platform.core.database import Database
from spectral_platform.core.paging import PageRequest
from tests.agents.factories import config, create_agent
from tests.fixtures.callers import Person


async def names(person: Person, **query: str) -> list[str]:
    answer = await person.client.get(f"{person.w}/agents", params={"sort": "name", **query})
    assert answer.status_code == 200, answer.text
    return [agent["name"] for agent in answer.json()["results"]]


async def observe(database: Database, person: Person, name: str) -> str:
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        return str((await observe_agents(session, person.workspace_id, [name]))[name])


async def test_a_declared_agent_is_active_and_its_config_carries_both_labels(owner: Person) -> None:
    answer = await owner.client.post(f"{owner.w}/agents", json={"name": " planner ", "config": config()})

    assert answer.status_code == 201
    agent = answer.json()
    assert answer.headers["Location"] == f"{owner.w}/agents/{agent['id']}"
    assert agent["agent_id"] == agent["id"]
    assert (agent["name"], agent["origin"], agent["status"]) == ("planner", "declared", "active")
    assert (agent["latest_version"], agent["approved_version"], agent["production_version"]) == (1, 1, 1)
    assert (await owner.client.get(answer.headers["Location"])).json() == agent


async def test_an_api_key_lists_agents_and_cannot_declare_them(client: httpx.AsyncClient, owner: Person) -> None:
    await create_agent(owner, name="planner")
    headers = owner.bearing(await owner.key())

    listed = await client.get(f"{owner.w}/agents", headers=headers)
    declared = await client.post(f"{owner.w}/agents", headers=headers, json={"name": "writer"})

    assert listed.status_code == 200
    assert [agent["name"] for agent in listed.json()["results"]] == ["planner"]
    assert listed.json()["pagination"] == {"total": 1, "limit": 20, "offset": 0}
    assert declared.status_code == 403


async def test_agents_of_others_do_not_exist(owner: Person, stranger: Person) -> None:
    agent = await create_agent(owner, config=config())

    for path in ("", "/config", "/config/versions", "/config/versions/1"):
        answer = await stranger.client.get(f"{stranger.w}/agents/{agent['id']}{path}")
        assert (answer.status_code, answer.json()["detail"]) == (404, f"Agent {agent['id']} not found."), path


async def test_names_are_unique_in_a_workspace_until_the_agent_is_deleted(owner: Person, stranger: Person) -> None:
    first = await create_agent(owner, name="planner")
    await create_agent(stranger, name="planner")

    taken = await owner.client.post(f"{owner.w}/agents", json={"name": "planner"})
    other = await create_agent(owner, name="writer")
    renamed = await owner.client.patch(f"{owner.w}/agents/{other['id']}", json={"name": "planner"})

    assert (taken.status_code, renamed.status_code) == (400, 400)
    assert taken.json()["type"].endswith("/business-rule-violation")
    assert (await owner.client.delete(f"{owner.w}/agents/{first['id']}")).status_code == 204
    assert (await owner.client.get(f"{owner.w}/agents/{first['id']}")).status_code == 404
    assert (await create_agent(owner, name="planner"))["id"] != first["id"]


async def test_patching_changes_only_what_is_named(owner: Person) -> None:
    agent = await create_agent(owner, role="Plans", description="Makes plans.")

    changed = await owner.client.patch(f"{owner.w}/agents/{agent['id']}", json={"role": None, "kind": "router"})

    assert changed.status_code == 200
    assert (changed.json()["role"], changed.json()["kind"]) == (None, "router")
    assert (changed.json()["description"], changed.json()["name"]) == ("Makes plans.", agent["name"])
    nameless = await owner.client.patch(f"{owner.w}/agents/{agent['id']}", json={"name": None})
    assert nameless.status_code == 422


async def test_agents_are_filtered_by_origin_status_and_text(database: Database, owner: Person) -> None:
    await create_agent(owner, name="planner", description="Splits 100% of the work")
    await create_agent(owner, name="writer")
    await observe(database, owner, "seen")

    assert await names(owner) == ["planner", "seen", "writer"]
    assert await names(owner, origin="inferred") == ["seen"]
    assert await names(owner, status="active") == ["planner", "writer"]
    assert await names(owner, search="PLAN") == ["planner"]
    assert await names(owner, search="100%") == ["planner"]
    assert await names(owner, search="%") == ["planner"]


async def test_an_inferred_agent_is_pending_until_it_is_confirmed_once(database: Database, owner: Person) -> None:
    agent_id = await observe(database, owner, "seen")
    before = (await owner.client.get(f"{owner.w}/agents/{agent_id}")).json()

    confirmed = await owner.client.post(f"{owner.w}/agents/{agent_id}/confirm")
    again = await owner.client.post(f"{owner.w}/agents/{agent_id}/confirm")

    assert (before["origin"], before["status"], before["confirmed_at"]) == ("inferred", "pending", None)
    assert confirmed.status_code == 200
    assert confirmed.json()["status"] == "active"
    assert confirmed.json()["confirmed_at"] is not None
    assert again.status_code == 400
    assert again.json()["type"].endswith("/invalid-transition")
    assert (again.json()["current"], again.json()["requested"]) == ("active", "active")


async def test_the_graph_orders_agents_after_what_they_need(owner: Person) -> None:
    base = await create_agent(owner, name="b-retriever")
    top = await create_agent(owner, name="a-writer", depends_on=[base["id"]])

    graph = (await owner.client.get(f"{owner.w}/agents/graph")).json()

    assert [node["name"] for node in graph["nodes"]] == ["a-writer", "b-retriever"]
    assert graph["edges"] == [{"agent_id": top["id"], "depends_on_id": base["id"]}]
    assert graph["topological_order"] == [base["id"], top["id"]]


async def test_a_circle_of_dependencies_is_refused_and_named(owner: Person) -> None:
    first = await create_agent(owner, name="a")
    second = await create_agent(owner, name="b", depends_on=[first["id"]])
    third = await create_agent(owner, name="c", depends_on=[second["id"]])

    closed = await owner.client.patch(f"{owner.w}/agents/{first['id']}", json={"depends_on": [third["id"]]})
    own = await owner.client.patch(f"{owner.w}/agents/{first['id']}", json={"depends_on": [first["id"]]})

    assert closed.status_code == 400
    cycle = closed.json()["cycle"]
    assert cycle[0] == cycle[-1]
    needs = {"a": "c", "b": "a", "c": "b"}
    assert len(cycle) == 4
    assert all(needs[one] == other for one, other in itertools.pairwise(cycle))
    assert (own.status_code, own.json()["cycle"]) == (400, ["a", "a"])
    assert (await owner.client.get(f"{owner.w}/agents/{first['id']}")).json()["depends_on"] == []


async def test_two_edges_that_close_a_circle_together_are_not_both_accepted(owner: Person) -> None:
    for _ in range(3):
        one, other = await create_agent(owner), await create_agent(owner)

        answers = await asyncio.gather(
            owner.client.patch(f"{owner.w}/agents/{one['id']}", json={"depends_on": [other["id"]]}),
            owner.client.patch(f"{owner.w}/agents/{other['id']}", json={"depends_on": [one["id"]]}),
        )

        assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_depending_on_a_strangers_agent_is_refused(owner: Person, stranger: Person) -> None:
    foreign = await create_agent(stranger)

    answer = await owner.client.post(f"{owner.w}/agents", json={"name": "planner", "depends_on": [foreign["id"]]})

    assert answer.status_code == 400
    assert answer.json()["missing"] == [foreign["id"]]
    assert await names(owner) == []


async def test_deleting_an_agent_takes_it_out_of_the_graph(owner: Person) -> None:
    base = await create_agent(owner)
    top = await create_agent(owner, depends_on=[base["id"]])

    await owner.client.delete(f"{owner.w}/agents/{base['id']}")

    graph = (await owner.client.get(f"{owner.w}/agents/graph")).json()
    assert graph["topological_order"] == [top["id"]]
    assert graph["edges"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "  "},
        {"name": "x" * 201},
        {"name": "planner", "origin": "declared"},
        {"name": "planner", "config": {"template": {"base_prompt": ""}, "hyperparameters": {"model": "m"}}},
        {"name": "planner", "config": {"template": {"base_prompt": "x"}, "hyperparameters": {"model": "m", "heat": 1}}},
    ],
)
async def test_a_malformed_agent_is_refused(owner: Person, body: dict[str, Any]) -> None:
    answer = await owner.client.post(f"{owner.w}/agents", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["location"][0] == "body"


async def test_every_change_of_an_agent_is_in_the_audit_log(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    await owner.client.patch(f"{owner.w}/agents/{agent['id']}", json={"role": "Plans"})
    await owner.client.delete(f"{owner.w}/agents/{agent['id']}")

    async with database.transaction(account_id=owner.account_id) as session:
        filter = AuditFilter(resource="agent", resource_id=agent["id"])
        entries = await list_audit_log(session, owner.caller(), filter=filter, page=PageRequest(sort="created_at"))

    assert [entry.action for entry in entries.results] == ["agent.created", "agent.updated", "agent.deleted"]
    assert {entry.actor_id for entry in entries.results} == {owner.user_id}
