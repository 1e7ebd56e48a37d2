"""Agents that show up on spans."""

import asyncio
from uuid import UUID

from spectral_platform.agents.commands import observe_agents
from spectral_platform.core.database import Database
from tests.fixtures.callers import Person


async def observe(database: Database, person: Person, *names: str) -> dict[str, UUID]:
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        return await observe_agents(session, person.workspace_id, names)


async def test_an_observed_agent_keeps_its_id(database: Database, owner: Person) -> None:
    first = await observe(database, owner, "planner", "writer")

    again = await observe(database, owner, "writer", "planner", "critic")

    assert {name: again[name] for name in first} == first
    assert set(again) == {"planner", "writer", "critic"}


async def test_blank_names_are_nobodys_and_long_ones_are_cut(database: Database, owner: Person) -> None:
    observed = await observe(database, owner, "", "  ", "x" * 5_000, " planner ", "planner")

    assert set(observed) == {"x" * 5_000, " planner ", "planner"}
    assert observed[" planner "] == observed["planner"]


async def test_ingestions_that_meet_the_same_new_agents_agree_on_them(database: Database, owner: Person) -> None:
    names = [f"agent-{number}" for number in range(20)]

    seen = await asyncio.gather(*(observe(database, owner, *order) for order in (names, names[::-1]) for _ in range(4)))

    assert all(ids == seen[0] for ids in seen)


async def test_the_same_name_in_another_workspace_is_another_agent(database: Database, owner: Person, stranger: Person) -> None:
    assert await observe(database, owner, "planner") != await observe(database, stranger, "planner")
