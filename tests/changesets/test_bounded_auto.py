"""What the system decides by itself, and what it takes back."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import column, select, table, update

from spectral_platform.changesets.autonomy import jobs
from spectral_platform.changesets.autonomy.models import ChangesetWatch
from spectral_platform.changesets.autonomy.work import CheckWatch, DecideChangeset
from spectral_platform.changesets.states import Risk
from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import JobContext
from spectral_platform.core.settings import Settings
from spectral_platform.traces.models import Trace, TraceStatus
from tests.agents.factories import config, create_agent
from tests.changesets.factories import change, make_changeset
from tests.changesets.test_deciding import act, labels, promote
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain

BOUNDED = {"mode": "bounded_auto", "bounds": {"max_applies_per_day": 2, "min_confidence": 0.99}, "watch_window_s": 3600}
PROOF: dict[str, Any] = {
    "outcome": "improve",
    "effect": {"estimate": 0.2, "n_pairs": 120},
    "gates": [{"gate": "G1", "passed": True, "detail": "It improves."}],
    "evidence_level": "L3",
    "statistics": {"confidence": 0.999, "rigor": {"alpha": 0.01}, "judges": {"tone": {"state": "calibrated"}}},
}
"""A verdict that keeps every bound."""
UNCHECKED = {"statistics": {"judges": {"tone": {"state": "uncalibrated"}, "facts": {"state": "provisional"}}}}
ORDERS = table("procrastinate_jobs", column("task_name"), column("args"))


async def traffic(
    database: Database, person: Person, agent: dict[str, Any], number: int, *, failing: int = 0, ago: timedelta, **fields: Any
) -> None:
    """Traces of an agent, some of which failed."""
    started_at = clock.now() - ago
    rows = [
        {
            "workspace_id": person.workspace_id,
            "trace_id": uuid4().hex,
            "day": started_at.date(),
            "name": "chat",
            "agent_id": UUID(agent["id"]),
            "started_at": started_at,
            "duration_ms": 100 + position,
            "status": TraceStatus.ERROR if position < failing else TraceStatus.OK,
            "span_count": 1,
            "unpriced_spans": 0,
            "models": [],
            "tags": [],
            "feedback_count": 0,
            **fields,
        }
        for position in range(number)
    ]
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        session.add_all(Trace(**row) for row in rows)


async def bounded(owner: Person, **changes: Any) -> None:
    answer = await owner.client.put(f"{owner.w}/autonomy", json=BOUNDED | changes)
    assert answer.status_code == 200, answer.text


async def in_production(database: Database, owner: Person, *, traces: int = 200) -> dict[str, Any]:
    """An agent that has been running for a while, and seldom fails."""
    agent = await create_agent(owner, config=config())
    await traffic(database, owner, agent, traces, failing=traces // 50, ago=timedelta(hours=2))
    return agent


async def shown(owner: Person, changeset_id: UUID) -> dict[str, Any]:
    answer: dict[str, Any] = (await owner.client.get(f"{owner.w}/changesets/{changeset_id}")).json()
    return answer


def last_entry(changeset: dict[str, Any]) -> str:
    entry: str = changeset["explainability"]["decision_log"][-1]["entry"]
    return entry


@pytest.fixture
def check(database: Database, settings: Settings) -> Callable[..., Any]:
    """Look at production once, as the worker does when the time has come."""

    async def look(owner: Person, changeset_id: UUID, number: int = 1, *, is_over: bool = False) -> dict[str, Any]:
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            ends = {"ends_at": clock.now()} if is_over else {}
            # The traffic of the tests lies a minute back; so does, from now on, the beginning.
            await session.execute(update(ChangesetWatch).values(began_at=clock.now() - timedelta(minutes=2), **ends))
        order = CheckWatch(account_id=owner.account_id, workspace_id=owner.workspace_id, changeset_id=changeset_id, number=number)
        await jobs.check_watch(JobContext(database=database, settings=settings), order)
        return await shown(owner, changeset_id)

    return look


async def applied(database: Database, owner: Person, work: Drain) -> tuple[dict[str, Any], UUID]:
    """An agent in production and a changeset that the system has applied."""
    agent = await in_production(database, owner)
    await bounded(owner)
    changeset_id = await make_changeset(database, owner, change(agent), verdict=PROOF)
    await work()
    assert (await shown(owner, changeset_id))["status"] == "applied"
    return agent, changeset_id


async def test_what_keeps_every_bound_is_applied_and_watched(database: Database, owner: Person, work: Drain) -> None:
    agent, changeset_id = await applied(database, owner, work)

    changeset = await shown(owner, changeset_id)

    assert await labels(owner, agent) == (2, 2)
    assert [move["actor"]["kind"] for move in changeset["history"]] == ["system"] * 3
    assert all("bounded_auto" in move["reason"] for move in changeset["history"][1:])
    watch = changeset["watch"]
    assert (watch["status"], watch["checks"]) == ("watching", 0)
    assert {each["metric"]: (each["traces"], each["bad"]) for each in watch["baseline"]} == {
        "errors": (200, 4),
        "latency": (200, 10),
    }
    audit = (await owner.client.get("/api/v1/account/audit-log", params={"resource": "changeset"})).json()["results"]
    assert {(entry["action"], entry["actor_kind"]) for entry in audit} == {
        ("changeset.proposed", "system"),
        ("changeset.accepted", "system"),
        ("changeset.applied", "system"),
    }


@pytest.mark.parametrize(
    ("verdict", "bounds", "risk", "why"),
    [
        ({"evidence_level": "L2"}, {}, Risk.LOW, "level L2"),
        ({"effect": {"n_pairs": 119}}, {}, Risk.LOW, "119 sealed pairs"),
        ({"statistics": PROOF["statistics"] | {"confidence": 0.98}}, {}, Risk.LOW, "confidence"),
        ({"statistics": PROOF["statistics"]}, {"min_confidence": 0.9995}, Risk.LOW, "confidence"),
        ({"statistics": PROOF["statistics"] | {"rigor": {"alpha": 0.025}}}, {}, Risk.LOW, "level 0.01"),
        ({"statistics": PROOF["statistics"] | {"judges": {"tone": {"state": "provisional"}}}}, {}, Risk.LOW, "calibrated"),
        ({"gates": [{"gate": "G7", "passed": False, "detail": "It pleases the rubric."}]}, {}, Risk.LOW, "pleases"),
        ({}, {}, Risk.MEDIUM, "risk"),
        ({}, {"max_applies_per_day": 0}, Risk.LOW, "24 hours"),
        ({}, {"agents": [str(uuid4())]}, Risk.LOW, "outside"),
    ],
)
async def test_what_breaks_a_bound_is_left_to_people(
    verdict: dict[str, Any], bounds: dict[str, Any], risk: Risk, why: str, database: Database, owner: Person, work: Drain
) -> None:
    agent = await in_production(database, owner)
    await bounded(owner, bounds={"max_applies_per_day": 1, "min_confidence": 0.95} | bounds)
    changeset_id = await make_changeset(database, owner, change(agent), verdict=PROOF | verdict, risk=risk)

    await work()

    changeset = await shown(owner, changeset_id)
    assert (changeset["status"], changeset["watch"]) == ("proposed", None)
    assert last_entry(changeset).startswith("Left to people: ")
    assert why in last_entry(changeset)
    assert await labels(owner, agent) == (1, 1)
    assert (await act(owner, changeset_id, "accept")).status_code == 200


async def test_an_agent_with_little_traffic_is_left_to_people(database: Database, owner: Person, work: Drain) -> None:
    agent = await in_production(database, owner, traces=49)
    await bounded(owner)
    changeset_id = await make_changeset(database, owner, change(agent), verdict=PROOF)

    await work()

    assert "too few traces" in last_entry(await shown(owner, changeset_id))


async def test_a_decision_that_fails_is_left_to_people(database: Database, owner: Person, work: Drain) -> None:
    agent = await in_production(database, owner)
    await bounded(owner)
    changeset_id = await make_changeset(database, owner, change(agent), verdict=PROOF | {"gates": "all of them"})

    await work()

    changeset = await shown(owner, changeset_id)
    assert changeset["status"] == "proposed"
    assert last_entry(changeset).startswith("Left to people: the decision failed")


async def test_a_stale_changeset_is_left_to_people_as_it_was(database: Database, owner: Person, work: Drain) -> None:
    agent = await in_production(database, owner)
    await bounded(owner)
    changeset_id = await make_changeset(database, owner, change(agent), verdict=PROOF)
    version = await promote(owner, agent, "approved")

    await work()

    changeset = await shown(owner, changeset_id)
    assert (changeset["status"], len(changeset["history"])) == ("proposed", 1)
    assert "scan again" in last_entry(changeset)
    assert await labels(owner, agent) == (version, 1)


async def test_no_more_is_applied_in_a_day_than_the_bound_says(
    database: Database, owner: Person, settings: Settings, work: Drain
) -> None:
    agents = [await in_production(database, owner) for _ in range(3)]
    await bounded(owner)
    made = [await make_changeset(database, owner, change(agent), verdict=PROOF) for agent in agents]
    orders = [
        DecideChangeset(account_id=owner.account_id, workspace_id=owner.workspace_id, changeset_id=changeset_id)
        for changeset_id in made
    ]

    # Workers that do not know of each other, as when one was given up too early.
    context = JobContext(database=database, settings=settings)
    await asyncio.gather(*(jobs.decide_changeset(context, order) for order in orders))
    await work()

    assert sorted([(await shown(owner, each))["status"] for each in made]) == ["applied", "applied", "proposed"]


@pytest.mark.parametrize("mode", ["observe_only", "recommend", "manual"])
async def test_nothing_is_decided_in_another_mode(mode: str, database: Database, owner: Person, work: Drain) -> None:
    agent = await in_production(database, owner)
    await bounded(owner)
    changeset_id = await make_changeset(database, owner, change(agent), verdict=PROOF)
    await bounded(owner, mode=mode)

    await work()

    changeset = await shown(owner, changeset_id)
    assert (changeset["status"], len(changeset["explainability"]["decision_log"])) == ("proposed", 1)


async def test_a_decision_that_is_cut_off_has_not_begun(
    database: Database, owner: Person, settings: Settings, work: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await in_production(database, owner)
    await bounded(owner)
    changeset_id = await make_changeset(database, owner, change(agent), verdict=PROOF)
    order = DecideChangeset(account_id=owner.account_id, workspace_id=owner.workspace_id, changeset_id=changeset_id)

    async def die(*_: Any, **__: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(jobs, "begin_watch", die)  # after it was accepted and applied
        with pytest.raises(asyncio.CancelledError):
            await jobs.decide_changeset(JobContext(database=database, settings=settings), order)
    assert (await shown(owner, changeset_id))["status"] == "proposed"
    assert await labels(owner, agent) == (1, 1)

    await work()
    await jobs.decide_changeset(JobContext(database=database, settings=settings), order)

    assert [move["to_status"] for move in (await shown(owner, changeset_id))["history"]] == ["proposed", "accepted", "applied"]


@pytest.mark.parametrize(
    ("traces", "failing", "fields", "status"),
    [
        (100, 2, {}, "watching"),
        (100, 60, {}, "rolled_back"),
        (100, 0, {"duration_ms": 900}, "rolled_back"),
        (100, 60, {"config_version": 1}, "watching"),
        (100, 60, {"config_version": 2}, "rolled_back"),
        (3, 3, {}, "watching"),
    ],
)
async def test_production_that_gets_worse_is_rolled_back(
    traces: int,
    failing: int,
    fields: dict[str, Any],
    status: str,
    database: Database,
    owner: Person,
    work: Drain,
    check: Callable[..., Any],
) -> None:
    agent, changeset_id = await applied(database, owner, work)
    await traffic(database, owner, agent, traces, failing=failing, ago=timedelta(minutes=1), **fields)

    changeset = await check(owner, changeset_id)

    assert changeset["watch"]["status"] == status
    assert changeset["watch"]["checks"] == 1
    if status == "rolled_back":
        assert await labels(owner, agent) == (1, 1)
        assert changeset["history"][-1]["actor"]["kind"] == "system"
        assert "regression" in changeset["history"][-1]["reason"]
        assert max(reading["evidence"] for reading in changeset["watch"]["readings"]) >= changeset["watch"]["evidence_needed"]
    else:
        assert await labels(owner, agent) == (2, 2)


async def test_a_change_stays_when_its_time_is_over(
    database: Database, owner: Person, work: Drain, check: Callable[..., Any]
) -> None:
    agent, changeset_id = await applied(database, owner, work)
    await traffic(database, owner, agent, 100, failing=2, ago=timedelta(minutes=1))

    changeset = await check(owner, changeset_id, is_over=True)

    assert (changeset["status"], changeset["watch"]["status"]) == ("applied", "kept")
    assert changeset["watch"]["finished_at"] is not None
    assert "100 traces" in last_entry(changeset)


async def test_a_check_that_comes_twice_is_made_once_and_orders_one_more(
    database: Database, owner: Person, work: Drain, check: Callable[..., Any]
) -> None:
    _, changeset_id = await applied(database, owner, work)

    await check(owner, changeset_id)
    again = await check(owner, changeset_id)

    assert again["watch"]["checks"] == 1
    async with database.transaction() as session:
        jobs_waiting = await session.execute(select(ORDERS.c.args).where(ORDERS.c.task_name == CheckWatch.job))
        numbers = [args["work"]["number"] for (args,) in jobs_waiting if args["work"]["changeset_id"] == str(changeset_id)]
    assert sorted(numbers) == [1, 2]


@pytest.mark.parametrize("how", ["stop", "rollback", "mode"])
async def test_people_have_the_last_word(
    how: str, database: Database, owner: Person, work: Drain, check: Callable[..., Any]
) -> None:
    agent, changeset_id = await applied(database, owner, work)
    await traffic(database, owner, agent, 100, failing=60, ago=timedelta(minutes=1))
    path = f"{owner.w}/changesets/{changeset_id}"
    if how == "stop":
        assert (await owner.client.post(f"{path}/watch/stop", json={"reason": "A known outage."})).status_code == 200
    elif how == "rollback":
        assert (await act(owner, changeset_id, "rollback")).status_code == 200
    else:
        await bounded(owner, mode="manual")

    changeset = await check(owner, changeset_id)

    assert changeset["watch"]["status"] == "stopped"
    assert changeset["status"] == ("rolled_back" if how == "rollback" else "applied")
    assert await labels(owner, agent) == ((1, 1) if how == "rollback" else (2, 2))
    assert (await owner.client.post(f"{path}/watch/stop", json={"reason": "Again."})).status_code == 400


async def test_what_cannot_be_rolled_back_any_more_is_said(
    database: Database, owner: Person, work: Drain, check: Callable[..., Any]
) -> None:
    agent, changeset_id = await applied(database, owner, work)
    await traffic(database, owner, agent, 100, failing=60, ago=timedelta(minutes=1))
    version = await promote(owner, agent, "production")

    changeset = await check(owner, changeset_id)

    assert (changeset["status"], changeset["watch"]["status"]) == ("applied", "stopped")
    assert "cannot be undone" in last_entry(changeset)
    assert await labels(owner, agent) == (2, version)


@pytest.mark.parametrize(
    ("proof", "simulated", "told"),
    [
        ({"evidence_level": "L2"}, True, ("evidence_level", "L2")),
        ({"evidence_level": None}, True, ("evidence_level", "L0")),  # what says nothing of itself proves nothing
        (UNCHECKED, False, ("dimensions", ["tone"])),
        (UNCHECKED, True, None),  # nothing was asked that people could have labelled
    ],
)
async def test_what_is_not_proven_enough_is_recommended_and_not_applied(
    database: Database, owner: Person, proof: dict[str, Any], simulated: bool, told: tuple[str, Any] | None
) -> None:
    agent = await create_agent(owner, config=config())
    verdict = {name: told for name, told in (PROOF | proof).items() if told is not None}
    changeset_id = await make_changeset(database, owner, change(agent), verdict=verdict, simulated=simulated)

    assert (await act(owner, changeset_id, "accept")).status_code == 200
    answer = await act(owner, changeset_id, "apply")

    assert answer.status_code == (200 if told is None else 400)
    assert told is None or answer.json()[told[0]] == told[1]
