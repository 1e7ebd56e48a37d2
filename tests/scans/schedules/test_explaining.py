"""What a schedule explains is what its clock then does."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from spectral_platform.scans.schedules.queries import FAILURES_BEFORE_DISABLING
from tests.scans.schedules.conftest import HOUR, Json, Schedules, now, quiet_until
from tests.scans.workspaces import Scannable

Situation = Callable[[Schedules, Json, Scannable], Awaitable[None]]


async def nothing_special(schedules: Schedules, made: Json, scannable: Scannable) -> None:
    pass


async def own_scan_runs(schedules: Schedules, made: Json, scannable: Scannable) -> None:
    assert (await schedules.trigger(made)).status_code == 202


async def scan_of_agent_runs(schedules: Schedules, made: Json, scannable: Scannable) -> None:
    await scannable.start()


async def nothing_to_scan(schedules: Schedules, made: Json, scannable: Scannable) -> None:
    await schedules.owner.client.delete(f"{schedules.owner.w}/agents/{scannable.agent_id}")


async def it_is_quiet(schedules: Schedules, made: Json, scannable: Scannable) -> None:
    await schedules.change(made, quiet_hours=quiet_until(now() + HOUR))


async def its_runs_failed(schedules: Schedules, made: Json, scannable: Scannable) -> None:
    async with schedules.transaction() as session:
        for _ in range(FAILURES_BEFORE_DISABLING):
            await session.execute(
                text(
                    "INSERT INTO scan_schedule_runs (id, account_id, workspace_id, schedule_id, trigger, requested_by, status,"
                    " overrides, variables, due_at, starts_at, created_at)"
                    " SELECT gen_random_uuid(), account_id, workspace_id, id, 'schedule', 'x', 'refused',"
                    " '{}', '{}', now(), now(), now() FROM scan_schedules"
                )
            )


@pytest.mark.parametrize(
    ("situation", "code", "status"),
    [
        (nothing_special, "ready", "started"),
        (own_scan_runs, "scan_active", "skipped"),
        (scan_of_agent_runs, "scan_active", "skipped"),
        (nothing_to_scan, "refused", "refused"),
        (it_is_quiet, "quiet_hours", "waiting"),
        (its_runs_failed, "failing", "skipped"),
    ],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
async def test_what_is_explained_is_what_happens(
    situation: Situation, code: str, status: str, schedules: Schedules, scannable: Scannable
) -> None:
    made = await schedules.create(cron="* * * * *")
    await situation(schedules, made, scannable)

    told = await schedules.get(made, "/explain")
    await schedules.come_due(made, now())

    run = (await schedules.runs(made))[-1]
    assert (told["code"], told["would_run"]) == (code, status == "started")
    assert run["status"] == status
    assert (run["code"], run["reason"]) == ((code, told["reason"]) if status in {"skipped", "refused"} else (None, None))
    if status == "waiting":
        assert told["starts_at"] == run["starts_at"] == told["next_run_at"]


async def test_explaining_keeps_nothing(schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create(cron=None)
    assert (await schedules.get(made, "/explain"))["code"] == "no_cron"
    await schedules.change(made, enabled=False, cron="* * * * *")
    told = await schedules.get(made, "/explain")

    assert (told["would_run"], told["code"], told["next_run_at"]) == (False, "disabled", None)
    await schedules.change(made, enabled=True)
    assert (await schedules.get(made, "/explain"))["would_run"] is True
    assert (await schedules.runs(made), (await scannable.get("scans"))["results"]) == ([], [])
