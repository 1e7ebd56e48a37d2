"""What webhooks tell: the types of events and the form of a message (Standard Webhooks 1.0.0, payload)."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import orjson
from pydantic import JsonValue


class EventType(StrEnum):
    """Everything that a webhook can be told."""

    SCAN_COMPLETED = "scan.completed"
    SCAN_FAILED = "scan.failed"
    SCAN_CANCELLED = "scan.cancelled"
    SCHEDULE_DISABLED = "schedule.disabled"
    SCHEDULE_SLA_MISSED = "schedule.sla_missed"
    CHANGESET_PROPOSED = "changeset.proposed"
    CHANGESET_VALIDATED = "changeset.validated"
    CHANGESET_ACCEPTED = "changeset.accepted"
    CHANGESET_APPLIED = "changeset.applied"
    CHANGESET_REJECTED = "changeset.rejected"
    CHANGESET_ROLLED_BACK = "changeset.rolled_back"
    CHANGESET_SUPERSEDED = "changeset.superseded"
    CHANGESET_WATCH_ENDED = "changeset.watch_ended"
    CLUSTER_OPENED = "cluster.opened"
    CLUSTER_REOPENED = "cluster.reopened"
    CLUSTER_RESOLVED = "cluster.resolved"
    JUDGE_DRIFTED = "judge.drifted"
    WEBHOOK_DISABLED = "webhook.disabled"
    WEBHOOK_TEST = "webhook.test"


def message_id(news_id: UUID) -> str:
    """How receivers recognise a message that reaches them twice; the same for every webhook and every try."""
    return f"msg_{news_id.hex}"


def write_message(event: str, happened_at: datetime, workspace_id: UUID, facts: dict[str, JsonValue]) -> str:
    """The body of a message. What is signed is this text, so it is written once and kept."""
    timestamp = happened_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    body = {"type": event, "timestamp": timestamp, "data": {"workspace_id": str(workspace_id), **facts}}
    return orjson.dumps(body).decode()
