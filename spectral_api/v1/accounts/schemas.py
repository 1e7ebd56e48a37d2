"""Bodies of the account's endpoints."""

from typing import Any
from uuid import UUID

from pydantic import Field

from spectral_api.schemas import Output, Time


class AuditEntry(Output):
    """One change that somebody made."""

    id: UUID = Field(description="The entry.")
    sequence: int = Field(description="Its place in the account's chain, from 1 without gaps.", examples=[17])
    at: Time = Field(description="When it happened.")
    actor_kind: str = Field(description="`user`, `key` or `system`.", examples=["user"])
    actor_id: UUID | None = Field(description="The person or key; null for the system.")
    workspace_id: UUID | None = Field(description="The workspace it happened in, if any.")
    action: str = Field(description="What was done.", examples=["changeset.applied"])
    resource: str = Field(description="What kind of thing it was done to.", examples=["changeset"])
    resource_id: str = Field(description="Which one.")
    detail: dict[str, Any] = Field(description="Further facts.")
    previous_hash: str = Field(description="Hash of the entry before it.")
    entry_hash: str = Field(description="Hash of this entry and the one before it.")


class AuditVerification(Output):
    """Whether the audit log is whole."""

    valid: bool = Field(description="True when no entry was changed, removed or reordered.")
    entries: int = Field(description="How many entries fit.", examples=[128])
    first_broken: int | None = Field(description="Sequence number of the first entry that does not fit.")
