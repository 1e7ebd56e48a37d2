"""What becomes of deliveries whose webhook or workspace goes away."""

import asyncio
from uuid import UUID

from sqlalchemy import text

from spectral_platform.webhooks.commands import delete_webhook
from tests.fixtures.callers import Person
from tests.fixtures.database import somebody_waits
from tests.fixtures.receiver import Receiver, responding
from tests.webhooks.conftest import Hooks


async def test_what_waits_for_a_receiver_that_is_gone_ends_with_it(hooks: Hooks, receiver: Receiver) -> None:
    webhook = await hooks.create(receiver)
    receiver.respond = lambda received: responding(500)
    await hooks.happen()
    await hooks.work()
    receiver.respond = lambda received: responding(410)
    await hooks.happen()
    await hooks.work()

    assert [each["status"] for each in await hooks.deliveries(webhook)] == ["dead", "dead"]


async def test_a_deleted_workspace_sends_nothing_and_what_it_had_to_say_can_be_replayed(
    hooks: Hooks, receiver: Receiver, owner: Person
) -> None:
    webhook = await hooks.create(receiver)
    await hooks.test(webhook)
    await hooks.happen()
    await owner.client.delete(owner.w)
    await hooks.work()

    assert receiver.received == []
    await owner.client.post(f"{owner.w}/restore")
    (delivery,) = await hooks.deliveries(webhook)
    assert (delivery["status"], delivery["attempts"][-1]["error"]) == ("dead", "The workspace is deleted.")
    await owner.client.post(f"{owner.w}/webhooks/deliveries/{delivery['id']}/replay")
    await hooks.work()
    assert [received.headers["webhook-id"] for received in receiver.received] == [delivery["message_id"]]


async def test_a_webhook_can_be_deleted_while_it_is_being_told(hooks: Hooks, receiver: Receiver, owner: Person) -> None:
    webhook = await hooks.create(receiver)
    await hooks.test(webhook)
    async with hooks.database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(text("SELECT FROM webhooks WHERE id = :id FOR UPDATE"), {"id": webhook["id"]})
        working = asyncio.ensure_future(hooks.work())
        await receiver.until(1)
        await somebody_waits(hooks.database)
        await delete_webhook(session, owner.caller(), UUID(webhook["id"]))
    await working

    assert (await owner.client.get(f"{owner.w}/webhooks")).json()["results"] == []
