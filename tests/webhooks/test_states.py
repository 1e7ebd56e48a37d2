"""The life of a delivery: every pair of states either moves or is refused."""

from itertools import product
from uuid import UUID

import pytest
from sqlalchemy import update

from spectral_platform.core import clock
from spectral_platform.core.errors import InvalidTransitionError
from spectral_platform.core.lifecycle import move
from spectral_platform.webhooks.models import WebhookDelivery
from spectral_platform.webhooks.states import DELIVERY, DeliveryStatus
from tests.fixtures.receiver import Receiver
from tests.webhooks.conftest import Hooks

ALLOWED = {
    (DeliveryStatus.PENDING, DeliveryStatus.DELIVERED),
    (DeliveryStatus.PENDING, DeliveryStatus.DEAD),
    (DeliveryStatus.DELIVERED, DeliveryStatus.PENDING),
    (DeliveryStatus.DEAD, DeliveryStatus.PENDING),
}


@pytest.mark.parametrize(("current", "to"), list(product(DeliveryStatus, DeliveryStatus)))
async def test_each_move_is_made_or_refused(
    current: DeliveryStatus, to: DeliveryStatus, hooks: Hooks, receiver: Receiver
) -> None:
    webhook = await hooks.create(receiver)
    owner = hooks.owner
    async with hooks.database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        delivery = WebhookDelivery(
            workspace_id=owner.workspace_id, webhook_id=UUID(webhook["id"]), news_id=clock.new_id(), event="x", payload="{}"
        )
        session.add(delivery)
        await session.flush()
        await session.execute(update(WebhookDelivery).where(WebhookDelivery.id == delivery.id).values({"status": current}))
        if (current, to) in ALLOWED:
            assert DELIVERY.allows(current, to)
            await move(session, delivery, to)
            assert delivery.status is to
            assert (delivery.finished_at is None) == (to is DeliveryStatus.PENDING)
        else:
            with pytest.raises(InvalidTransitionError):
                await move(session, delivery, to)
            assert delivery.status is current
