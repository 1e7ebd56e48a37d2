"""Schedules over HTTP: what is written, refused, triggered and told."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.access import WorkspaceRole
from spectral_platform.core.database import Database
from tests.fixtures.callers import Person, joined
from tests.fixtures.worker import Drain
from tests.scans.schedules.conftest import Schedules
from tests.scans.workspaces import Scannable


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


async def test_a_schedule_says_when_it_runs_next_after_every_write(schedules: Schedules) -> None:
    made = await schedules.create(timezone="Europe/Berlin", cron="30 4 * * *")
    due = datetime.fromisoformat(made["next_run_at"])
    assert clock.now() < due <= clock.now() + timedelta(days=1, hours=1)
    assert (made["enabled"], made["last_scan"], made["version"], made["catch_up"]) == (True, None, 1, "once")

    quiet = await schedules.change(made, quiet_hours={"start": "04:00", "end": "05:15"})
    assert datetime.fromisoformat(quiet["next_run_at"]) == due + timedelta(minutes=45)
    assert (await schedules.change(made, enabled=False))["next_run_at"] is None
    other = await schedules.change(made, enabled=True, quiet_hours=None, timezone="UTC", cron="@hourly")
    assert datetime.fromisoformat(other["next_run_at"]) <= clock.now() + timedelta(hours=1)
    assert (await schedules.change(made, cron=None))["next_run_at"] is None
    assert (await schedules.get(made))["version"] == 5
    listed = (await schedules.owner.client.get(schedules.path)).json()
    assert [each["id"] for each in listed["results"]] == [made["id"]]


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"cron": "61 * * * *"},
        {"cron": "0 0 30 2 *"},
        {"timezone": "Mars/Olympus"},
        {"timezone": None},
        {"quiet_hours": {"start": "10:00", "end": "10:00"}},
        {"sla_s": 0},
        {"sla_s": "60"},
        {"catch_up": "all"},
        {"settings": {"max_candidates": 0}},
        {"settings": {"surprise": 1}},
        {"settings": {"notify": {}}},
        {"settings": {"notify": {"emails": ["nobody"]}}},
        {"surprise": 1},
    ],
)
async def test_what_makes_no_schedule_is_refused(body: dict[str, Any], schedules: Schedules) -> None:
    answer = await schedules.owner.client.post(schedules.path, json={"name": "Nightly"} | body)

    assert answer.status_code == 422, answer.text


async def test_settings_that_name_what_is_not_there_are_refused(schedules: Schedules, stranger: Person) -> None:
    for settings, missing in (
        ({"agent_ids": [str(uuid4())]}, "agents"),
        ({"rubric_id": str(uuid4())}, "rubric"),
        ({"notify": {"emails": [stranger.email]}}, "notify"),
        ({"notify": {"webhook_ids": [str(uuid4())]}}, "notify"),
    ):
        answer = await schedules.owner.client.post(schedules.path, json={"name": "Nightly", "settings": settings})
        assert (answer.status_code, answer.json()["missing"]) == (400, [missing])


async def test_names_are_unique_in_a_workspace(schedules: Schedules, stranger: Person) -> None:
    first = await schedules.create()
    again = await schedules.owner.client.post(schedules.path, json={"name": "Nightly"})
    second = await schedules.create(name="Weekly")
    renamed = await schedules.owner.client.patch(f"{schedules.path}/{second['id']}", json={"name": "Nightly"})
    elsewhere = await stranger.client.post(f"{stranger.w}/scans/schedules", json={"name": "Nightly"})

    assert [again.status_code, renamed.status_code, elsewhere.status_code] == [400, 400, 201]
    assert (await schedules.get(first))["name"] == "Nightly"


async def test_a_write_for_a_version_that_is_gone_is_refused(schedules: Schedules) -> None:
    made = await schedules.create()
    path, client = f"{schedules.path}/{made['id']}", schedules.owner.client
    tag = (await client.get(path)).headers["ETag"]
    await schedules.come_due(made, clock.now() - timedelta(hours=1))

    guarded = {"If-Match": tag}
    assert (await client.patch(path, json={"sla_s": 60}, headers=guarded)).status_code == 200, "a run changes no tag"
    for method, body in (("PATCH", {"sla_s": 90}), ("PUT", {"name": "Other"}), ("DELETE", None)):
        answer = await client.request(method, path, json=body, headers=guarded)
        assert (answer.status_code, slug(answer)) == (412, "version-conflict")
    replaced = await client.put(path, json={"name": "Other"}, headers={"If-Match": '"2"'})
    assert (replaced.json()["cron"], replaced.json()["sla_s"], replaced.headers["ETag"]) == (None, None, '"3"')
    assert (await client.delete(path, headers={"If-Match": '"3"'})).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_a_member_triggers_a_scan_with_overrides_and_variables(
    schedules: Schedules, scannable: Scannable, work: Drain
) -> None:
    made = await schedules.create(cron=None, settings={"max_candidates": 6, "budget": {"max_usd": "2"}}, sla_s=3600)

    answer = await schedules.trigger(
        made, overrides={"budget": {"max_model_calls": 500}, "seed": 3}, variables={"commit": "8f2c1e0", "tries": 2}
    )

    assert answer.status_code == 202, answer.text
    scan = answer.json()
    assert answer.headers["Location"] == f"{schedules.owner.w}/scans/{scan['id']}"
    assert (scan["status"], scan["trigger"], scan["schedule_id"]) == ("scheduled", "manual", made["id"])
    assert (scan["settings"]["seed"], scan["settings"]["max_candidates"]) == (3, 6)
    assert (scan["settings"]["budget"]["max_usd"], scan["settings"]["budget"]["max_model_calls"]) == ("2", 500)
    refused = await schedules.trigger(made)
    assert (refused.status_code, slug(refused)) == (400, "business-rule-violation")
    (run,) = await schedules.runs(made)
    assert (run["status"], run["scan_status"], run["passed_sla"]) == ("started", "scheduled", None)
    await work()
    (run,) = await schedules.runs(made)
    assert (run["scan_status"], run["outcome"], run["passed_sla"]) == ("completed", "insufficient_evidence", True)
    assert run["variables"] == {"commit": "8f2c1e0", "tries": 2}
    assert (await schedules.get(made))["last_scan"]["id"] == scan["id"]
    listed = await scannable.get(f"scans?schedule_id={made['id']}")
    assert [each["id"] for each in listed["results"]] == [scan["id"]]
    async with schedules.transaction() as session:
        asked = await session.scalar(text("SELECT requested_by FROM scans WHERE schedule_id IS NOT NULL"))
    assert asked == f"user:{schedules.owner.user_id}"


async def test_the_token_triggers_its_schedule_and_nothing_else(
    schedules: Schedules, scannable: Scannable, client: httpx.AsyncClient, stranger: Person
) -> None:
    made, other = await schedules.create(), await schedules.create(name="Other")
    path = f"{schedules.path}/{made['id']}"
    bearing = schedules.owner.bearing(made["token"])

    for method, where in (
        ("GET", path),
        ("GET", f"{path}/runs"),
        ("PATCH", path),
        ("POST", f"{path}/rotate-token"),
        ("POST", f"{schedules.owner.w}/scans"),
        ("POST", f"{schedules.path}/{other['id']}/trigger"),
        ("POST", f"{stranger.w}/scans/schedules/{made['id']}/trigger"),
        ("POST", f"{schedules.path}/nonsense/trigger"),
    ):
        answer = await client.request(method, where, headers=bearing)
        assert (answer.status_code, slug(answer)) == (401, "unauthenticated"), where
    triggered = await client.post(f"{path}/trigger", headers=bearing)

    assert (triggered.status_code, triggered.json()["trigger"]) == (202, "webhook")
    assert (await schedules.runs(made))[0]["requested_by"] == f"schedule:{made['id']}"
    entries = (await schedules.owner.client.get("/api/v1/account/audit-log", params={"resource": "scan"})).json()["results"]
    assert [(entry["action"], entry["detail"]["trigger"]) for entry in entries] == [("scan.created", "webhook")]


async def test_a_rotated_token_ends_the_one_before_at_once(
    schedules: Schedules, scannable: Scannable, client: httpx.AsyncClient, database: Database
) -> None:
    made = await schedules.create()
    path = f"{schedules.path}/{made['id']}"

    rotated = (await schedules.owner.client.post(f"{path}/rotate-token")).json()

    former = await client.post(f"{path}/trigger", headers=schedules.owner.bearing(made["token"]))
    assert (former.status_code, slug(former)) == (401, "unauthenticated")
    assert (await client.post(f"{path}/trigger", headers=schedules.owner.bearing(rotated["token"]))).status_code == 202
    assert rotated["token"].startswith(rotated["token_prefix"])
    assert "token" not in await schedules.get(made)
    async with schedules.transaction() as session:
        row = (await session.execute(text("SELECT scan_schedules::text FROM scan_schedules"))).scalar_one()
    assert rotated["token"] not in row


async def test_the_token_of_a_suspended_account_or_a_deleted_workspace_is_refused(
    schedules: Schedules, client: httpx.AsyncClient
) -> None:
    made = await schedules.create()
    path, bearing = f"{schedules.path}/{made['id']}/trigger", schedules.owner.bearing(made["token"])
    async with schedules.transaction() as session:
        await session.execute(text("UPDATE accounts SET status = 'suspended'"))
    suspended = await client.post(path, headers=bearing)
    async with schedules.transaction() as session:
        await session.execute(text("UPDATE accounts SET status = 'active'"))
    await schedules.owner.client.delete(schedules.owner.w)
    deleted = await client.post(path, headers=bearing)

    assert (suspended.status_code, slug(suspended)) == (403, "account-suspended")
    assert (deleted.status_code, slug(deleted)) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("overrides", "status"),
    [
        ({"seed": 3, "max_candidates": 2, "explore": True}, 202),
        ({"budget": {"max_usd": "1.5"}}, 202),
        ({"budget": {"max_usd": "2.01"}}, 400),
        ({"budget": {"max_model_calls": 2001}}, 400),
        ({"budget": None}, 400),
        ({"agent_ids": None}, 400),
        ({"notify": None}, 400),
    ],
)
async def test_a_token_chooses_neither_agents_nor_a_higher_budget(
    overrides: dict[str, Any], status: int, schedules: Schedules, scannable: Scannable, client: httpx.AsyncClient
) -> None:
    made = await schedules.create(settings={"budget": {"max_usd": "2"}})

    answer = await client.post(
        f"{schedules.path}/{made['id']}/trigger",
        json={"overrides": overrides},
        headers=schedules.owner.bearing(made["token"]),
    )

    assert answer.status_code == status, answer.text


async def test_what_is_due_stays_due_when_the_same_is_written_again(schedules: Schedules) -> None:
    made = await schedules.create(cron="0 3 * * *", timezone="Asia/Tokyo")
    due = clock.now().replace(microsecond=0) - timedelta(hours=2)
    await schedules.set("scan_schedules", made["id"], next_due_at=due)
    same = {name: made[name] for name in ("name", "cron", "timezone", "quiet_hours", "catch_up", "sla_s", "enabled", "settings")}

    put = await schedules.owner.client.put(f"{schedules.path}/{made['id']}", json=same)
    assert put.status_code == 200, put.text
    changed = await schedules.change(made, enabled=True, timezone="Asia/Tokyo")

    assert datetime.fromisoformat(put.json()["next_run_at"]) == datetime.fromisoformat(changed["next_run_at"]) == due
    await schedules.tick(made)
    assert len(await schedules.runs(made)) == 1
    assert datetime.fromisoformat((await schedules.get(made))["next_run_at"]) > clock.now()


async def test_a_disabled_schedule_is_not_triggered(schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create(enabled=False)

    answer = await schedules.trigger(made)

    assert (answer.status_code, slug(answer)) == (400, "business-rule-violation")
    assert (made["disabled_reason"], made["next_run_at"]) == ("requested", None)


async def test_of_many_triggers_at_once_one_starts_a_scan(schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create()

    answers = await asyncio.gather(*(schedules.trigger(made) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [202, 400, 400, 400, 400]
    assert len(await schedules.runs(made)) == 1


async def test_variables_are_bounded(schedules: Schedules) -> None:
    made = await schedules.create()

    for variables in ({"a": "x" * 10_001}, {str(number): 1 for number in range(51)}, ["a"]):
        assert (await schedules.trigger(made, variables=variables)).status_code == 422


async def test_observers_read_schedules_and_contributors_write_them(
    schedules: Schedules, scannable: Scannable, client: httpx.AsyncClient, database: Database
) -> None:
    made = await schedules.create()
    path = f"{schedules.path}/{made['id']}"
    observer = await joined(client, database, schedules.owner, workspace_role=WorkspaceRole.OBSERVER)
    contributor = await joined(client, database, schedules.owner, workspace_role=WorkspaceRole.CONTRIBUTOR)

    assert (await observer.client.get(f"{path}/explain")).json()["would_run"] is True
    assert (await observer.client.post(f"{path}/trigger")).status_code == 403
    assert (await contributor.client.post(f"{path}/trigger")).status_code == 202
    key = await schedules.owner.key("read:workspace", "write:workspace")
    again = await client.post(f"{path}/trigger", headers=schedules.owner.bearing(key))
    assert again.status_code == 400, "by a key as by a member: the first scan has not ended"


async def test_deleting_a_schedule_leaves_its_scan(schedules: Schedules, scannable: Scannable) -> None:
    made = await schedules.create()
    scan = (await schedules.trigger(made)).json()

    assert (await schedules.owner.client.delete(f"{schedules.path}/{made['id']}")).status_code == 204

    left = await scannable.get(f"scans/{scan['id']}")
    assert (left["status"], left["schedule_id"]) == ("scheduled", None)


async def test_times_are_utc_with_a_z(schedules: Schedules) -> None:
    made = await schedules.create(timezone="Asia/Kolkata")

    assert made["next_run_at"].endswith("18:30:00.000000Z")
    assert datetime.fromisoformat(made["created_at"]).tzinfo == UTC
