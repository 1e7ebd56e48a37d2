"""Deliveries as a receiver sees them: real requests, verified with the library that receivers use."""

import asyncio
import os
import signal
from contextlib import suppress
from datetime import timedelta
from typing import get_args

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from spectral_platform.changesets.clusters.news import ClusterSeen
from spectral_platform.changesets.states import ChangesetStatus
from spectral_platform.core.settings import Settings
from spectral_platform.scans.models import Scan
from spectral_platform.scans.states import SCAN
from spectral_platform.webhooks.commands import KEPT_FOR, prune_deliveries
from spectral_platform.webhooks.events import EventType
from spectral_platform.webhooks.retrying import WAITS
from spectral_platform.worker.runner import run_worker
from tests.agents.factories import config, create_agent
from tests.changesets.factories import change, make_changeset
from tests.fixtures.callers import Person
from tests.fixtures.forks import working
from tests.fixtures.receiver import Received, Receiver, receiving, responding
from tests.webhooks.conftest import Hooks, Json

EVERYTHING = len(WAITS) + 1


def read(received: Received, webhook: Json) -> Json:
    """The message as a receiver takes it in, with the secret that it was given."""
    message: Json = Webhook(webhook["secret"]).verify(received.body, received.headers)
    return message


def signed_by(received: Received, webhooks: list[Json]) -> int:
    """Which of the webhooks' secrets verifies the message; only one does."""
    found = []
    for number, webhook in enumerate(webhooks):
        with suppress(WebhookVerificationError):
            read(received, webhook)
            found.append(number)
    (only,) = found
    return only


def test_everything_that_ends_or_moves_can_be_told() -> None:
    told = {f"changeset.{status}" for status in ChangesetStatus} | {f"scan.{status}" for status in SCAN.terminal}

    told |= {f"cluster.{change}" for change in get_args(ClusterSeen.model_fields["change"].annotation)}
    told |= {"changeset.watch_ended", "judge.drifted", "schedule.disabled", "schedule.sla_missed"}
    assert told | {"webhook.disabled", "webhook.test"} == set(EventType)
    assert Scan.lifecycle is SCAN


