"""Endpoints of webhooks."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Query, Response

from spectral_api.dependencies import CurrentSettings, Database
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Admin, Reader
from spectral_api.v1.refusals import workspace_problems
from spectral_api.v1.webhooks import schemas
from spectral_platform.core.errors import InvalidTransitionError
from spectral_platform.core.outbound import OutboundRefused
from spectral_platform.webhooks import commands, queries
from spectral_platform.webhooks.errors import DeliveryNotFound, TooManyWebhooks, WebhookIsDisabled, WebhookNotFound

router = Router(prefix=IN_WORKSPACE + "/webhooks", tags=["Webhooks"])


@router.get("", response_model=Results[schemas.Webhook], summary="List webhooks", responses=workspace_problems())
async def list_webhooks(caller: Reader, database: Database, page: PageByTime) -> Any:
    """List the webhooks of the workspace, disabled ones too. Secrets are never shown again."""
    return envelope(await queries.list_webhooks(database, caller, page=page))


@router.post("", status_code=201, summary="Create a webhook", responses=workspace_problems(OutboundRefused, TooManyWebhooks))
async def create_webhook(
    body: schemas.WebhookCreate, caller: Admin, database: Database, settings: CurrentSettings, response: Response
) -> schemas.WebhookWithSecret:
    """Name a URL that is told what happens in the workspace.

    Messages are signed as [Standard Webhooks](https://www.standardwebhooks.com) says, so its libraries verify them with the
    secret of this answer. A message is tried ten times over three days until an answer is 2xx; it may arrive twice, under the
    same `webhook-id`, and messages may overtake each other. An answer of 410 disables the webhook, and so does failing through
    all tries of a message.
    """
    webhook, secret = await commands.create_webhook(
        database,
        caller,
        settings,
        url=body.url,
        events=body.events,
        description=body.description,
        enabled=body.enabled,
    )
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/webhooks/{webhook.id}"
    return _with_secret(webhook, secret)


@router.get(
    "/deliveries/{delivery_id}",
    response_model=schemas.DeliveryWithPayload,
    summary="Get a delivery",
    responses=workspace_problems(DeliveryNotFound),
)
async def get_delivery(delivery_id: UUID, caller: Reader, database: Database) -> Any:
    """Get a delivery with its message and its tries. Deliveries are kept for thirty days."""
    delivery = await queries.get_delivery(database, caller, delivery_id)
    shown = schemas.Delivery.model_validate(delivery)
    return schemas.DeliveryWithPayload(**shown.model_dump(), payload=orjson.loads(delivery.payload))


@router.post(
    "/deliveries/{delivery_id}/replay",
    response_model=schemas.Delivery,
    summary="Deliver a message again",
    responses=workspace_problems(DeliveryNotFound, WebhookIsDisabled, InvalidTransitionError),
)
async def replay_delivery(delivery_id: UUID, caller: Admin, database: Database) -> Any:
    """Deliver a message that was delivered or given up once more, under its own `webhook-id`, with all tries from the start."""
    return await commands.replay_delivery(database, caller, delivery_id)


@router.get(
    "/{webhook_id}", response_model=schemas.Webhook, summary="Get a webhook", responses=workspace_problems(WebhookNotFound)
)
async def get_webhook(webhook_id: UUID, caller: Reader, database: Database) -> Any:
    """Get a webhook, without its secret."""
    return await queries.get_webhook(database, caller, webhook_id)


@router.patch(
    "/{webhook_id}",
    response_model=schemas.Webhook,
    summary="Change a webhook",
    responses=workspace_problems(WebhookNotFound, OutboundRefused),
)
async def update_webhook(
    webhook_id: UUID, body: schemas.WebhookUpdate, caller: Admin, database: Database, settings: CurrentSettings
) -> Any:
    """Change where messages go, what is told, or whether anything is."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    return await commands.update_webhook(database, caller, settings, webhook_id, changes=changes)


@router.delete("/{webhook_id}", status_code=204, summary="Delete a webhook", responses=workspace_problems(WebhookNotFound))
async def delete_webhook(webhook_id: UUID, caller: Admin, database: Database) -> None:
    """Delete a webhook and the log of what was delivered to it."""
    await commands.delete_webhook(database, caller, webhook_id)


@router.post("/{webhook_id}/rotate-secret", summary="Rotate a webhook's secret", responses=workspace_problems(WebhookNotFound))
async def rotate_webhook_secret(
    webhook_id: UUID, body: schemas.SecretRotation, caller: Admin, database: Database, settings: CurrentSettings
) -> schemas.WebhookWithSecret:
    """Give a webhook a new secret. For a while messages carry a signature by each, so that no receiver misses any."""
    overlap = timedelta(hours=body.overlap_hours)
    webhook, secret = await commands.rotate_webhook_secret(database, caller, settings, webhook_id, overlap=overlap)
    return _with_secret(webhook, secret)


@router.post(
    "/{webhook_id}/test",
    status_code=202,
    response_model=schemas.Delivery,
    summary="Send a test message",
    responses=workspace_problems(WebhookNotFound),
)
async def test_webhook(webhook_id: UUID, caller: Admin, database: Database, response: Response) -> Any:
    """Send a `webhook.test` message, also to a webhook that is disabled. Poll the answered delivery for what became of it."""
    delivery = await commands.test_webhook(database, caller, webhook_id)
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/webhooks/deliveries/{delivery.id}"
    return delivery


@router.get(
    "/{webhook_id}/deliveries",
    response_model=Results[schemas.Delivery],
    summary="List deliveries",
    responses=workspace_problems(WebhookNotFound),
)
async def list_deliveries(
    webhook_id: UUID,
    caller: Reader,
    database: Database,
    page: PageByTime,
    filter: Annotated[queries.DeliveryFilter, Query()],
) -> Any:
    """List what was delivered to a webhook, or is to be, with every try. Deliveries are kept for thirty days."""
    return envelope(await queries.list_deliveries(database, caller, webhook_id, filter=filter, page=page))


def _with_secret(webhook: Any, secret: str) -> schemas.WebhookWithSecret:
    return schemas.WebhookWithSecret(**schemas.Webhook.model_validate(webhook).model_dump(), secret=secret)
