"""Naming webhooks, rotating their secrets, and delivering again."""

import base64
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import cast, delete, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import bind_upkeep
from spectral_platform.core.jobs import Heard, enqueue
from spectral_platform.core.lifecycle import move, move_all
from spectral_platform.core.settings import Settings
from spectral_platform.webhooks import queries
from spectral_platform.webhooks.errors import TooManyWebhooks, WebhookIsDisabled
from spectral_platform.webhooks.events import EventType, write_message
from spectral_platform.webhooks.models import Webhook, WebhookDelivery, unmade
from spectral_platform.webhooks.states import DeliveryStatus, DisabledReason
from spectral_platform.webhooks.work import DeliverWebhook
from spectral_platform.workspaces.commands import hold_workspace

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32
MOST_WEBHOOKS = 50
KEPT_FOR = timedelta(days=30)
MOST_FORGOTTEN_AT_ONCE = 1_000
DISABLED = "The webhook is disabled."


async def create_webhook(
    session: AsyncSession,
    caller: Caller,
    settings: Settings,
    *,
    url: str,
    events: Sequence[EventType] = (),
    description: str | None = None,
    enabled: bool = True,
) -> tuple[Webhook, str]:
    """A new webhook and its secret, which is never seen again. Raises ``OutboundRefused`` for a URL that may not be called."""
    settings.outbound.check(url)
    await hold_workspace(session, caller)
    if await queries.count_webhooks(session, caller) >= MOST_WEBHOOKS:
        raise TooManyWebhooks(MOST_WEBHOOKS)
    secret = _new_secret()
    webhook = Webhook(
        account_id=caller.account_id,
        workspace_id=caller.workspace,
        url=url,
        description=description,
        events=_names(events),
        secret=settings.seal.close(secret),
    )
    _switch(webhook, enabled=enabled)
    session.add(webhook)
    await session.flush()
    await _record(session, caller, webhook, "created", events=webhook.events, enabled=enabled)
    return webhook, secret


async def update_webhook(
    session: AsyncSession, caller: Caller, settings: Settings, webhook_id: UUID, *, changes: dict[str, Any]
) -> Webhook:
    """Change what ``changes`` names of ``url``, ``events``, ``description`` and ``enabled``. Raises ``OutboundRefused``."""
    webhook = await queries.get_webhook(session, caller, webhook_id)
    if "url" in changes:
        settings.outbound.check(changes["url"])
        webhook.url = changes["url"]
    if "events" in changes:
        webhook.events = _names(changes["events"])
    if "description" in changes:
        webhook.description = changes["description"]
    if "enabled" in changes:
        _switch(webhook, enabled=changes["enabled"])
    await session.flush()
    if not webhook.enabled:
        await abandon_deliveries(session, webhook)
    await _record(session, caller, webhook, "updated", changed=sorted(changes), events=webhook.events, enabled=webhook.enabled)
    return webhook


async def abandon_deliveries(session: AsyncSession, webhook: Webhook) -> None:
    """End at once what waits to be delivered to a webhook that is disabled, tests apart."""
    attempt = cast([unmade(DISABLED).model_dump(mode="json")], JSONB)
    await move_all(
        session,
        WebhookDelivery,
        DeliveryStatus.DEAD,
        WebhookDelivery.webhook_id == webhook.id,
        WebhookDelivery.event != EventType.WEBHOOK_TEST,
        next_attempt_at=None,
        tries=WebhookDelivery.tries + 1,
        attempt_count=WebhookDelivery.attempt_count + 1,
        attempts=cast(WebhookDelivery.attempts, JSONB).op("||")(attempt),
    )


async def delete_webhook(session: AsyncSession, caller: Caller, webhook_id: UUID) -> None:
    """Remove a webhook, and with it everything that was or is to be delivered to it."""
    webhook = await queries.get_webhook(session, caller, webhook_id)
    await session.delete(webhook)
    await session.flush()
    await _record(session, caller, webhook, "deleted")


async def rotate_webhook_secret(
    session: AsyncSession, caller: Caller, settings: Settings, webhook_id: UUID, *, overlap: timedelta
) -> tuple[Webhook, str]:
    """A new secret, never seen again. Until the overlap ends, messages are signed by the secret before as well."""
    webhook = await queries.get_webhook(session, caller, webhook_id)
    secret = _new_secret()
    webhook.previous_secret, webhook.previous_secret_until = webhook.secret, clock.now() + overlap
    if not overlap:
        webhook.previous_secret = webhook.previous_secret_until = None
    webhook.secret = settings.seal.close(secret)
    await session.flush()
    await _record(session, caller, webhook, "secret_rotated", overlap_s=int(overlap.total_seconds()))
    return webhook, secret


