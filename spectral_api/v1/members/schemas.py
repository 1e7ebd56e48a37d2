"""Bodies of the members' endpoints."""

from typing import Literal, Self
from uuid import UUID

from pydantic import AliasPath, ConfigDict, EmailStr, Field, computed_field, model_validator

from spectral_api.schemas import Input, Output, Time
from spectral_platform.accounts.models import UserStatus
from spectral_platform.core.access import AccountRole, WorkspaceRole

GivenRole = Literal[AccountRole.OWNER, AccountRole.MEMBER]
"""The roles that an account can give; operations staff are made at the server's console."""
ACCOUNT_ROLE = "Role in the account: an `owner` reaches everything in it, a `member` the workspaces that they are given."
WORKSPACE_ROLE = Field(description="Role in the workspace.", examples=[WorkspaceRole.CONTRIBUTOR])


class MemberUpdate(Input):
    """Changes to a member of the account; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "member"}]})

    role: GivenRole = Field(default=AccountRole.MEMBER, description=ACCOUNT_ROLE)
    status: UserStatus = Field(
        default=UserStatus.ACTIVE,
        description="`revoked` ends the person's sessions and refuses them from now on; `active` lets them log in again.",
    )


class WorkspaceMemberCreate(Input):
    """Somebody of the account who is to have a role in the workspace, named by id or by email address."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"email": "colleague@example.com", "role": "contributor"}]})

    user_id: UUID | None = Field(default=None, description="The person's id; or say `email`.")
    email: EmailStr | None = Field(default=None, description="The person's email address; or say `user_id`.", max_length=320)
    role: WorkspaceRole = WORKSPACE_ROLE

    @model_validator(mode="after")
    def require_one_name(self) -> Self:
        """One of the two names, not both."""
        if (self.user_id is None) == (self.email is None):
            raise ValueError("name the person by either user_id or email")
        return self


class WorkspaceMemberUpdate(Input):
    """Another role for a member of the workspace."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "observer"}]})

    role: WorkspaceRole = WORKSPACE_ROLE


class Person(Output):
    """A person, as the others see them."""

    user_id: UUID = Field(description="The person.")
    email: str = Field(validation_alias=AliasPath("user", "email"), description="Email address.", examples=["dev@test.com"])
    display_name: str | None = Field(validation_alias=AliasPath("user", "display_name"), description="Name to show.")
    status: UserStatus = Field(
        validation_alias=AliasPath("user", "status"), description="A `revoked` person is refused on every request."
    )
    created_at: Time = Field(description="Since when they have this place.")

    @computed_field(description="The same id under its other name.")
    @property
    def id(self) -> UUID:
        """The person's id under its other name."""
        return self.user_id


class Member(Person):
    """A person's place in the account."""

    role: AccountRole = Field(description=ACCOUNT_ROLE)


class WorkspaceMember(Person):
    """A person's place in a workspace."""

    role: WorkspaceRole = WORKSPACE_ROLE