async def test_news_arrives_signed_and_is_logged(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    webhook = await hooks.create(receiver)
    changeset_id = await hooks.happen()

    await hooks.work()

    (received,) = receiver.received
    message = read(received, webhook)
    assert (message["type"], message["data"]["changeset_id"]) == ("changeset.proposed", changeset_id)
    assert message["data"]["workspace_id"] == str(owner.workspace_id)
    assert received.headers["content-type"] == "application/json"
    assert received.target == "/hook"
    (delivery,) = await hooks.deliveries(webhook)
    assert (delivery["status"], delivery["event"]) == ("delivered", "changeset.proposed")
    assert delivery["message_id"] == received.headers["webhook-id"]
    assert (delivery["attempt_count"], delivery["next_attempt_at"]) == (1, None)
    (attempt,) = delivery["attempts"]
    assert (attempt["status_code"], attempt["error"], attempt["response_excerpt"]) == (204, None, "")
    assert attempt["latency_ms"] >= 0
    whole = (await owner.client.get(f"{owner.w}/webhooks/deliveries/{delivery['id']}")).json()
    assert whole == delivery | {"payload": message}


async def test_every_decision_about_a_changeset_is_told_once(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    webhook = await hooks.create(receiver)
    agent = await create_agent(owner, config=config())
    first = await make_changeset(hooks.database, owner, change(agent))
    for action, body in (("accept", None), ("apply", None), ("rollback", {"reason": "worse"})):
        answer = await owner.client.post(f"{owner.w}/changesets/{first}/{action}", json=body)
        assert answer.status_code == 200, answer.text
    second = await make_changeset(hooks.database, owner, change(agent))
    assert (await owner.client.post(f"{owner.w}/changesets/{second}/reject", json={"reason": "no"})).status_code == 200

    await hooks.work()

    told = sorted(
        (message["data"]["changeset_id"], message["type"]) for message in (read(each, webhook) for each in receiver.received)
    )
    assert told == sorted(
        [(str(first), f"changeset.{status}") for status in ("proposed", "accepted", "applied", "rolled_back")]
        + [(str(second), f"changeset.{status}") for status in ("proposed", "rejected")]
    )


async def test_a_webhook_is_told_what_it_asked_for_and_others_nothing_of_it(
    hooks: Hooks, receiver: Receiver, stranger: Person
) -> None:
    await hooks.create(receiver, events=["scan.completed"])
    await hooks.create(receiver, enabled=False)
    wanting = await hooks.create(receiver, events=["changeset.proposed"])
    elsewhere = await stranger.client.post(f"{stranger.w}/webhooks", json={"url": receiver.url})
    assert elsewhere.status_code == 201
    await hooks.happen()

    await hooks.work()

    (received,) = receiver.received
    assert read(received, wanting)["type"] == "changeset.proposed"


async def test_the_same_news_has_the_same_id_for_every_webhook(hooks: Hooks, receiver: Receiver) -> None:
    webhooks = [await hooks.create(receiver) for _ in range(2)]
    await hooks.happen()

    await hooks.work()

    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert {signed_by(received, webhooks) for received in receiver.received} == {0, 1}


async def test_a_message_that_was_tampered_with_does_not_verify(hooks: Hooks, receiver: Receiver) -> None:
    webhook = await hooks.create(receiver)
    await hooks.test(webhook)
    await hooks.work()

    (received,) = receiver.received
    with pytest.raises(WebhookVerificationError):
        read(Received(received.target, received.headers, received.body.replace(b"webhook.test", b"scan.failed")), webhook)


async def test_a_failed_try_is_repeated_under_the_same_id_until_it_succeeds(hooks: Hooks, receiver: Receiver) -> None:
    webhook = await hooks.create(receiver)
    receiver.respond = lambda received: responding(500, b"out of \x00order") if len(receiver.received) < 3 else responding(200)
    await hooks.test(webhook)

    for _ in range(3):
        await hooks.come_due()
        await hooks.work()

    (delivery,) = await hooks.deliveries(webhook)
    assert (delivery["status"], delivery["attempt_count"]) == ("delivered", 3)
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [500, 500, 200]
    assert delivery["attempts"][0]["response_excerpt"] == "out of \ufffdorder"
    assert {received.headers["webhook-id"] for received in receiver.received} == {delivery["message_id"]}
    assert all(read(received, webhook)["type"] == "webhook.test" for received in receiver.received)
    assert (await hooks.get(webhook))["failing_since"] is None


async def test_the_next_try_waits_for_its_time(hooks: Hooks, receiver: Receiver) -> None:
    webhook = await hooks.create(receiver)
    receiver.respond = lambda received: responding(503, Retry_After="7200")
    await hooks.test(webhook)
    await hooks.work()
    await hooks.work()

    assert len(receiver.received) == 1
    (delivery,) = await hooks.deliveries(webhook, status="pending")
    assert delivery["next_attempt_at"] > delivery["attempts"][0]["at"]
    assert (await hooks.get(webhook))["failing_since"] == delivery["attempts"][0]["at"]
    async with hooks.database.transaction() as session:
        due_in = await session.scalar(
            text("SELECT max(scheduled_at) - now() FROM procrastinate_jobs WHERE args->'work'->>'delivery_id' = :id"),
            {"id": delivery["id"]},
        )
    assert timedelta(minutes=119) < due_in <= timedelta(minutes=120)


async def test_after_the_last_try_the_delivery_is_dead_and_the_webhook_disabled_and_others_are_told(
    hooks: Hooks, receiver: Receiver
) -> None:
    webhook = await hooks.create(receiver)
    receiver.respond = lambda received: responding(302, Location="http://127.0.0.1/elsewhere")
    await hooks.happen()
    async with receiving() as other:
        watching = await hooks.create(other, events=["webhook.disabled"])
        for _ in range(EVERYTHING + 1):
            await hooks.come_due()
            await hooks.work()

        assert len(receiver.received) == EVERYTHING
        (delivery,) = await hooks.deliveries(webhook)
        assert (delivery["status"], delivery["attempt_count"], delivery["next_attempt_at"]) == ("dead", EVERYTHING, None)
        now = await hooks.get(webhook)
        assert (now["enabled"], now["disabled_reason"]) == (False, "failing")
        assert "webhook.disabled" in await hooks.audit_actions()
        (told,) = other.received
        assert read(told, watching)["data"]["webhook_id"] == webhook["id"]


async def test_a_webhook_that_took_something_meanwhile_stays_enabled(hooks: Hooks, receiver: Receiver) -> None:
    webhook = await hooks.create(receiver)
    refused = await hooks.test(webhook)
    receiver.respond = lambda received: responding(500 if read(received, webhook)["type"] == "webhook.test" else 200)
    for number in range(EVERYTHING):
        await hooks.come_due()
        await hooks.work()
        if number == 4:
            await hooks.happen()

    assert [each["id"] for each in await hooks.deliveries(webhook, status="dead")] == [refused["id"]]
    assert (await hooks.get(webhook))["enabled"] is True


async def test_a_receiver_that_is_gone_is_not_asked_again(hooks: Hooks, receiver: Receiver) -> None:
    webhook = await hooks.create(receiver)
    receiver.respond = lambda received: responding(410)
    await hooks.happen()
    await hooks.work()
    await hooks.happen()
    await hooks.work()

    assert len(receiver.received) == 1
    assert [each["status"] for each in await hooks.deliveries(webhook)] == ["dead"]
    assert (await hooks.get(webhook))["disabled_reason"] == "gone"


async def test_what_is_pending_when_a_webhook_is_disabled_is_not_sent_and_can_be_replayed(
    hooks: Hooks, receiver: Receiver, owner: Person
) -> None:
    webhook = await hooks.create(receiver)
    receiver.respond = lambda received: responding(500)
    await hooks.happen()
    await hooks.work()
    path = f"{owner.w}/webhooks/{webhook['id']}"
    await owner.client.patch(path, json={"enabled": False})

    (delivery,) = await hooks.deliveries(webhook)
    assert (delivery["status"], delivery["attempts"][-1]["error"]) == ("dead", "The webhook is disabled.")
    assert (delivery["next_attempt_at"], delivery["attempt_count"]) == (None, 2)
    await hooks.come_due()
    await hooks.work()
    assert len(receiver.received) == 1
    replay = f"{owner.w}/webhooks/deliveries/{delivery['id']}/replay"
    assert (await owner.client.post(replay)).json()["type"].endswith("/business-rule-violation")
    await owner.client.patch(path, json={"enabled": True})
    receiver.respond = lambda received: responding(200)
    answer = await owner.client.post(replay)
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    await hooks.work()
    assert [each["status"] for each in await hooks.deliveries(webhook)] == ["delivered"]


async def test_a_replay_sends_the_same_message_and_one_at_a_time(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    webhook = await hooks.create(receiver)
    delivery = await hooks.test(webhook)
    path = f"{owner.w}/webhooks/deliveries/{delivery['id']}/replay"
    assert (await owner.client.post(path)).json()["type"].endswith("/invalid-transition")
    await hooks.work()

    answers = await asyncio.gather(*(owner.client.post(path) for _ in range(20)))
    await hooks.work()

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    first, second = receiver.received
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert [each["attempt_count"] for each in await hooks.deliveries(webhook)] == [2]


async def test_a_disabled_webhook_can_be_tested(hooks: Hooks, receiver: Receiver) -> None:
    webhook = await hooks.create(receiver, enabled=False)
    await hooks.test(webhook)
    await hooks.work()

    assert [read(received, webhook)["type"] for received in receiver.received] == ["webhook.test"]


async def test_while_a_rotation_lasts_both_secrets_verify(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    old = await hooks.create(receiver)
    new = (await owner.client.post(f"{owner.w}/webhooks/{old['id']}/rotate-secret", json={"overlap_hours": 1})).json()
    await hooks.test(old)
    await hooks.work()
    async with hooks.database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(text("UPDATE webhooks SET previous_secret_until = now()"))
    await hooks.test(old)
    await hooks.work()

    during, after = receiver.received
    assert read(during, old) == read(during, new)
    assert read(after, new)
    with pytest.raises(WebhookVerificationError):
        read(after, old)


async def test_a_name_that_leads_inside_later_is_not_called(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    async with receiving("127.0.0.2") as inside:
        webhook = await hooks.create(receiver)
        async with hooks.database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            await session.execute(text("UPDATE webhooks SET url = :url"), {"url": inside.url})
        await hooks.test(webhook)
        await hooks.work()

        assert inside.received == []
        (delivery,) = await hooks.deliveries(webhook)
        assert delivery["status"] == "pending"
        assert delivery["attempts"][0]["error"] == "The URL's address is not a public one."


async def test_deliveries_older_than_a_month_are_forgotten_unless_they_are_pending(
    hooks: Hooks, receiver: Receiver, owner: Person
) -> None:
    webhook = await hooks.create(receiver)
    finished = await hooks.test(webhook)
    await hooks.work()
    receiver.respond = lambda received: responding(500)
    pending = await hooks.test(webhook)
    await hooks.work()
    async with hooks.database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        age = {"age": KEPT_FOR + timedelta(days=1)}
        await session.execute(text("UPDATE webhook_deliveries SET created_at = now() - CAST(:age AS interval)"), age)

    async with hooks.database.transaction() as session:
        await prune_deliveries(session)

    left = {each["id"] for each in await hooks.deliveries(webhook)}
    assert pending["id"] in left
    assert finished["id"] not in left


@pytest.mark.own_database
async def test_a_receiver_that_hangs_holds_up_nobody_elses_messages(
    hooks: Hooks, receiver: Receiver, settings: Settings, database_url: str
) -> None:
    receiver.respond = lambda received: None
    hanging = await hooks.create(receiver)
    for _ in range(40):
        await hooks.test(hanging)
    async with receiving() as healthy:
        webhook = await hooks.create(healthy)
        for _ in range(3):
            await hooks.test(webhook)
        worker = asyncio.create_task(run_worker(settings, database_url))

        await healthy.until(3)
        assert len(receiver.received) <= 2
        os.kill(os.getpid(), signal.SIGTERM)
        await worker


@pytest.mark.own_database
async def test_a_worker_that_is_killed_while_it_delivers_loses_nothing(
    hooks: Hooks, receiver: Receiver, settings: Settings, database_url: str
) -> None:
    receiver.respond = lambda received: None if len(receiver.received) == 1 else responding(200)
    webhook = await hooks.create(receiver)
    await hooks.happen()
    for arrived, is_killed in ((1, True), (2, False)):
        with working(settings, database_url) as worker:
            await receiver.until(arrived)
            if not is_killed:
                worker.terminate()
                await asyncio.to_thread(worker.join)

    assert [each["status"] for each in await hooks.deliveries(webhook)] == ["delivered"]
    assert len(receiver.received) == 2
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 1
    assert all(read(received, webhook)["type"] == "changeset.proposed" for received in receiver.received)
