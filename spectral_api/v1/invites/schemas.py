"""Bodies of the invites' endpoints."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, EmailStr, Field, computed_field

from spectral_api.schemas import Input, Output, Time
from spectral_api.v1.members.schemas import ACCOUNT_ROLE, WORKSPACE_ROLE, GivenRole
from spectral_platform.core.access import AccountRole, WorkspaceRole
from spectral_platform.invites.states import InviteStatus

STATUS = "`pending` until somebody joins (`accepted`), it is taken back (`revoked`), or its time is over (`expired`)."


class InviteGrant(Input):
    """A role in one workspace."""

    model_config = ConfigDict(from_attributes=True)

    workspace_id: UUID = Field(description="The workspace.")
    role: WorkspaceRole = WORKSPACE_ROLE


def _each_once(grants: list[InviteGrant]) -> list[InviteGrant]:
    if len({grant.workspace_id for grant in grants}) != len(grants):
        raise ValueError("a workspace is named more than once")
    return grants


class InviteCreate(Input):
    """Somebody to invite."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "colleague@example.com", "account_role": "member", "workspaces": []}]}
    )

    email: EmailStr = Field(description="The email address that they must register with.", max_length=320)
    account_role: GivenRole = Field(default=AccountRole.MEMBER, description=ACCOUNT_ROLE)
    workspaces: Annotated[list[InviteGrant], AfterValidator(_each_once)] = Field(
        default=[], description="Roles in workspaces that come with it; each workspace once.", max_length=200
    )


class Invite(Output):
    """An invite, without its token."""

    id: UUID = Field(description="The invite.")
    email: str = Field(description="Who is invited.", examples=["colleague@example.com"])
    account_role: AccountRole = Field(description=ACCOUNT_ROLE)
    workspaces: list[InviteGrant] = Field(description="Roles in workspaces that come with it.")
    status: InviteStatus = Field(validation_alias="standing", description=STATUS)
    created_at: Time = Field(description="When it was first sent.")
    expires_at: Time = Field(description="When it lets nobody in any more.")
    accepted_at: Time | None = Field(description="When somebody joined with it.")
    accepted_by: UUID | None = Field(description="Who joined with it.")

    @computed_field(description="The same id under its other name.")
    @property
    def invite_id(self) -> UUID:
        """The invite's id under its other name."""
        return self.id


class IssuedInvite(Invite):
    """An invite with its token, shown this once."""

    token: str = Field(
        default="", description="Register with it. It is shown only now; the server keeps a digest.", examples=["invite_Zq3f…"]
    )
