"""Two names that are one agent."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from spectral_platform.agents.commands import observe_agents
from spectral_platform.agents.models import Agent
from spectral_platform.authoring.queries import observe_agent
from spectral_platform.core.access import system_caller
from spectral_platform.core.database import Database
from spectral_platform.scans.models import ScanAgent
from spectral_platform.traces import jobs
from spectral_platform.traces.models import Span
from tests.agents.factories import add_version, config, create_agent, merge
from tests.changesets.factories import change, make_changeset
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.factories import insert_scan
from tests.scans.workspaces import QUICK, make_scannable
from tests.traces.factories import draft, new_trace_id, store, trace_of


async def shown(person: Person, agent_id: str, path: str = "") -> dict[str, Any]:
    answer = await person.client.get(f"{person.w}/agents/{agent_id}{path}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def inferred(person: Person, name: str) -> str:
    body = {"traces": [{"agent": name, "input": "Hello", "output": "Hello", "session_id": f"session of {name}"}]}
    assert (await person.client.post(f"{person.w}/traces", json=body)).status_code == 202
    agents = (await person.client.get(f"{person.w}/agents", params={"search": name})).json()["results"]
    return str(agents[0]["id"])


async def test_a_merged_agent_is_an_alias_under_which_the_other_one_is_found(owner: Person) -> None:
    agent = await create_agent(owner, name="support", config=config())
    other = await create_agent(owner, name="Support Bot")

    merged = await merge(owner, other["id"], agent["id"])

    assert merged.status_code == 200, merged.text
    assert (merged.json()["id"], merged.json()["aliases"]) == (agent["id"], ["Support Bot"])
    assert await shown(owner, other["id"]) == merged.json() == await shown(owner, agent["id"])
    assert (await shown(owner, other["id"], "/config"))["agent_id"] == agent["id"]
    listed = (await owner.client.get(f"{owner.w}/agents")).json()["results"]
    assert [each["name"] for each in listed] == ["support"]
    for search, found in (("BOT", ["support"]), ("bots", [])):
        agents = (await owner.client.get(f"{owner.w}/agents", params={"search": search})).json()["results"]
        assert [each["name"] for each in agents] == found
    taken = await owner.client.post(f"{owner.w}/agents", json={"name": "Support Bot"})
    assert (taken.status_code, "alias" in taken.json()["detail"]) == (400, True)


async def test_traces_sessions_and_what_comes_later_are_the_other_agents(
    database: Database, owner: Person, work: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "TRACES_AT_ONCE", 1)
    monkeypatch.setattr(jobs, "ROUNDS", 2)
    agent = await create_agent(owner, name="support")
    alias = await inferred(owner, "support-bot")
    mixed, lone = [new_trace_id() for _ in range(2)], new_trace_id()
    for trace_id in mixed:  # another agent at the root, and the alias below it
        await store(database, owner, [draft(trace_id, 1, agent_name="router"), draft(trace_id, 2, 1, agent_name="support-bot")])
    await store(database, owner, [draft(lone, 1, agent_name="support-bot")])

    assert (await merge(owner, alias, agent["id"])).status_code == 200
    await store(database, owner, [draft(lone, 2, 1, agent_name="support-bot")])
    await work()

    traces = (await owner.client.get(f"{owner.w}/traces", params={"agent_id": agent["id"]})).json()
    assert traces["pagination"]["total"] == 2
    assert {each["agent_name"] for each in traces["results"]} == {"support-bot"}
    assert (await owner.client.get(f"{owner.w}/traces", params={"agent_id": alias})).json()["pagination"]["total"] == 0
    sessions = (await owner.client.get(f"{owner.w}/traces/sessions", params={"agent_id": agent["id"]})).json()
    assert [each["session_id"] for each in sessions["results"]] == ["session of support-bot"]
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        spans = (await session.scalars(select(Span.agent_id).where(Span.trace_id.in_([*mixed, lone])))).all()
    assert UUID(alias) not in spans
    assert spans.count(UUID(agent["id"])) == 4
    assert (await trace_of(database, owner, mixed[0])).agent_name == "router"


async def test_what_is_being_stored_under_the_old_name_is_waited_for(database: Database, owner: Person) -> None:
    agent, alias = await create_agent(owner, name="support"), await inferred(owner, "support-bot")
    tenant = {"account_id": owner.account_id, "workspace_id": owner.workspace_id}

    async with database.transaction(**tenant) as session:
        assert (await observe_agents(session, owner.workspace_id, ["support-bot"]))["support-bot"] == UUID(alias)
        merging = asyncio.create_task(merge(owner, alias, agent["id"]))
        while not await session.scalar(
            text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        ):
            pass
        assert not merging.done()
    assert (await merging).status_code == 200
    async with database.transaction(**tenant) as session:
        assert (await observe_agents(session, owner.workspace_id, ["support-bot"]))["support-bot"] == UUID(agent["id"])


async def test_what_is_being_stored_under_an_alias_is_waited_for_when_its_agent_is_merged_on(
    database: Database, owner: Person
) -> None:
    first, second, third = [await create_agent(owner, name=name) for name in "abc"]
    await merge(owner, first["id"], second["id"])

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        assert (await observe_agents(session, owner.workspace_id, ["a"]))["a"] == UUID(second["id"])
        merging = asyncio.create_task(merge(owner, second["id"], third["id"]))
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))")
        while not merging.done() and not await session.scalar(waits):
            pass
        assert not merging.done()
    assert (await merging).status_code == 200


async def test_what_is_asked_by_the_old_id_is_done_to_the_agent_itself(database: Database, owner: Person) -> None:
    agent, other = await create_agent(owner, name="agent", config=config()), await create_agent(owner, name="other")
    await add_version(owner, agent, config("Be brief."))
    await merge(owner, other["id"], agent["id"])
    path = f"{owner.w}/agents/{other['id']}/config/versions/2/promote"

    for _ in range(2):
        assert (await owner.client.post(path, json={"label": "production"})).status_code == 200

    entries = (await owner.client.get("/api/v1/account/audit-log", params={"action": "config.promoted"})).json()["results"]
    assert [each["resource_id"] for each in entries] == [agent["id"]]
    assert entries[0]["detail"]["previous_version"] == 1


async def test_an_agent_that_is_named_twice_is_scanned_once(database: Database, owner: Person) -> None:
    scannable, other = await make_scannable(owner, database), await create_agent(owner, name="other")
    await merge(owner, other["id"], str(scannable.agent_id))

    started = await owner.client.post(f"{owner.w}/scans", json={**QUICK, "agent_ids": [other["id"], str(scannable.agent_id)]})

    assert started.status_code == 202, started.text
    assert [each["agent_id"] for each in started.json()["settings"]["agents"]] == [str(scannable.agent_id)]


async def test_a_draft_for_the_old_id_is_made_from_what_the_agent_said(database: Database, owner: Person, work: Drain) -> None:
    agent, alias = await create_agent(owner, name="support"), await inferred(owner, "support-bot")
    await merge(owner, alias, agent["id"])
    await work()

    caller = system_caller(owner.account_id, owner.workspace_id)
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        observed = await observe_agent(session, caller, UUID(alias))

    assert [each.input for each in observed.exchanges] == ["Hello"]


async def test_merging_again_or_twice_at_once_changes_nothing(owner: Person) -> None:
    agent, other = await create_agent(owner, name="a"), await create_agent(owner, name="b")

    answers = await asyncio.gather(*(merge(owner, other["id"], agent["id"]) for _ in range(3)))
    again = await merge(owner, other["id"], agent["id"])

    assert [answer.status_code for answer in (*answers, again)] == [200] * 4
    assert again.json()["aliases"] == ["b"]


async def test_two_that_are_merged_into_each_other_at_once_end_as_one(owner: Person) -> None:
    one, other = await create_agent(owner, name="a"), await create_agent(owner, name="b")

    answers = await asyncio.gather(merge(owner, one["id"], other["id"]), merge(owner, other["id"], one["id"]))

    assert sorted(answer.status_code for answer in answers) == [200, 400]
    assert len((await owner.client.get(f"{owner.w}/agents")).json()["results"]) == 1


async def test_aliases_go_along_and_point_at_the_agent_itself(database: Database, owner: Person) -> None:
    first, second, third = [await create_agent(owner, name=name) for name in "abc"]
    await merge(owner, first["id"], second["id"])

    merged = await merge(owner, second["id"], third["id"])
    astray = await merge(owner, first["id"], (await create_agent(owner, name="d"))["id"])

    assert merged.json()["aliases"] == ["a", "b"]
    assert (await shown(owner, first["id"]))["id"] == third["id"]
    assert (astray.status_code, astray.json()["merged_into"]) == (400, third["id"])
    assert (await merge(owner, third["id"], third["id"])).status_code == 400
    assert (await owner.client.delete(f"{owner.w}/agents/{first['id']}")).status_code == 400
    assert (await owner.client.delete(f"{owner.w}/agents/{third['id']}")).status_code == 204
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        seen = await observe_agents(session, owner.workspace_id, ["a"])
    assert str(seen["a"]) not in {first["id"], third["id"]}


async def test_edges_go_along_and_a_circle_is_refused_and_named(owner: Person) -> None:
    base, agent, other, top = [await create_agent(owner, name=name) for name in ("base", "agent", "other", "top")]

    async def needs(who: dict[str, Any], *whom: dict[str, Any]) -> None:
        body = {"depends_on": [each["id"] for each in whom]}
        assert (await owner.client.patch(f"{owner.w}/agents/{who['id']}", json=body)).status_code == 200

    await needs(other, base)
    await needs(top, other)
    await needs(agent, other)

    assert (await merge(owner, other["id"], agent["id"])).json()["depends_on"] == [base["id"]]
    assert (await shown(owner, top["id"]))["depends_on"] == [agent["id"]]
    refused = await merge(owner, base["id"], top["id"])
    assert refused.status_code == 400
    assert set(refused.json()["cycle"]) == {"top", "agent"}
    assert (await shown(owner, base["id"]))["id"] == base["id"]


async def test_configs_are_numbered_on_and_changesets_stay_decidable(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, name="agent")
    await add_version(owner, agent, config("A draft."))
    other = await create_agent(owner, name="other", config=config())
    changeset_id = await make_changeset(database, owner, change(other))

    merged = (await merge(owner, other["id"], agent["id"])).json()
    accepted = await owner.client.post(f"{owner.w}/changesets/{changeset_id}/accept")

    assert (merged["latest_version"], merged["approved_version"], merged["production_version"]) == (2, 2, 2)
    assert accepted.status_code == 200, accepted.text
    assert accepted.json()["items"][0]["agent_id"] == agent["id"]
    assert (await shown(owner, agent["id"]))["approved_version"] == 3
    assert (await owner.client.post(f"{owner.w}/changesets/{changeset_id}/apply")).status_code == 200
    assert (await owner.client.post(f"{owner.w}/changesets/{changeset_id}/rollback", json={"reason": "No."})).status_code == 200
    assert (await shown(owner, other["id"], "/config"))["version"] == 2


async def test_different_configs_under_one_label_are_refused_until_they_agree(owner: Person) -> None:
    agent = await create_agent(owner, name="agent", config=config())
    other = await create_agent(owner, name="other", config=config("Be brief."))

    refused = await merge(owner, other["id"], agent["id"])
    await add_version(owner, other, config())
    for label in ("approved", "production"):
        path = f"{owner.w}/agents/{other['id']}/config/versions/2/promote"
        assert (await owner.client.post(path, json={"label": label})).status_code == 200
    merged = await merge(owner, other["id"], agent["id"])

    assert refused.status_code == 400
    assert refused.json()["label"] in {"approved", "production"}
    assert merged.status_code == 200
    assert (merged.json()["production_version"], merged.json()["latest_version"]) == (1, 3)


async def test_an_agent_that_is_being_scanned_is_not_merged(database: Database, owner: Person) -> None:
    agent, other = await create_agent(owner, name="agent"), await create_agent(owner, name="other")
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        scan_id = await insert_scan(session, owner)
        session.add(ScanAgent(workspace_id=owner.workspace_id, scan_id=scan_id, agent_id=UUID(other["id"])))

    for path, into in ((agent, other), (other, agent)):
        refused = await merge(owner, path["id"], into["id"])
        assert (refused.status_code, refused.json()["agents"]) == (400, ["other"])
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(update(ScanAgent).where(ScanAgent.scan_id == scan_id).values(is_active=False))
    assert (await merge(owner, other["id"], agent["id"])).status_code == 200
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        covered = await session.scalar(select(ScanAgent.agent_id).where(ScanAgent.scan_id == scan_id))
    assert covered == UUID(agent["id"])


async def test_a_declared_agent_makes_the_inferred_one_that_it_is_merged_into_active(owner: Person) -> None:
    declared, pending = await create_agent(owner, name="declared"), await inferred(owner, "pending")

    assert (await merge(owner, declared["id"], pending)).json()["status"] == "active"


async def test_agents_of_others_are_not_merged(owner: Person, stranger: Person) -> None:
    own, foreign = await create_agent(owner), await create_agent(stranger)

    for path, into in ((own, foreign), (foreign, own)):
        assert (await merge(owner, path["id"], into["id"])).status_code == 404


async def test_of_a_scan_and_a_merge_at_the_same_time_one_is_refused(database: Database, owner: Person) -> None:
    scannable = await make_scannable(owner, database)
    into = await create_agent(owner, name="other")
    body = {**QUICK, "agent_ids": [str(scannable.agent_id)]}

    scanned, merged = await asyncio.gather(
        owner.client.post(f"{owner.w}/scans", json=body), merge(owner, str(scannable.agent_id), into["id"])
    )

    assert {(202, 400): "scan first", (400, 200): "merged meanwhile", (202, 200): "merged before"}[
        scanned.status_code, merged.status_code
    ]
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        active = set(await session.scalars(select(ScanAgent.agent_id).where(ScanAgent.is_active)))
        aliases = set(await session.scalars(select(Agent.id).where(Agent.merged_into_id.is_not(None))))
    assert not active & aliases
