"""Accepting, rejecting, applying and rolling back."""

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any
from uuid import UUID

import httpx
import pytest

from spectral_platform.audit.models import AuditEntry
from spectral_platform.audit.queries import AuditFilter, list_audit_log, verify_audit_log
from spectral_platform.changesets.states import CHANGESET, ChangesetStatus, Outcome
from spectral_platform.core.database import Database
from spectral_platform.core.paging import PageRequest
from tests.agents.factories import PROMPT, add_version, config, create_agent
from tests.changesets.factories import BETTER, change, make_changeset, proposed
from tests.fixtures.callers import Person

ACTIONS = {
    "accept": ChangesetStatus.ACCEPTED,
    "reject": ChangesetStatus.REJECTED,
    "apply": ChangesetStatus.APPLIED,
    "rollback": ChangesetStatus.ROLLED_BACK,
}
TAKES_REASON = {"reject", "rollback"}


async def act(person: Person, changeset_id: UUID, action: str) -> httpx.Response:
    body = {"reason": "Because."} if action in TAKES_REASON else None
    return await person.client.post(f"{person.w}/changesets/{changeset_id}/{action}", json=body)


async def done(person: Person, changeset_id: UUID, *actions: str) -> dict[str, Any]:
    """The changeset after these actions, each of which must succeed."""
    for action in actions:
        answer = await act(person, changeset_id, action)
        assert answer.status_code == 200, answer.text
    changeset: dict[str, Any] = answer.json()
    return changeset


async def labels(person: Person, agent: dict[str, Any]) -> tuple[int | None, int | None]:
    """The approved and the production version."""
    shown = (await person.client.get(f"{person.w}/agents/{agent['id']}")).json()
    return shown["approved_version"], shown["production_version"]


async def validated(database: Database, person: Person) -> UUID:
    return await make_changeset(database, person, outcome=Outcome.VALIDATED_NO_CHANGE)


async def superseded(database: Database, person: Person) -> UUID:
    agent, changeset_id = await proposed(database, person)
    other = await make_changeset(database, person, change(agent))
    await done(person, other, "accept")
    return changeset_id


def after(*actions: str) -> Callable[[Database, Person], Awaitable[UUID]]:
    async def make(database: Database, person: Person) -> UUID:
        _, changeset_id = await proposed(database, person)
        if actions:
            await done(person, changeset_id, *actions)
        return changeset_id

    return make


REACHED: dict[ChangesetStatus, Callable[[Database, Person], Awaitable[UUID]]] = {
    ChangesetStatus.PROPOSED: after(),
    ChangesetStatus.VALIDATED: validated,
    ChangesetStatus.ACCEPTED: after("accept"),
    ChangesetStatus.APPLIED: after("accept", "apply"),
    ChangesetStatus.REJECTED: after("reject"),
    ChangesetStatus.ROLLED_BACK: after("accept", "rollback"),
    ChangesetStatus.SUPERSEDED: superseded,
}


