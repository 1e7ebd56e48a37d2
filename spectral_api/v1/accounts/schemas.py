"""Bodies of the account's endpoints."""

from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field, computed_field

from spectral_api.schemas import Input, Output, Time
from spectral_platform.accounts.models import AccountStatus


class AccountUpdate(Input):
    """Another name for the account."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Dev"}]})

    name: str = Field(description="Name of the account.", min_length=1, max_length=200, examples=["Dev"])


class Account(Output):
    """The account that people share: it owns workspaces."""

    id: UUID = Field(description="The account.")
    name: str = Field(description="Its name.", examples=["Dev"])
    status: AccountStatus = Field(description="A suspended account refuses every credential.")
    created_at: Time = Field(description="When it was made.")
    updated_at: Time = Field(description="When it was last changed.")

    @computed_field(description="The same id under its other name.")
    @property
    def account_id(self) -> UUID:
        """The account's id under its other name."""
        return self.id


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
