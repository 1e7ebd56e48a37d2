"""What the worker does for webhooks: makes deliveries of news, and makes their attempts.

At least once: an attempt is written down after it was made, so a worker that dies in between makes it again, under the same
``webhook-id``. No transaction is open while the receiver is waited for.
"""

import structlog
from sqlalchemy import or_
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import system_caller
from spectral_platform.core.jobs import JobContext, enqueue, job, publish
from spectral_platform.core.lifecycle import move
from spectral_platform.core.settings import Settings
from spectral_platform.webhooks.commands import DISABLED, abandon_deliveries, deliver_news
from spectral_platform.webhooks.events import EventType
from spectral_platform.webhooks.models import Attempt, Webhook, WebhookDelivery, unmade
from spectral_platform.webhooks.news import WebhookDisabled
from spectral_platform.webhooks.retrying import next_try
from spectral_platform.webhooks.sending import Message, send
from spectral_platform.webhooks.states import DeliveryStatus, DisabledReason
from spectral_platform.webhooks.work import DeliverWebhook, NotifyWebhooks
from spectral_platform.workspaces.queries import is_alive

logger = structlog.get_logger(__name__)

MOST_ATTEMPTS_KEPT = 30
GONE = 410


@job(NotifyWebhooks)
async def notify_webhooks(context: JobContext, work: NotifyWebhooks) -> None:
    """Make a delivery for each webhook that wants this news, once."""
    assert work.workspace_id is not None
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        if not await is_alive(session, account_id=work.account_id, workspace_id=work.workspace_id):
            return
        wanted = Webhook.in_workspace(work.workspace_id).where(
            Webhook.disabled_at.is_(None), or_(Webhook.events == [], Webhook.events.contains([work.event]))
        )
        await deliver_news(session, work, (await session.scalars(wanted)).all())


async def bury(context: JobContext, work: DeliverWebhook) -> None:
    """End a delivery that a fault of ours stopped; the traceback is in the log."""
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        delivery = await _due(session, work)
        if delivery is not None:
            await _end(session, delivery, DeliveryStatus.DEAD, unmade("Something went wrong on our side."))


@job(DeliverWebhook, on_failure=bury)
async def deliver_webhook(context: JobContext, work: DeliverWebhook) -> None:
    """Make one attempt and write down what came of it."""
    message = await _prepare(context, work)
    if message is None:
        return
    attempt, retry_after = await send(context.settings.outbound, message)
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        # In the order in which a webhook is deleted or disabled: its own row, then those of its deliveries.
        webhook = await session.get(Webhook, work.webhook_id, with_for_update=True)
        delivery = await _due(session, work)
        if webhook is None or delivery is None:
            return
        if attempt.status_code is not None and 200 <= attempt.status_code < 300:
            webhook.failing_since = None
            await _end(session, delivery, DeliveryStatus.DELIVERED, attempt)
        elif attempt.status_code == GONE:
            await _end(session, delivery, DeliveryStatus.DEAD, attempt)
            await _disable(session, work, webhook, DisabledReason.GONE)
        else:
            await _fail(session, work, webhook, delivery, attempt, retry_after)


async def _prepare(context: JobContext, work: DeliverWebhook) -> Message | None:
    """The message to send; None when there is none to send any more."""
    async with context.database.transaction(account_id=work.account_id, workspace_id=work.workspace_id) as session:
        delivery = await _due(session, work)
        if delivery is None:
            return None
        webhook = await session.get_one(Webhook, work.webhook_id)
        reason = None
        if not await is_alive(session, account_id=work.account_id, workspace_id=webhook.workspace_id):
            reason = "The workspace is deleted."
        elif not webhook.enabled and delivery.event != EventType.WEBHOOK_TEST:
            reason = DISABLED
        if reason is not None:
            await _end(session, delivery, DeliveryStatus.DEAD, unmade(reason))
            return None
        return Message(
            id=delivery.message_id, url=webhook.url, body=delivery.payload, secrets=_secrets(webhook, context.settings)
        )


def _secrets(webhook: Webhook, settings: Settings) -> tuple[str, ...]:
    """The secrets that sign: the webhook's own and, for a while after a rotation, the one before."""
    sealed = [webhook.secret]
    if webhook.previous_secret and webhook.previous_secret_until and webhook.previous_secret_until > clock.now():
        sealed.append(webhook.previous_secret)
    return tuple(map(settings.seal.open, sealed))


async def _due(session: AsyncSession, work: DeliverWebhook) -> WebhookDelivery | None:
    """The delivery, locked, if this attempt is still to be made."""
    delivery = await session.get(WebhookDelivery, work.delivery_id, with_for_update=True)
    if delivery is None or delivery.status is not DeliveryStatus.PENDING or delivery.attempt_count != work.attempt - 1:
        return None
    return delivery


def _count(delivery: WebhookDelivery, attempt: Attempt) -> None:
    delivery.tries += 1
    delivery.attempt_count += 1
    delivery.attempts = (*delivery.attempts, attempt)[-MOST_ATTEMPTS_KEPT:]


async def _end(session: AsyncSession, delivery: WebhookDelivery, status: DeliveryStatus, attempt: Attempt) -> None:
    _count(delivery, attempt)
    delivery.next_attempt_at = None
    await session.flush()
    await move(session, delivery, status)


async def _fail(
    session: AsyncSession,
    work: DeliverWebhook,
    webhook: Webhook,
    delivery: WebhookDelivery,
    attempt: Attempt,
    retry_after: str | None,
) -> None:
    """Order the next attempt. After the last one the delivery is dead, and so is a webhook that took nothing in all that time."""
    again_at = next_try(delivery.tries + 1, clock.now(), retry_after)
    webhook.failing_since = webhook.failing_since or attempt.at
    if again_at is None:
        first_of_all = delivery.attempts[-delivery.tries].at
        await _end(session, delivery, DeliveryStatus.DEAD, attempt)
        if webhook.failing_since <= first_of_all and webhook.enabled:
            await _disable(session, work, webhook, DisabledReason.FAILING)
        return
    _count(delivery, attempt)
    delivery.next_attempt_at = again_at
    await session.flush()
    await enqueue(session, work.model_copy(update={"attempt": work.attempt + 1}), at=again_at)


async def _disable(session: AsyncSession, work: DeliverWebhook, webhook: Webhook, reason: DisabledReason) -> None:
    webhook.disabled_at, webhook.disabled_reason = clock.now(), reason
    await session.flush()
    await abandon_deliveries(session, webhook)
    caller = system_caller(work.account_id, work.workspace_id)
    await record(session, caller, action="webhook.disabled", resource="webhook", resource_id=webhook.id, reason=reason)
    await publish(
        session,
        WebhookDisabled(account_id=work.account_id, workspace_id=webhook.workspace_id, webhook_id=webhook.id, reason=reason),
    )
    logger.warning("webhook_disabled", webhook_id=str(webhook.id), reason=str(reason))