@pytest.mark.parametrize(("current", "action"), list(product(ChangesetStatus, ACTIONS)))
async def test_each_action_moves_or_is_refused(database: Database, owner: Person, current: ChangesetStatus, action: str) -> None:
    changeset_id = await REACHED[current](database, owner)
    before = (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json()
    assert before["status"] == current

    answer = await act(owner, changeset_id, action)
    now = (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json()

    if CHANGESET.allows(current, ACTIONS[action]):
        assert answer.status_code == 200
        assert answer.json() == now
        assert now["status"] == ACTIONS[action]
        assert now["history"][-1]["from_status"] == current
    else:
        assert answer.status_code == 400
        assert answer.json()["type"].endswith("/invalid-transition")
        assert (answer.json()["current"], answer.json()["requested"]) == (current, ACTIONS[action])
        assert now == before


def test_the_table_of_moves_is_the_contracts() -> None:
    allowed = {(current, to) for current, to in product(ChangesetStatus, ChangesetStatus) if CHANGESET.allows(current, to)}

    assert {(str(current), str(to)) for current, to in allowed} == {
        ("proposed", "accepted"),
        ("proposed", "rejected"),
        ("proposed", "superseded"),
        ("accepted", "rejected"),
        ("accepted", "applied"),
        ("accepted", "rolled_back"),
        ("applied", "rolled_back"),
    }


async def test_an_agent_fetches_the_new_config_after_apply_and_the_old_one_after_rollback(
    client: httpx.AsyncClient, database: Database, owner: Person
) -> None:
    agent, changeset_id = await proposed(database, owner)
    headers = owner.bearing(await owner.key())

    async def fetch(held: str | None = None) -> httpx.Response:
        conditional = {} if held is None else {"If-None-Match": held}
        return await client.get(f"{owner.w}/agents/{agent['id']}/config", headers=headers | conditional)

    old = await fetch()
    assert old.json()["template"]["base_prompt"] == PROMPT
    await done(owner, changeset_id, "accept")
    assert (await fetch(old.headers["ETag"])).status_code == 304
    assert await labels(owner, agent) == (2, 1)

    await done(owner, changeset_id, "apply")
    new = await fetch(old.headers["ETag"])
    assert new.status_code == 200
    assert (new.json()["version"], new.json()["template"]["base_prompt"]) == (2, BETTER)
    assert new.headers["ETag"] != old.headers["ETag"]

    rolled_back = await done(owner, changeset_id, "rollback")
    again = await fetch(new.headers["ETag"])
    assert again.json() == old.json()
    assert again.headers["ETag"] == old.headers["ETag"]
    assert await labels(owner, agent) == (1, 1)
    assert [move["to_status"] for move in rolled_back["history"]] == ["proposed", "accepted", "applied", "rolled_back"]
    assert rolled_back["history"][-1]["reason"] == "Because."
    assert rolled_back["history"][-1]["actor"] == {"kind": "user", "id": str(owner.user_id)}
    assert rolled_back["explainability"]["decision_log"][-1]["entry"] == "Because."


async def test_accepting_makes_a_version_that_tells_where_it_comes_from(database: Database, owner: Person) -> None:
    agent, changeset_id = await proposed(database, owner)

    changeset = await done(owner, changeset_id, "accept")

    version = (await owner.client.get(f"{owner.w}/agents/{agent['id']}/config/versions/2")).json()
    assert changeset["items"][0]["accepted_version"] == 2
    assert (version["source"], version["changeset_id"], version["labels"]) == ("changeset", str(changeset_id), ["approved"])
    assert version["note"] == "Customers ask for brevity."


async def test_production_returns_to_nothing_where_nothing_ran(database: Database, owner: Person) -> None:
    agent = await create_agent(owner)
    await add_version(owner, agent, config())
    await owner.client.post(f"{owner.w}/agents/{agent['id']}/config/versions/1/promote", json={"label": "approved"})
    changeset_id = await make_changeset(database, owner, change(agent))

    await done(owner, changeset_id, "accept", "apply")
    assert await labels(owner, agent) == (2, 2)
    await done(owner, changeset_id, "rollback")

    assert await labels(owner, agent) == (1, None)


async def test_rejecting_what_was_accepted_returns_the_approved_label_and_keeps_the_reason(
    database: Database, owner: Person
) -> None:
    agent, changeset_id = await proposed(database, owner)

    rejected = await done(owner, changeset_id, "accept", "reject")

    assert await labels(owner, agent) == (1, 1)
    assert rejected["explainability"]["decision_log"][-1]["entry"] == "Because."
    assert rejected["explainability"]["decision_log"][-1]["actor"] == f"user:{owner.user_id}"


async def promote(person: Person, agent: dict[str, Any], label: str) -> int:
    """Move a label to a version made by hand."""
    version = await add_version(person, agent, config("By hand."))
    path = f"{person.w}/agents/{agent['id']}/config/versions/{version}/promote"
    assert (await person.client.post(path, json={"label": label})).status_code == 200
    return version


@pytest.mark.parametrize(
    ("before", "label", "action", "expected"),
    [
        ((), "approved", "accept", 1),
        (("accept",), "approved", "apply", 2),
        (("accept",), "approved", "rollback", 2),
        (("accept", "apply"), "approved", "rollback", 2),
        (("accept", "apply"), "production", "rollback", 2),
    ],
)
async def test_a_changeset_is_stale_once_somebody_else_has_moved_a_label(
    database: Database, owner: Person, before: tuple[str, ...], label: str, action: str, expected: int
) -> None:
    agent, changeset_id = await proposed(database, owner)
    if before:
        await done(owner, changeset_id, *before)
    version = await promote(owner, agent, label)
    where, status = await labels(owner, agent), (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json()

    answer = await act(owner, changeset_id, action)

    assert answer.status_code == 400
    problem = answer.json()
    assert problem["type"] == "https://spectral.dev/errors/stale-changeset"
    assert (problem["agent_id"], problem["label"]) == (agent["id"], label)
    assert (problem["expected"], problem["current"]) == (expected, version)
    assert await labels(owner, agent) == where
    assert (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json() == status


async def test_a_stale_item_leaves_the_others_untouched(database: Database, owner: Person) -> None:
    fresh, moved = await create_agent(owner, config=config()), await create_agent(owner, config=config())
    changeset_id = await make_changeset(database, owner, change(fresh), change(moved))
    await promote(owner, moved, "approved")

    assert (await act(owner, changeset_id, "accept")).status_code == 400

    assert await labels(owner, fresh) == (1, 1)
    assert (await owner.client.get(f"{owner.w}/agents/{fresh['id']}")).json()["latest_version"] == 1


async def test_accepting_supersedes_other_proposals_for_the_same_agents_only(database: Database, owner: Person) -> None:
    agent, changeset_id = await proposed(database, owner)
    rival = await make_changeset(database, owner, change(agent, prompt="Rival."))
    _, elsewhere = await proposed(database, owner)

    await done(owner, changeset_id, "accept")

    lost = (await owner.client.get(f"{owner.w}/changesets/{rival}")).json()
    assert (lost["status"], lost["superseded_by_id"]) == ("superseded", str(changeset_id))
    assert lost["history"][-1]["actor"] == {"kind": "system", "id": None}
    assert str(changeset_id) in lost["explainability"]["decision_log"][-1]["entry"]
    assert (await owner.client.get(f"{owner.w}/changesets/{elsewhere}")).json()["status"] == "proposed"


@pytest.mark.parametrize("real", ["approved", "production"])
async def test_simulated_evidence_counts_only_for_simulated_agents(database: Database, owner: Person, real: str) -> None:
    agent = await create_agent(owner, config=config(model="gpt-5" if real == "production" else "sim/standard"))
    version = await add_version(owner, agent, config(model="gpt-5" if real == "approved" else "sim/standard"))
    await owner.client.post(f"{owner.w}/agents/{agent['id']}/config/versions/{version}/promote", json={"label": "approved"})
    simulated = await make_changeset(database, owner, change(agent, base_version=version))
    measured = await make_changeset(database, owner, change(agent, base_version=version), simulated=False)

    refused = await act(owner, simulated, "accept")

    assert refused.status_code == 400
    assert refused.json()["type"].endswith("/business-rule-violation")
    assert refused.json()["model"] == "gpt-5"
    assert await labels(owner, agent) == (2, 1)
    await done(owner, measured, "accept")


async def test_a_changeset_of_a_deleted_agent_can_be_rejected_and_not_accepted(database: Database, owner: Person) -> None:
    agent, changeset_id = await proposed(database, owner)
    await owner.client.delete(f"{owner.w}/agents/{agent['id']}")

    assert (await act(owner, changeset_id, "accept")).status_code == 404
    assert (await done(owner, changeset_id, "reject"))["status"] == "rejected"


@pytest.mark.parametrize("action", list(ACTIONS))
async def test_deciding_needs_the_right_to_approve(
    client: httpx.AsyncClient, database: Database, owner: Person, action: str
) -> None:
    _, changeset_id = await proposed(database, owner)
    headers = owner.bearing(await owner.key("read:workspace", "write:workspace", "read:agents"))

    answer = await client.post(f"{owner.w}/changesets/{changeset_id}/{action}", json={"reason": "x"}, headers=headers)

    assert answer.status_code == 403
    assert answer.json()["required_scope"] == "approve:agents"


async def test_every_step_is_in_the_audit_log(database: Database, owner: Person) -> None:
    agent, changeset_id = await proposed(database, owner)
    rival = await make_changeset(database, owner, change(agent))
    await done(owner, changeset_id, "accept", "apply", "rollback")
    await owner.client.post(f"{owner.w}/changesets/{changeset_id}/comments", json={"comment": "A pity."})

    async def entries(resource_id: UUID) -> list[AuditEntry]:
        async with database.transaction(account_id=owner.account_id) as session:
            assert (await verify_audit_log(session, owner.caller())).valid
            filter = AuditFilter(resource="changeset", resource_id=str(resource_id))
            page = await list_audit_log(session, owner.caller(), filter=filter, page=PageRequest(sort="created_at"))
        return list(page.results)

    told = await entries(changeset_id)
    actions = [entry.action.removeprefix("changeset.") for entry in told]
    assert actions == ["proposed", "accepted", "applied", "rolled_back", "commented"]
    assert told[1].detail["superseded"] == [str(rival)]
    assert [entry.action for entry in await entries(rival)] == ["changeset.proposed"]


async def test_what_people_write_is_not_in_the_audit_log_where_nobody_could_erase_it(database: Database, owner: Person) -> None:
    _, changeset_id = await proposed(database, owner)
    path = f"{owner.w}/changesets/{changeset_id}"
    assert (await owner.client.post(f"{path}/comments", json={"comment": "Mrs Lee complained."})).status_code == 200
    assert (await owner.client.post(f"{path}/reject", json={"reason": "Mrs Lee complained."})).status_code == 200

    assert "Mrs Lee" not in (await owner.client.get("/api/v1/account/audit-log")).text
    assert "Mrs Lee" in (await owner.client.get(path)).text
