"""Endpoints of invites."""

from typing import Any
from uuid import UUID

from fastapi import Response

from spectral_api.dependencies import CurrentSettings, Database
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import V1, Router
from spectral_api.v1.callers import AccountAdmin
from spectral_api.v1.invites import schemas
from spectral_api.v1.refusals import account_problems
from spectral_platform.core.errors import InvalidTransitionError
from spectral_platform.invites import commands, queries
from spectral_platform.invites.errors import InInvitedAccount, InvitedWorkspaceUnknown, InviteNotFound, InvitePending
from spectral_platform.invites.models import Invite, WorkspaceGrant

router = Router(prefix=V1 + "/account/invites", tags=["Invites"])


def issued(invite: Invite, token: str) -> schemas.IssuedInvite:
    """An invite with the token that is shown once."""
    return schemas.IssuedInvite.model_validate(invite).model_copy(update={"token": token})


@router.get("", response_model=Results[schemas.Invite], summary="List invites", responses=account_problems())
async def list_invites(caller: AccountAdmin, database: Database, page: PageByTime) -> Any:
    """List the invites into the account, whatever became of them. Tokens are never shown again."""
    return envelope(await queries.list_invites(database, caller, page=page))


@router.post(
    "",
    status_code=201,
    summary="Invite somebody",
    responses=account_problems(InInvitedAccount, InvitePending, InvitedWorkspaceUnknown),
)
async def create_invite(
    body: schemas.InviteCreate, caller: AccountAdmin, database: Database, settings: CurrentSettings, response: Response
) -> schemas.IssuedInvite:
    """Invite somebody into the account: whoever has the token joins by registering with it, once and within seven days.

    Where the server can send mail, the token is mailed to them; hand it over yourself where it cannot.
    """
    invite, token = await commands.create_invite(
        database,
        caller,
        settings,
        email=body.email,
        account_role=body.account_role,
        workspaces=[WorkspaceGrant.model_validate(grant.model_dump()) for grant in body.workspaces],
    )
    response.headers["Location"] = f"/api/v1/account/invites/{invite.id}"
    return issued(invite, token)


@router.get("/{invite_id}", response_model=schemas.Invite, summary="Get an invite", responses=account_problems(InviteNotFound))
async def get_invite(invite_id: UUID, caller: AccountAdmin, database: Database) -> Any:
    """Show what became of an invite."""
    return await queries.get_invite(database, caller, invite_id)


@router.delete(
    "/{invite_id}",
    status_code=204,
    summary="Revoke an invite",
    responses=account_problems(InviteNotFound, InvalidTransitionError),
)
async def revoke_invite(invite_id: UUID, caller: AccountAdmin, database: Database) -> None:
    """Let nobody in with this invite from now on."""
    await commands.revoke_invite(database, caller, invite_id)


@router.post(
    "/{invite_id}/resend", summary="Send an invite again", responses=account_problems(InviteNotFound, InvalidTransitionError)
)
async def resend_invite(
    invite_id: UUID, caller: AccountAdmin, database: Database, settings: CurrentSettings
) -> schemas.IssuedInvite:
    """Give an invite that waits, or waited too long, a new token and seven more days. The old token is void."""
    return issued(*await commands.resend_invite(database, caller, settings, invite_id))
