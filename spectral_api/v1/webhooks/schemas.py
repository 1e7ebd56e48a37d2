"""Bodies of the webhooks' endpoints."""

from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from spectral_api.schemas import Input, Output, Time
from spectral_platform.core.outbound import LONGEST_URL
from spectral_platform.webhooks.events import EventType
from spectral_platform.webhooks.models import Attempt
from spectral_platform.webhooks.states import DeliveryStatus, DisabledReason

EXAMPLE_URL = "https://example.com/hooks/spectral"


class WebhookCreate(Input):
    """A new webhook."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"url": EXAMPLE_URL, "events": ["scan.completed", "changeset.proposed"]}]}
    )

    url: str = Field(
        min_length=1,
        max_length=LONGEST_URL,
        description="Where messages go, at a public address. In production it begins with https://.",
        examples=[EXAMPLE_URL],
    )
    events: list[EventType] = Field(default=[], max_length=50, description="What it is told; empty = everything.")
    description: str | None = Field(default=None, max_length=500, description="What it is for.")
    enabled: bool = Field(default=True, description="Whether anything is delivered to it.")


class WebhookUpdate(Input):
    """What to change of a webhook; what is not named stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}]})

    url: str = Field(default="", min_length=1, max_length=LONGEST_URL, description="Where messages go.", examples=[EXAMPLE_URL])
    events: list[EventType] = Field(default=[], max_length=50, description="What it is told; empty = everything.")
    description: str | None = Field(default=None, max_length=500, description="What it is for; null = nothing is said.")
    enabled: bool = Field(default=True, description="Enabling a webhook also forgives its failures.")


class SecretRotation(Input):
    """How to rotate a webhook's secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: int = Field(
        default=24, ge=0, le=168, description="For so long the secret before signs too; 0 = it stops at once."
    )


class Webhook(Output):
    """A webhook, without its secret."""

    id: UUID = Field(description="The webhook.")
    url: str = Field(description="Where messages go.", examples=[EXAMPLE_URL])
    events: list[EventType] = Field(description="What it is told; empty = everything.")
    description: str | None = Field(description="What it is for; null = nothing is said.")
    enabled: bool = Field(description="Whether anything is delivered to it.")
    disabled_reason: DisabledReason | None = Field(
        description="Why nothing is delivered to it: it was `requested`, the receiver answered that it is `gone` (410), or it "
        "was `failing` through all tries of a message; null = it is enabled."
    )
    disabled_at: Time | None = Field(description="Since when nothing is delivered to it; null = it is enabled.")
    failing_since: Time | None = Field(description="The first failure after the last success; null = the last try succeeded.")
    previous_secret_until: Time | None = Field(description="Until then the secret before signs too; null = there is none.")
    created_at: Time = Field(description="When it was made.")
    updated_at: Time = Field(description="When it was last changed.")


class WebhookWithSecret(Webhook):
    """A webhook with its new secret, shown this once."""

    secret: str = Field(
        description="Verifies the messages, as Standard Webhooks says. It is shown only now; the server keeps it sealed.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )


class Delivery(Output):
    """A message for a webhook and its tries so far."""

    id: UUID = Field(description="The delivery.")
    webhook_id: UUID = Field(description="The webhook that it is for.")
    message_id: str = Field(description="The message's `webhook-id`, the same in every try.", examples=["msg_0198c5a27b1e7c3d"])
    event: EventType = Field(description="What the message tells.")
    status: DeliveryStatus = Field(description="`pending` while tries follow, `delivered` after one that succeeded, else `dead`.")
    attempt_count: int = Field(description="How many tries were made.")
    attempts: list[Attempt] = Field(description="The tries, the latest thirty at most, oldest first.")
    next_attempt_at: Time | None = Field(description="When the next try is due; null = no more follow.")
    created_at: Time = Field(description="When it was made.")
    finished_at: Time | None = Field(description="When it was delivered or given up; null = it is pending.")


class DeliveryWithPayload(Delivery):
    """A delivery with the message itself."""

    payload: JsonValue = Field(description="The body of the message.")
