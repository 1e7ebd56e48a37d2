"""Decisions that meet: each is taken as if it were alone."""

import asyncio
from typing import Any
from uuid import UUID

import httpx

from spectral_platform.changesets.states import Outcome
from spectral_platform.core.database import Database
from tests.agents.factories import config, create_agent
from tests.changesets.factories import change, make_changeset, proposed
from tests.changesets.test_deciding import act, done, labels
from tests.fixtures.callers import Person

ROUNDS = 3


async def race(person: Person, *decisions: tuple[UUID, str]) -> list[httpx.Response]:
    """Take decisions at the same time, each on a connection of its own."""
    return list(await asyncio.gather(*(act(person, changeset_id, action) for changeset_id, action in decisions)))


def refused(answers: list[httpx.Response]) -> list[dict[str, Any]]:
    """The problems among the answers, which must all be about the order of moves."""
    problems = [answer.json() for answer in answers if answer.status_code != 200]
    assert all(problem["type"].endswith("/invalid-transition") for problem in problems), problems
    return problems


async def status(person: Person, changeset_id: UUID) -> str:
    shown: dict[str, str] = (await person.client.get(f"{person.w}/changesets/{changeset_id}")).json()
    return shown["status"]


async def test_of_those_who_accept_at_once_one_wins_and_makes_one_version(database: Database, owner: Person) -> None:
    for _ in range(ROUNDS):
        agent, changeset_id = await proposed(database, owner)

        answers = await race(owner, *[(changeset_id, "accept")] * 4)

        assert [problem["current"] for problem in refused(answers)] == ["accepted"] * 3
        assert (await owner.client.get(f"{owner.w}/agents/{agent['id']}")).json()["latest_version"] == 2


async def test_of_those_who_end_it_at_once_one_wins(database: Database, owner: Person) -> None:
    for _ in range(ROUNDS):
        agent, changeset_id = await proposed(database, owner)
        await done(owner, changeset_id, "accept")

        answers = await race(owner, (changeset_id, "reject"), (changeset_id, "rollback"), (changeset_id, "reject"))

        assert len(refused(answers)) == 2
        assert await labels(owner, agent) == (1, 1)


async def test_accepting_and_rejecting_at_once_leaves_labels_that_fit_the_status(database: Database, owner: Person) -> None:
    for _ in range(ROUNDS):
        agent, changeset_id = await proposed(database, owner)

        accepted, rejected = await race(owner, (changeset_id, "accept"), (changeset_id, "reject"))

        # Rejecting what was accepted a moment ago is allowed; accepting what was rejected is not.
        assert rejected.status_code == 200
        assert len(refused([accepted])) <= 1
        assert await status(owner, changeset_id) == "rejected"
        assert await labels(owner, agent) == (1, 1)


async def test_applying_and_rolling_back_at_once_leaves_what_ran_before(database: Database, owner: Person) -> None:
    for _ in range(ROUNDS):
        agent, changeset_id = await proposed(database, owner)
        await done(owner, changeset_id, "accept")

        applied, rolled_back = await race(owner, (changeset_id, "apply"), (changeset_id, "rollback"))

        assert rolled_back.status_code == 200
        assert len(refused([applied])) <= 1
        assert await status(owner, changeset_id) == "rolled_back"
        assert await labels(owner, agent) == (1, 1)


async def test_of_two_rivals_for_the_same_agents_one_is_accepted_and_the_other_superseded(
    database: Database, owner: Person
) -> None:
    for _ in range(ROUNDS):
        one, other = [await create_agent(owner, config=config()) for _ in range(2)]
        rivals = [
            await make_changeset(database, owner, change(one), change(other)),
            await make_changeset(database, owner, change(other), change(one)),
        ]

        answers = await race(owner, *((rival, "accept") for rival in rivals))

        assert [problem["current"] for problem in refused(answers)] == ["superseded"]
        assert sorted([await status(owner, rival) for rival in rivals]) == ["accepted", "superseded"]
        assert await labels(owner, one) == await labels(owner, other) == (2, 1)


async def test_remarks_made_at_once_are_all_kept(database: Database, owner: Person) -> None:
    # Without agents, so that nothing but the changeset itself can be what they wait for.
    changeset_id = await make_changeset(database, owner, outcome=Outcome.VALIDATED_NO_CHANGE)
    path = f"{owner.w}/changesets/{changeset_id}/comments"

    await asyncio.gather(*(owner.client.post(path, json={"comment": f"Remark {number}."}) for number in range(4)))

    log = (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json()["explainability"]["decision_log"]
    assert sorted(decision["entry"] for decision in log[1:]) == [f"Remark {number}." for number in range(4)]
