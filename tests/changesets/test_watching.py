"""Watching production where things change meanwhile: agents, people's minds, the workspace, and the worker's luck."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import column, select, table, update

from spectral_platform.changesets.autonomy import jobs, queries
from spectral_platform.changesets.autonomy.models import ChangesetWatch
from spectral_platform.changesets.autonomy.monitoring import Metric, Reference, Tally, weigh
from spectral_platform.changesets.autonomy.states import WATCH, WatchStatus
from spectral_platform.changesets.autonomy.watching import pause
from spectral_platform.changesets.autonomy.work import CheckWatch, DecideChangeset
from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import Announce, JobContext, Work, registry
from spectral_platform.core.settings import Settings
from tests.agents.factories import create_agent, merge
from tests.changesets.factories import change, make_changeset
from tests.changesets.test_bounded_auto import PROOF, applied, bounded, in_production, last_entry, shown, traffic
from tests.changesets.test_deciding import act, labels, promote
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain

ORDERS = table("procrastinate_jobs", column("task_name"), column("args"))


async def orders(database: Database, work: type[Work], changeset_id: UUID) -> list[dict[str, Any]]:
    """The orders of a kind about a changeset that wait in the queue."""
    async with database.transaction() as session:
        rows = await session.scalars(select(ORDERS.c.args).where(ORDERS.c.task_name == work.job))
        return [args["work"] for args in rows if str(changeset_id) in str(args)]


async def elapse(database: Database, owner: Person, *, is_over: bool = False) -> None:
    """Let the watch have begun two minutes ago, and perhaps be over."""
    ends = {"ends_at": clock.now()} if is_over else {}
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(update(ChangesetWatch).values(began_at=clock.now() - timedelta(minutes=2), **ends))


def look(owner: Person, changeset_id: UUID, number: int = 1) -> CheckWatch:
    return CheckWatch(account_id=owner.account_id, workspace_id=owner.workspace_id, changeset_id=changeset_id, number=number)


async def test_a_look_that_fails_for_good_is_not_the_last_one(
    database: Database, settings: Settings, owner: Person, work: Drain
) -> None:
    _, changeset_id = await applied(database, owner, work)
    context, known = JobContext(database=database, settings=settings), registry[CheckWatch.job]
    assert known.on_failure is not None

    for _ in range(2):  # the order may come back
        await known.on_failure(context, look(owner, changeset_id))
    numbers = [order["number"] for order in await orders(database, CheckWatch, changeset_id)]
    await elapse(database, owner, is_over=True)
    await known.on_failure(context, look(owner, changeset_id, 2))

    assert sorted(numbers) == [1, 2]
    assert len(await orders(database, CheckWatch, changeset_id)) == 2
    changeset = await shown(owner, changeset_id)
    assert (changeset["status"], changeset["watch"]["status"]) == ("applied", "stopped")
    assert "failed" in last_entry(changeset)


async def test_in_a_deleted_workspace_no_look_follows_the_last_one(
    database: Database, settings: Settings, owner: Person, work: Drain
) -> None:
    agent, changeset_id = await applied(database, owner, work)
    await traffic(database, owner, agent, 100, failing=60, ago=timedelta(minutes=1))
    assert (await owner.client.delete(owner.w)).status_code == 204
    context = JobContext(database=database, settings=settings)

    await elapse(database, owner)
    await jobs.check_watch(context, look(owner, changeset_id))
    await elapse(database, owner, is_over=True)
    await jobs.check_watch(context, look(owner, changeset_id, 2))

    assert sorted(order["number"] for order in await orders(database, CheckWatch, changeset_id)) == [1, 2]
    assert (await owner.client.post(f"{owner.w}/restore")).status_code == 200
    changeset = await shown(owner, changeset_id)
    assert (changeset["status"], changeset["watch"]["status"]) == ("applied", "stopped")


async def test_a_decision_that_is_made_twice_at_once_is_told_once(database: Database, settings: Settings, owner: Person) -> None:
    agent = await in_production(database, owner)
    await bounded(owner)
    changeset_id = await make_changeset(database, owner, change(agent), verdict=PROOF)
    order = DecideChangeset(account_id=owner.account_id, workspace_id=owner.workspace_id, changeset_id=changeset_id)
    context = JobContext(database=database, settings=settings)

    await asyncio.gather(*(jobs.decide_changeset(context, order) for _ in range(3)))

    changeset = await shown(owner, changeset_id)
    assert [move["to_status"] for move in changeset["history"]] == ["proposed", "accepted", "applied"]
    assert not any("Left to people" in each["entry"] for each in changeset["explainability"]["decision_log"])


async def test_what_was_compared_with_something_that_does_not_run_is_left_to_people(
    database: Database, owner: Person, work: Drain
) -> None:
    agent = await in_production(database, owner)
    await bounded(owner)
    version = await promote(owner, agent, "approved")
    changeset_id = await make_changeset(database, owner, change(agent, base_version=version), verdict=PROOF)

    await work()

    changeset = await shown(owner, changeset_id)
    assert (changeset["status"], len(changeset["history"])) == ("proposed", 1)
    assert "label production" in last_entry(changeset)
    assert await labels(owner, agent) == (version, 1)


async def test_nothing_is_put_on_top_of_a_change_that_is_still_watched(database: Database, owner: Person, work: Drain) -> None:
    agent, _ = await applied(database, owner, work)
    another = await make_changeset(database, owner, change(agent, base_version=2, prompt="You answer in rhymes."), verdict=PROOF)

    await work()

    assert "still watched" in last_entry(await shown(owner, another))
    assert await labels(owner, agent) == (2, 2)


@pytest.mark.parametrize("how", ["reject", "rollback"])
async def test_what_was_turned_down_is_not_applied_by_the_system_later(
    how: str, database: Database, owner: Person, work: Drain
) -> None:
    agent = await in_production(database, owner)
    first = await make_changeset(database, owner, change(agent), verdict=PROOF)
    if how == "rollback":
        assert (await act(owner, first, "accept")).status_code == 200
    assert (await act(owner, first, how)).status_code == 200
    await bounded(owner)
    again = await make_changeset(database, owner, change(agent), verdict=PROOF)
    other = await make_changeset(database, owner, change(agent, prompt="You answer in rhymes."), verdict=PROOF)

    await work()

    entries = [each["entry"] for each in (await shown(owner, again))["explainability"]["decision_log"]]
    assert any(f"in changeset {first}" in entry for entry in entries)
    assert (await shown(owner, other))["status"] == "applied"


async def test_an_agent_that_is_merged_is_watched_on(database: Database, settings: Settings, owner: Person, work: Drain) -> None:
    agent, changeset_id = await applied(database, owner, work)
    into = await create_agent(owner)
    merged = await merge(owner, agent["id"], into["id"])
    assert merged.status_code == 200, merged.text
    await traffic(database, owner, into, 100, failing=60, ago=timedelta(minutes=1))
    await elapse(database, owner)

    await jobs.check_watch(JobContext(database=database, settings=settings), look(owner, changeset_id))

    changeset = await shown(owner, changeset_id)
    assert (changeset["status"], changeset["watch"]["status"]) == ("rolled_back", "rolled_back")
    assert {each["agent_id"] for each in changeset["watch"]["readings"]} == {into["id"]}


async def test_a_rollback_tells_that_the_watch_has_ended(database: Database, owner: Person, work: Drain) -> None:
    _, changeset_id = await applied(database, owner, work)

    assert (await act(owner, changeset_id, "rollback")).status_code == 200

    told = [news["facts"] for news in await orders(database, Announce, changeset_id) if news["event"] == "changeset.watch_ended"]
    assert [facts["status"] for facts in told] == ["stopped"]


async def test_a_silence_is_not_taken_for_a_success(database: Database, settings: Settings, owner: Person, work: Drain) -> None:
    _, changeset_id = await applied(database, owner, work)
    await elapse(database, owner, is_over=True)

    await jobs.check_watch(JobContext(database=database, settings=settings), look(owner, changeset_id))

    changeset = await shown(owner, changeset_id)
    told = [news["facts"] for news in await orders(database, Announce, changeset_id) if news["event"] == "changeset.watch_ended"]
    assert (changeset["status"], changeset["watch"]["status"]) == ("applied", "inconclusive")
    assert [(facts["status"], facts["traces"]) for facts in told] == [("inconclusive", 0)]
    assert "Only 0 traces came" in last_entry(changeset)


@pytest.mark.parametrize(("telling", "status"), [(50, "inconclusive"), (100, "kept")])
async def test_a_cost_that_is_not_told_any_more_is_not_taken_for_a_low_one(
    database: Database, settings: Settings, owner: Person, work: Drain, telling: int, status: str
) -> None:
    agent = await in_production(database, owner, traces=0)
    await traffic(database, owner, agent, 200, ago=timedelta(hours=2), cost_usd=Decimal("0.01"))
    await bounded(owner)
    changeset_id = await make_changeset(database, owner, change(agent), verdict=PROOF)
    await work()
    await traffic(database, owner, agent, telling, ago=timedelta(seconds=30), cost_usd=Decimal("0.01"))
    await traffic(database, owner, agent, 100 - telling, ago=timedelta(seconds=30))
    await elapse(database, owner, is_over=True)

    await jobs.check_watch(JobContext(database=database, settings=settings), look(owner, changeset_id))

    watch = (await shown(owner, changeset_id))["watch"]
    assert watch["status"] == status
    assert ("The cost of 50 traces alone is told" in watch["reason"]) == (status == "inconclusive")


async def test_the_first_traces_since_a_change_count_and_no_more_than_a_look_takes(
    database: Database, settings: Settings, owner: Person, work: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, changeset_id = await applied(database, owner, work)
    await traffic(database, owner, agent, 60, failing=60, ago=timedelta(seconds=30))
    await traffic(database, owner, agent, 60, ago=timedelta(minutes=1))
    await elapse(database, owner)
    monkeypatch.setattr(queries, "MOST_SINCE", 61)

    await jobs.check_watch(JobContext(database=database, settings=settings), look(owner, changeset_id))

    watch = (await shown(owner, changeset_id))["watch"]
    errors = next(each for each in watch["readings"] if each["metric"] == "errors")
    assert (watch["status"], errors["traces"], errors["bad"]) == ("watching", 61, 1)


def test_a_watch_ends_once_and_in_any_way() -> None:
    allowed = {(current, to) for current, to in product(WatchStatus, WatchStatus) if WATCH.allows(current, to)}

    assert allowed == {(WatchStatus.WATCHING, to) for to in WatchStatus if to is not WatchStatus.WATCHING}


def test_of_several_agents_the_one_that_was_too_silent_is_told_of() -> None:
    often, seldom = (
        Reference(agent_id=clock.new_id(), metric=Metric.ERRORS, traces=60, bad=bad, limit=None, allowed=allowed)
        for bad, allowed in ((1, 0.02), (50, 0.9))
    )
    readings = tuple(
        weigh(each, Tally(agent_id=each.agent_id, metric=each.metric, traces=traces, bad=0, limit=None))
        for each, traces in ((often, 20), (seldom, 30))
    )

    assert jobs._conclude((often, seldom), readings)[1].startswith("Only 30 traces came")


@pytest.mark.parametrize(
    ("window", "took", "wait"),
    [
        (timedelta(minutes=1), timedelta(), timedelta(seconds=5)),
        (timedelta(hours=1), timedelta(), timedelta(seconds=72)),
        (timedelta(days=30), timedelta(), timedelta(minutes=5)),
        (timedelta(days=30), timedelta(seconds=12), timedelta(minutes=40)),
    ],
)
def test_the_more_there_is_to_count_the_seldomer_it_is_counted(window: timedelta, took: timedelta, wait: timedelta) -> None:
    assert pause(window, took) == wait
