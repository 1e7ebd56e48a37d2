"""Changesets that more than one person must approve of."""

import asyncio
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from spectral_platform.accounts.models import User, UserStatus
from spectral_platform.core.access import AccountRole, WorkspaceRole
from spectral_platform.core.database import Database
from tests.changesets.factories import change, make_changeset, proposed
from tests.changesets.test_deciding import act, labels, promote
from tests.fixtures.callers import Person, joined


async def requiring(owner: Person, approvals: int) -> None:
    answer = await owner.client.put(f"{owner.w}/autonomy", json={"required_approvals": approvals})
    assert answer.status_code == 200


async def approvers(client: httpx.AsyncClient, database: Database, owner: Person, number: int) -> list[Person]:
    return [await joined(client, database, owner, workspace_role=WorkspaceRole.ADMIN) for _ in range(number)]


async def test_the_last_approval_that_is_asked_for_accepts(client: httpx.AsyncClient, database: Database, owner: Person) -> None:
    agent, changeset_id = await proposed(database, owner)
    await requiring(owner, 3)
    people = [owner, *await approvers(client, database, owner, 2)]

    told = [(await act(person, changeset_id, "accept")).json() for person in people]

    assert [each["status"] for each in told] == ["proposed", "proposed", "accepted"]
    assert [len(each["approvals"]) for each in told] == [1, 2, 3]
    assert [approval["user_id"] for approval in told[-1]["approvals"]] == [str(person.user_id) for person in people]
    assert all(approval["counts"] for approval in told[-1]["approvals"])
    assert told[0]["required_approvals"] == 3
    assert await labels(owner, agent) == (2, 1)
    audit = (await owner.client.get("/api/v1/account/audit-log", params={"resource": "changeset"})).json()["results"]
    assert sorted(entry["action"] for entry in audit) == [
        "changeset.accepted",
        "changeset.approved",
        "changeset.approved",
        "changeset.proposed",
    ]


async def test_one_person_counts_once(database: Database, owner: Person) -> None:
    agent, changeset_id = await proposed(database, owner)
    await requiring(owner, 2)

    answers = [await act(owner, changeset_id, "accept") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {answer.json()["status"] for answer in answers} == {"proposed"}
    assert len(answers[-1].json()["approvals"]) == 1
    assert await labels(owner, agent) == (1, 1)


async def test_of_approvers_at_once_each_counts_and_one_accepts(
    client: httpx.AsyncClient, database: Database, owner: Person
) -> None:
    agent, changeset_id = await proposed(database, owner)
    await requiring(owner, 3)
    people = [owner, *await approvers(client, database, owner, 2)]

    answers = await asyncio.gather(*(act(person, changeset_id, "accept") for person in people))

    assert sorted(answer.json()["status"] for answer in answers) == ["accepted", "proposed", "proposed"]
    assert (await owner.client.get(f"{owner.w}/agents/{agent['id']}")).json()["latest_version"] == 2


@pytest.mark.parametrize("loss", ["demoted", "removed", "revoked"])
async def test_who_may_not_approve_any_more_does_not_count(
    loss: str, client: httpx.AsyncClient, database: Database, owner: Person
) -> None:
    _, changeset_id = await proposed(database, owner)
    await requiring(owner, 2)
    lost, kept = await approvers(client, database, owner, 2)
    assert (await act(lost, changeset_id, "accept")).status_code == 200
    member = f"{owner.w}/members/{lost.user_id}"
    if loss == "demoted":
        assert (await owner.client.patch(member, json={"role": "contributor"})).status_code == 200
    elif loss == "removed":
        assert (await owner.client.delete(member)).status_code == 204
    else:
        async with database.transaction(account_id=owner.account_id) as session:
            await session.execute(update(User).where(User.id == lost.user_id).values(status=UserStatus.REVOKED))

    second = (await act(owner, changeset_id, "accept")).json()
    third = (await act(kept, changeset_id, "accept")).json()

    assert second["status"] == "proposed"
    assert [approval["counts"] for approval in second["approvals"]] == [False, True]
    assert third["status"] == "accepted"


async def test_an_approval_can_be_withdrawn_until_the_changeset_is_accepted(
    client: httpx.AsyncClient, database: Database, owner: Person
) -> None:
    _, changeset_id = await proposed(database, owner)
    await requiring(owner, 2)
    (other,) = await approvers(client, database, owner, 1)
    path = f"{owner.w}/changesets/{changeset_id}/withdraw"
    assert (await owner.client.post(path)).status_code == 400
    await act(owner, changeset_id, "accept")

    withdrawn = (await owner.client.post(path)).json()
    still = (await act(other, changeset_id, "accept")).json()
    accepted = (await act(owner, changeset_id, "accept")).json()
    too_late = await owner.client.post(path)

    assert withdrawn["approvals"] == []
    assert [still["status"], accepted["status"]] == ["proposed", "accepted"]
    assert too_late.status_code == 400
    assert too_late.json()["type"].endswith("/business-rule-violation")


async def test_fewer_required_approvals_hold_from_the_next_one_on(database: Database, owner: Person) -> None:
    _, changeset_id = await proposed(database, owner)
    await requiring(owner, 2)
    await act(owner, changeset_id, "accept")

    await requiring(owner, 1)
    shown = (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json()

    assert (shown["status"], shown["required_approvals"]) == ("proposed", 1)
    assert (await act(owner, changeset_id, "accept")).json()["status"] == "accepted"


async def test_a_first_approval_is_refused_where_the_last_one_would_be(database: Database, owner: Person) -> None:
    agent, stale = await proposed(database, owner)
    _, watched = await proposed(database, owner)
    await requiring(owner, 2)
    await promote(owner, agent, "approved")

    assert (await act(owner, stale, "accept")).json()["type"].endswith("/stale-changeset")
    await owner.client.put(f"{owner.w}/autonomy", json={"mode": "observe_only", "required_approvals": 2})
    assert (await act(owner, watched, "accept")).status_code == 400
    for changeset_id in (stale, watched):
        assert (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json()["approvals"] == []


async def test_visitors_do_not_count_where_several_must_approve(
    client: httpx.AsyncClient, database: Database, owner: Person, stranger: Person
) -> None:
    _, changeset_id = await proposed(database, owner)
    operations = await joined(client, database, stranger, role=AccountRole.OPERATIONS)
    path = f"{owner.w}/changesets/{changeset_id}/accept"

    await requiring(owner, 2)
    assert (await operations.client.post(path)).status_code == 400
    await requiring(owner, 1)
    assert (await operations.client.post(path)).json()["status"] == "accepted"


async def test_approving_a_rival_too_ends_with_one_accepted(client: httpx.AsyncClient, database: Database, owner: Person) -> None:
    agent, changeset_id = await proposed(database, owner)
    rival: UUID = await make_changeset(database, owner, change(agent))
    await requiring(owner, 2)
    (other,) = await approvers(client, database, owner, 1)
    await act(owner, changeset_id, "accept")
    await act(other, rival, "accept")

    answers = await asyncio.gather(act(other, changeset_id, "accept"), act(owner, rival, "accept"))

    assert sorted(answer.status_code for answer in answers) == [200, 400]
    statuses = [(await owner.client.get(f"{owner.w}/changesets/{each}")).json()["status"] for each in (changeset_id, rival)]
    assert sorted(statuses) == ["accepted", "superseded"]
