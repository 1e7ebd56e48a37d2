"""What the clock does about schedules: each due run starts once, waits, is skipped or refused, and people are told why."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.scans.commands import start_scan
from spectral_platform.scans.reckoning import Plan
from spectral_platform.scans.schedules import jobs
from spectral_platform.scans.schedules.dispatching import dispatch_schedules, forget_runs, order_runs, take_due
from spectral_platform.scans.schedules.queries import FAILURES_BEFORE_DISABLING
from spectral_platform.scans.schedules.work import StartRun
from tests.fixtures.worker import Drain
from tests.scans.schedules.conftest import DAILY, HOUR, Json, Schedules, daily, now, quiet_until
from tests.scans.workspaces import Scannable


async def news(schedules: Schedules, event: str) -> list[Json]:
    """What was told of an event of the workspace."""
    asked = (
        "SELECT args->'work'->'facts' FROM procrastinate_jobs WHERE task_name = 'news.announce'"
        " AND args->'work'->>'workspace_id' = :id AND args->'work'->>'event' = :event ORDER BY id"
    )
    async with schedules.database.transaction() as session:
        named = {"id": str(schedules.owner.workspace_id), "event": event}
        return list(await session.scalars(text(asked), named))


@pytest.mark.own_database
async def test_the_worker_starts_what_is_due_in_every_workspace(
    schedules: Schedules, scannable: Scannable, work: Drain, stranger: Any
) -> None:
    made = await schedules.create(cron=daily(now()))
    other = (await stranger.client.post(f"{stranger.w}/scans/schedules", json={"name": "Bare", "cron": DAILY})).json()
    await schedules.set("scan_schedules", made["id"], next_due_at=now())
    async with schedules.database.transaction(account_id=stranger.account_id, workspace_id=stranger.workspace_id) as session:
        await session.execute(text("UPDATE scan_schedules SET next_due_at = now()"))

    await dispatch_schedules(schedules.context)
    await dispatch_schedules(schedules.context)
    await work()

    (run,) = await schedules.runs(made)
    assert (run["trigger"], run["status"], run["scan_status"]) == ("schedule", "started", "completed")
    assert datetime.fromisoformat(run["due_at"]) == now() or run["due_at"] < run["created_at"]
    after = await schedules.get(made)
    assert datetime.fromisoformat(after["next_run_at"]) > clock.now() + 23 * HOUR
    assert (after["last_scan"]["id"], after["last_scan"]["trigger"]) == (run["scan_id"], "schedule")
    (refused,) = (await stranger.client.get(f"{stranger.w}/scans/schedules/{other['id']}/runs")).json()["results"]
    assert (refused["status"], refused["code"]) == ("refused", "refused")
    assert "agent" in refused["reason"].lower()


async def test_of_several_workers_at_once_one_takes_and_one_starts_a_run(schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create()
    await schedules.set("scan_schedules", made["id"], next_due_at=now())

    async def take() -> None:
        async with schedules.transaction() as session:
            await take_due(session, [UUID(made["id"])])

    await asyncio.gather(*(take() for _ in range(4)))
    (run,) = await schedules.runs(made)
    assert run["status"] == "waiting"
    await asyncio.gather(*(schedules.start(run) for _ in range(4)))

    assert [each["status"] for each in await schedules.runs(made)] == ["started"]
    assert (await scannable.get("scans"))["pagination"]["total"] == 1


async def test_a_schedule_that_another_worker_holds_is_passed_over(schedules: Schedules) -> None:
    made = await schedules.create()
    await schedules.set("scan_schedules", made["id"], next_due_at=now())

    async with schedules.transaction() as holding:
        await holding.execute(text("SELECT 1 FROM scan_schedules FOR UPDATE"))
        async with asyncio.timeout(30), schedules.transaction() as session:
            await take_due(session, [UUID(made["id"])])

    assert await schedules.runs(made) == []


async def test_a_worker_that_dies_while_it_starts_a_run_loses_nothing(
    schedules: Schedules, scannable: Scannable, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await schedules.create()
    await schedules.set("scan_schedules", made["id"], next_due_at=now())
    async with schedules.transaction() as session:
        await take_due(session, [UUID(made["id"])])
    (run,) = await schedules.runs(made)

    async def start_and_die(session: Any, caller: Caller, plan: Plan, **options: Any) -> None:
        await start_scan(session, caller, plan, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "start_scan", start_and_die)
        with pytest.raises(KeyboardInterrupt):
            await schedules.start(run)
    assert (await scannable.get("scans"))["pagination"]["total"] == 0
    assert (await schedules.runs(made))[0]["status"] == "waiting"

    await schedules.start(run)
    assert (await scannable.get("scans"))["pagination"]["total"] == 1
    assert (await schedules.runs(made))[0]["status"] == "started"


async def test_an_order_that_is_lost_is_given_again_and_not_before(schedules: Schedules) -> None:
    made = await schedules.create()
    await schedules.set("scan_schedules", made["id"], next_due_at=now())
    async with schedules.transaction() as session:
        await take_due(session, [UUID(made["id"])])
    (run,) = await schedules.runs(made)

    async def order() -> int:
        async with schedules.transaction() as session:
            await order_runs(session, [UUID(run["id"])])
        return await schedules.orders(run)

    assert [await order(), await order()] == [1, 1]
    await schedules.set("scan_schedule_runs", run["id"], ordered_at=clock.now() - timedelta(minutes=11))
    assert await order() == 2


@pytest.mark.parametrize(("catch_up", "status", "code"), [("once", "started", None), ("skip", "skipped", "missed")])
async def test_however_many_runs_were_missed_at_most_one_is_caught_up_on(
    catch_up: str, status: str, code: str | None, schedules: Schedules, scannable: Scannable
) -> None:
    due = now() - 6 * HOUR
    made = await schedules.create(cron=daily(due), catch_up=catch_up)

    await schedules.come_due(made, due - timedelta(days=9))
    await schedules.tick(made)

    (run,) = await schedules.runs(made)
    assert (run["status"], run["code"], datetime.fromisoformat(run["due_at"])) == (status, code, due)
    assert datetime.fromisoformat((await schedules.get(made))["next_run_at"]) == due + timedelta(days=1)


async def test_a_run_that_is_a_little_late_is_not_missed(schedules: Schedules, scannable: Scannable) -> None:
    due = now() - timedelta(minutes=4)
    made = await schedules.create(cron=daily(due), catch_up="skip")

    await schedules.come_due(made, due)

    assert [run["status"] for run in await schedules.runs(made)] == ["started"]


async def test_runs_that_fall_in_quiet_hours_come_to_one_that_waits_until_they_end(
    schedules: Schedules, scannable: Scannable
) -> None:
    end = now() + HOUR
    made = await schedules.create(quiet_hours=quiet_until(end), sla_s=600)

    await schedules.come_due(made, now())
    await schedules.come_due(made, now())

    waiting, second = await schedules.runs(made)
    assert (waiting["status"], datetime.fromisoformat(waiting["starts_at"])) == ("waiting", end)
    assert datetime.fromisoformat(waiting["sla_due_at"]) == end + timedelta(minutes=10)
    assert (second["status"], second["code"], second["sla_due_at"]) == ("skipped", "run_waiting", None)
    assert datetime.fromisoformat((await schedules.get(made))["next_run_at"]) == end
    changed = await schedules.change(made, quiet_hours=None)
    assert datetime.fromisoformat(changed["next_run_at"]) <= clock.now()
    await schedules.tick(made)
    assert (await schedules.runs(made))[0]["status"] == "started"


async def test_disabling_a_schedule_reaches_the_run_that_waits(schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create(quiet_hours=quiet_until(now() + HOUR))
    await schedules.come_due(made, now())

    disabled = await schedules.change(made, enabled=False)

    assert disabled["next_run_at"] is None
    (run,) = await schedules.runs(made)
    assert (run["status"], run["code"]) == ("skipped", "disabled")
    await schedules.change(made, enabled=True, quiet_hours=None)
    await schedules.tick(made)
    assert await schedules.runs(made) == [run], "what was due before it was disabled is not caught up on"


async def test_a_run_whose_quiet_hours_are_moved_is_ordered_when_they_end(schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create(quiet_hours=quiet_until(now() + HOUR))
    await schedules.come_due(made, now())
    (run,) = await schedules.runs(made)
    await schedules.set("scan_schedules", made["id"], next_due_at=now() + HOUR)
    await schedules.set("scan_schedule_runs", run["id"], starts_at=now(), ordered_at=clock.now())  # it is being started

    await schedules.change(made, quiet_hours=None)
    await schedules.tick(made)

    assert await schedules.orders(run) == 1


async def test_a_schedule_that_is_deleted_while_its_run_is_started_is_no_fault(schedules: Schedules) -> None:
    made = await schedules.create()
    await schedules.set("scan_schedules", made["id"], next_due_at=now())
    async with schedules.transaction() as session:
        await take_due(session, [UUID(made["id"])])
    (run,) = await schedules.runs(made)
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_locks WHERE relation = :held)")

    async with asyncio.timeout(20), schedules.transaction() as deleting:
        held = await deleting.scalar(text("SELECT 'scan_schedules'::regclass::oid"))
        await deleting.execute(text("DELETE FROM scan_schedules WHERE id = :id"), {"id": UUID(made["id"])})
        starting = asyncio.create_task(schedules.start(run))
        while not await deleting.scalar(waits, {"held": held}):
            await asyncio.wait([starting], timeout=0.01)

    await starting
    assert (await schedules.owner.client.get(f"{schedules.owner.w}/scans")).json()["results"] == []


async def test_a_schedule_whose_runs_are_refused_again_and_again_is_disabled(schedules: Schedules) -> None:
    made = await schedules.create()
    for _ in range(FAILURES_BEFORE_DISABLING):
        assert (await schedules.get(made))["enabled"] is True
        await schedules.come_due(made, now())

    disabled = await schedules.get(made)
    assert (disabled["enabled"], disabled["disabled_reason"], disabled["next_run_at"]) == (False, "failing", None)
    told = await schedules.get(made, "/explain")
    assert (told["would_run"], told["code"]) == (False, "disabled")
    assert str(FAILURES_BEFORE_DISABLING) in told["reason"]
    assert await news(schedules, "schedule.disabled") == [{"schedule_id": made["id"], "reason": "failing"}]
    log = await schedules.owner.client.get("/api/v1/account/audit-log", params={"action": "schedule.disabled"})
    assert [entry["resource_id"] for entry in log.json()["results"]] == [made["id"]]

    await schedules.change(made, enabled=True)
    assert (await schedules.get(made, "/explain"))["code"] == "refused", "its failures are forgiven"


async def test_a_scan_that_takes_too_long_is_told_of_once(schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create(sla_s=3600)
    await schedules.come_due(made, now())
    (run,) = await schedules.runs(made)
    assert (run["status"], run["passed_sla"]) == ("started", None)

    await schedules.set("scan_schedule_runs", run["id"], sla_due_at=clock.now() - timedelta(seconds=1))
    assert (await schedules.runs(made))[0]["passed_sla"] is False
    await schedules.set("scan_schedules", made["id"], next_due_at=now() + HOUR)
    for _ in range(2):
        await schedules.tick(made)

    (told,) = await news(schedules, "schedule.sla_missed")
    assert (told["schedule_id"], told["run_id"], told["scan_id"]) == (made["id"], run["id"], run["scan_id"])
    (run,) = await schedules.runs(made)
    assert (run["passed_sla"], run["sla_missed_at"]) == (False, run["sla_due_at"])


async def test_a_scan_that_ends_in_time_is_no_news(schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create(sla_s=3600)
    await schedules.come_due(made, now())
    (run,) = await schedules.runs(made)
    await schedules.owner.client.post(f"{schedules.owner.w}/scans/{run['scan_id']}/cancel")
    moment = clock.now()
    await schedules.set("scan_schedules", made["id"], next_due_at=now() + HOUR)
    await schedules.set("scan_schedule_runs", run["id"], sla_due_at=moment)
    await schedules.tick(made)

    assert await news(schedules, "schedule.sla_missed") == []
    assert (await schedules.runs(made))[0]["passed_sla"] is True


@pytest.mark.parametrize("closing", ["deleted", "suspended"])
async def test_nothing_starts_where_nobody_may_come_in(closing: str, schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create()
    await schedules.set("scan_schedules", made["id"], next_due_at=now())
    async with schedules.transaction() as session:
        await session.execute(
            text(
                "UPDATE accounts SET status = 'suspended'"
                if closing == "suspended"
                else "UPDATE workspaces SET deleted_at = now()"
            )
        )

    async with schedules.transaction() as session:
        await take_due(session, [UUID(made["id"])])

        assert await session.scalar(text("SELECT count(*) FROM scan_schedule_runs")) == 0
        assert await session.scalar(text("SELECT next_due_at > now() FROM scan_schedules"))


async def test_a_fault_of_ours_ends_the_run(schedules: Schedules) -> None:
    made = await schedules.create()
    await schedules.set("scan_schedules", made["id"], next_due_at=now())
    async with schedules.transaction() as session:
        await take_due(session, [UUID(made["id"])])
    (run,) = await schedules.runs(made)
    owner = schedules.owner
    order = StartRun(account_id=owner.account_id, workspace_id=owner.workspace_id, run_id=run["id"])

    for _ in range(2):
        await jobs.give_up_run(schedules.context, order)

    (run,) = await schedules.runs(made)
    assert (run["status"], run["code"]) == ("refused", "fault")


async def test_runs_are_forgotten_after_ninety_days(schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create()
    scan = (await schedules.trigger(made)).json()
    await schedules.come_due(made, now())
    old, new = await schedules.runs(made)
    await schedules.set("scan_schedule_runs", old["id"], created_at=clock.now() - timedelta(days=91))

    await forget_runs(schedules.context)

    assert [run["id"] for run in await schedules.runs(made)] == [new["id"]]
    assert (await scannable.get(f"scans/{scan['id']}"))["schedule_id"] == made["id"]