async def test_webhook(session: AsyncSession, caller: Caller, webhook_id: UUID) -> WebhookDelivery:
    """Deliver a message that says nothing, also to a webhook that is disabled."""
    webhook = await queries.get_webhook(session, caller, webhook_id)
    moment = clock.now()
    delivery = WebhookDelivery(
        workspace_id=caller.workspace,
        webhook_id=webhook.id,
        news_id=clock.new_id(),
        event=EventType.WEBHOOK_TEST,
        payload=write_message(EventType.WEBHOOK_TEST, moment, caller.workspace, {"webhook_id": str(webhook.id)}),
        next_attempt_at=moment,
    )
    session.add(delivery)
    await session.flush()
    await _order(session, caller, delivery)
    await _record(session, caller, webhook, "tested", delivery_id=str(delivery.id))
    return delivery


async def replay_delivery(session: AsyncSession, caller: Caller, delivery_id: UUID) -> WebhookDelivery:
    """Deliver a message again, under its own id and with a schedule from the start.

    Raises ``InvalidTransitionError`` for one that is still pending and ``WebhookIsDisabled``.
    """
    delivery = await queries.get_delivery(session, caller, delivery_id)
    webhook = await queries.get_webhook(session, caller, delivery.webhook_id)
    if not webhook.enabled and delivery.event != EventType.WEBHOOK_TEST:
        raise WebhookIsDisabled(webhook.id)
    await move(session, delivery, DeliveryStatus.PENDING, tries=0, next_attempt_at=clock.now(), finished_at=None)
    await _order(session, caller, delivery)
    await _record(session, caller, webhook, "replayed", delivery_id=str(delivery.id))
    return delivery


async def deliver_news(session: AsyncSession, news: Heard, webhooks: Sequence[Webhook]) -> None:
    """Make a delivery of news for each of these webhooks of its workspace that has none of it yet."""
    assert news.workspace_id is not None
    body = write_message(news.event, news.happened_at, news.workspace_id, news.facts)
    moment = clock.now()
    for webhook in webhooks:
        values = {
            "id": clock.new_id(),
            "workspace_id": news.workspace_id,
            "webhook_id": webhook.id,
            "news_id": news.news_id,
            "event": news.event,
            "payload": body,
            "next_attempt_at": moment,
        }
        statement = insert(WebhookDelivery).values(values).on_conflict_do_nothing().returning(WebhookDelivery.id)
        delivery_id = await session.scalar(statement)
        if delivery_id is not None:
            order = DeliverWebhook(
                account_id=news.account_id,
                workspace_id=news.workspace_id,
                webhook_id=webhook.id,
                delivery_id=delivery_id,
                attempt=1,
            )
            await enqueue(session, order)


async def prune_deliveries(session: AsyncSession) -> bool:
    """Forget some of the ended deliveries, of whatever workspace, that are older than ``KEPT_FOR``: whether more are left."""
    await bind_upkeep(session)
    old = (
        select(WebhookDelivery.id)
        .where(WebhookDelivery.status != DeliveryStatus.PENDING, WebhookDelivery.created_at < clock.now() - KEPT_FOR)
        .limit(MOST_FORGOTTEN_AT_ONCE)
    )
    forgotten = await session.scalars(
        delete(WebhookDelivery)
        .where(WebhookDelivery.id.in_(old))
        .returning(WebhookDelivery.id)
        .execution_options(synchronize_session=False)
    )
    return len(forgotten.all()) == MOST_FORGOTTEN_AT_ONCE


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _names(events: Sequence[EventType]) -> list[str]:
    return list(dict.fromkeys(event.value for event in events))


def _switch(webhook: Webhook, *, enabled: bool) -> None:
    """Enable or disable; a webhook that was disabled for another reason keeps it."""
    if enabled:
        webhook.disabled_at = webhook.disabled_reason = webhook.failing_since = None
    elif webhook.disabled_at is None:
        webhook.disabled_at, webhook.disabled_reason = clock.now(), DisabledReason.REQUESTED


async def _order(session: AsyncSession, caller: Caller, delivery: WebhookDelivery) -> None:
    order = DeliverWebhook(
        account_id=caller.account_id,
        workspace_id=caller.workspace,
        webhook_id=delivery.webhook_id,
        delivery_id=delivery.id,
        attempt=delivery.attempt_count + 1,
    )
    await enqueue(session, order)


async def _record(session: AsyncSession, caller: Caller, webhook: Webhook, verb: str, **detail: Any) -> None:
    """Say so in the audit log, without the URL: many receivers know their senders by a secret in it."""
    await record(session, caller, action=f"webhook.{verb}", resource="webhook", resource_id=webhook.id, **detail)
