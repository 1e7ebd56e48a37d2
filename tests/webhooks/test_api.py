"""Naming webhooks over HTTP: what is checked, what is shown once, and what the audit log says."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.webhooks import commands
from tests.fixtures.callers import Person
from tests.fixtures.receiver import Receiver
from tests.webhooks.conftest import Hooks

URL = "https://example.com/hooks"


async def test_the_secret_is_shown_once_and_lies_sealed_in_the_database(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    made = await hooks.create(receiver, events=["scan.completed", "scan.completed"], description="CI")

    assert made["secret"].startswith("whsec_")
    assert made["events"] == ["scan.completed"]
    assert (made["enabled"], made["disabled_reason"], made["failing_since"]) == (True, None, None)
    shown = {name: value for name, value in made.items() if name != "secret"}
    assert await hooks.get(made) == shown
    listed = (await owner.client.get(f"{owner.w}/webhooks")).json()
    assert listed["results"] == [shown]
    async with hooks.database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        rows = await session.execute(text("SELECT to_jsonb(webhooks)::text FROM webhooks"))
        stored = rows.scalar_one()
    assert made["secret"].removeprefix("whsec_") not in stored
    assert "gAAAA" in stored


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://2130706433/",
        "http://user:password@example.com/",
        "ftp://example.com/",
        "nonsense",
    ],
)
async def test_a_url_that_may_not_be_called_is_refused_when_it_is_written(
    url: str, hooks: Hooks, receiver: Receiver, owner: Person
) -> None:
    webhook = await hooks.create(receiver)

    created = await owner.client.post(f"{owner.w}/webhooks", json={"url": url})
    changed = await owner.client.patch(f"{owner.w}/webhooks/{webhook['id']}", json={"url": url})

    for answer in (created, changed):
        assert answer.status_code == 400
        assert answer.json()["type"].endswith("/business-rule-violation")
    assert (await hooks.get(webhook))["url"] == receiver.url


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": ""},
        {"url": "https://example.com/" + "a" * 2048},
        {"url": URL, "events": ["nothing"]},
        {"url": URL, "secret": "x"},
    ],
)
async def test_a_body_of_the_wrong_shape_is_invalid(body: dict[str, Any], owner: Person) -> None:
    assert (await owner.client.post(f"{owner.w}/webhooks", json=body)).status_code == 422


async def test_only_what_is_named_changes(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    made = await hooks.create(receiver, events=["scan.failed"], description="CI")
    path = f"{owner.w}/webhooks/{made['id']}"

    disabled = (await owner.client.patch(path, json={"enabled": False})).json()
    again = (await owner.client.patch(path, json={"enabled": False, "description": None})).json()
    enabled = (await owner.client.patch(path, json={"enabled": True, "events": []})).json()

    assert (disabled["enabled"], disabled["disabled_reason"], disabled["events"]) == (False, "requested", ["scan.failed"])
    assert (again["disabled_at"], again["description"]) == (disabled["disabled_at"], None)
    assert (enabled["enabled"], enabled["disabled_reason"], enabled["disabled_at"]) == (True, None, None)
    assert (enabled["events"], enabled["url"]) == ([], receiver.url)
    assert (await owner.client.patch(path, json={"url": None})).status_code == 422


async def test_a_deleted_webhook_is_gone_with_its_deliveries(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    webhook = await hooks.create(receiver)
    delivery = await hooks.test(webhook)

    assert (await owner.client.delete(f"{owner.w}/webhooks/{webhook['id']}")).status_code == 204

    assert (await owner.client.get(f"{owner.w}/webhooks/{webhook['id']}")).status_code == 404
    assert (await owner.client.get(f"{owner.w}/webhooks/deliveries/{delivery['id']}")).status_code == 404
    await hooks.work()
    assert receiver.received == []


async def test_a_workspace_has_only_so_many(
    hooks: Hooks, receiver: Receiver, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MOST_WEBHOOKS", 1)
    await hooks.create(receiver)

    answer = await owner.client.post(f"{owner.w}/webhooks", json={"url": URL})

    assert (answer.status_code, answer.json()["limit"]) == (400, 1)


async def test_members_read_and_only_admins_change(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    webhook = await hooks.create(receiver)
    reading = owner.bearing(await owner.key("read:workspace", "write:workspace"))

    assert (await owner.client.get(f"{owner.w}/webhooks/{webhook['id']}", headers=reading)).status_code == 200
    refused = await owner.client.patch(f"{owner.w}/webhooks/{webhook['id']}", json={"enabled": False}, headers=reading)
    assert (refused.status_code, refused.json()["required_scope"]) == (403, "admin:workspace")


async def test_every_change_is_one_entry_without_secret_or_url(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    webhook = await hooks.create(receiver)
    path = f"{owner.w}/webhooks/{webhook['id']}"
    await owner.client.patch(path, json={"events": ["scan.failed"]})
    rotated = await owner.client.post(f"{path}/rotate-secret", json={})
    delivery = await hooks.test(webhook)
    await hooks.work()
    await owner.client.post(f"{owner.w}/webhooks/deliveries/{delivery['id']}/replay")
    await owner.client.delete(path)

    assert await hooks.audit_actions() == [
        "webhook.created",
        "webhook.updated",
        "webhook.secret_rotated",
        "webhook.tested",
        "webhook.replayed",
        "webhook.deleted",
    ]
    log = (await owner.client.get("/api/v1/account/audit-log")).text
    assert all(hidden not in log for hidden in (webhook["secret"], rotated.json()["secret"], receiver.url, "gAAAA"))


async def test_rotation_says_until_when_the_secret_before_is_good(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    webhook = await hooks.create(receiver)
    path = f"{owner.w}/webhooks/{webhook['id']}/rotate-secret"

    kept = (await owner.client.post(path, json={"overlap_hours": 1})).json()
    dropped = (await owner.client.post(path, json={"overlap_hours": 0})).json()

    assert len({webhook["secret"], kept["secret"], dropped["secret"]}) == 3
    assert datetime.fromisoformat(kept["previous_secret_until"]) <= clock.now() + timedelta(hours=1)
    assert dropped["previous_secret_until"] is None
