"""Reading webhooks and deliveries."""

from collections.abc import Collection, Sequence
from uuid import UUID

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Filter, Page, PageRequest, paginate
from spectral_platform.webhooks.errors import DeliveryNotFound, WebhookNotFound
from spectral_platform.webhooks.events import EventType
from spectral_platform.webhooks.models import Webhook, WebhookDelivery
from spectral_platform.webhooks.states import DeliveryStatus

COLUMNS = {"created_at": Webhook.created_at}
DELIVERY_COLUMNS = {"created_at": WebhookDelivery.created_at}


class DeliveryFilter(Filter):
    """Which deliveries to list."""

    status: DeliveryStatus | None = Field(default=None, description="Only those that stand there.")
    event: EventType | None = Field(default=None, description="Only those that tell this.")


async def list_webhooks(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[Webhook]:
    """The webhooks of the workspace."""
    return await paginate(session, Webhook.in_workspace(caller.workspace), page, columns=COLUMNS, tiebreak=Webhook.id)


async def count_webhooks(session: AsyncSession, caller: Caller) -> int:
    """How many webhooks the workspace has."""
    counted = select(func.count()).select_from(Webhook.in_workspace(caller.workspace).subquery())
    return await session.scalar(counted) or 0


async def get_webhook(session: AsyncSession, caller: Caller, webhook_id: UUID) -> Webhook:
    """One webhook of the workspace."""
    webhook = await session.scalar(Webhook.in_workspace(caller.workspace).where(Webhook.id == webhook_id))
    if webhook is None:
        raise WebhookNotFound(webhook_id)
    return webhook


async def find_webhooks(session: AsyncSession, workspace_id: UUID, webhook_ids: Collection[UUID]) -> Sequence[Webhook]:
    """Those of the ids that are webhooks of the workspace."""
    return (await session.scalars(Webhook.in_workspace(workspace_id).where(Webhook.id.in_(webhook_ids)))).all()


async def list_deliveries(
    session: AsyncSession, caller: Caller, webhook_id: UUID, *, filter: DeliveryFilter, page: PageRequest
) -> Page[WebhookDelivery]:
    """What was delivered to a webhook, or is to be."""
    await get_webhook(session, caller, webhook_id)
    equal = filter.equals(status=WebhookDelivery.status, event=WebhookDelivery.event)
    statement = WebhookDelivery.in_workspace(caller.workspace).where(WebhookDelivery.webhook_id == webhook_id, *equal)
    return await paginate(session, statement, page, columns=DELIVERY_COLUMNS, tiebreak=WebhookDelivery.id)


async def get_delivery(session: AsyncSession, caller: Caller, delivery_id: UUID) -> WebhookDelivery:
    """One delivery of the workspace."""
    statement = WebhookDelivery.in_workspace(caller.workspace).where(WebhookDelivery.id == delivery_id)
    delivery = await session.scalar(statement)
    if delivery is None:
        raise DeliveryNotFound(delivery_id)
    return delivery
