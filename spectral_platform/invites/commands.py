"""Inviting people into an account, and joining it with an invite."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.queries import find_member, get_account
from spectral_platform.audit.commands import record
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import AccountRole, Caller
from spectral_platform.core.database import conflict_as
from spectral_platform.core.lifecycle import move
from spectral_platform.core.settings import Settings
from spectral_platform.invites import letters, queries
from spectral_platform.invites.errors import InInvitedAccount, InvitedWorkspaceUnknown, InvitePending
from spectral_platform.invites.models import Invite, WorkspaceGrant
from spectral_platform.invites.states import InviteStatus
from spectral_platform.mail.commands import send_mail
from spectral_platform.workspaces.commands import give_roles
from spectral_platform.workspaces.queries import find_existing

TOKEN_PREFIX = "invite_"
LIFETIME = timedelta(days=7)


async def create_invite(
    session: AsyncSession,
    caller: Caller,
    settings: Settings,
    *,
    email: str,
    account_role: AccountRole,
    workspaces: Sequence[WorkspaceGrant],
) -> tuple[Invite, str]:
    """Invite somebody into the caller's account: the invite and its token, which is never seen again.

    Raises ``InInvitedAccount``, ``InvitePending`` or ``InvitedWorkspaceUnknown``. Whether somebody of another account has this
    email address is not told.
    """
    if await find_member(session, caller, email=email) is not None:
        raise InInvitedAccount
    wanted = [grant.workspace_id for grant in workspaces]
    missing = set(wanted) - await find_existing(session, caller, wanted)
    if missing:
        raise InvitedWorkspaceUnknown(min(missing))
    token = crypto.new_secret(TOKEN_PREFIX)
    invite = Invite(
        id=clock.new_id(),
        account_id=caller.account_id,
        email=email,
        account_role=account_role,
        workspaces=list(workspaces),
        token_digest=crypto.digest_secret(token),
        expires_at=clock.now() + LIFETIME,
    )
    session.add(invite)
    with conflict_as("uq_invites_one_pending", InvitePending()):
        await session.flush()
    granted = [grant.model_dump(mode="json") for grant in workspaces]
    await record(
        session,
        caller,
        action="invite.created",
        resource="invite",
        resource_id=invite.id,
        account_role=account_role,
        workspaces=granted,
    )
    await _post(session, caller, settings, invite, token)
    return invite, token


async def resend_invite(session: AsyncSession, caller: Caller, settings: Settings, invite_id: UUID) -> tuple[Invite, str]:
    """A new token and seven more days for an invite that nobody took or took back; the old token is void.

    Raises ``InvalidTransitionError`` for one that was accepted or revoked.
    """
    invite = await queries.get_invite(session, caller, invite_id)
    token = crypto.new_secret(TOKEN_PREFIX)
    fresh = {"token_digest": crypto.digest_secret(token), "expires_at": clock.now() + LIFETIME}
    await move(session, invite, InviteStatus.PENDING, **fresh)
    await record(session, caller, action="invite.resent", resource="invite", resource_id=invite.id)
    await _post(session, caller, settings, invite, token)
    return invite, token


async def revoke_invite(session: AsyncSession, caller: Caller, invite_id: UUID) -> None:
    """Let nobody in with this invite from now on. Raises ``InvalidTransitionError`` for one that was accepted or revoked."""
    invite = await queries.get_invite(session, caller, invite_id)
    await move(session, invite, InviteStatus.REVOKED)
    await record(session, caller, action="invite.revoked", resource="invite", resource_id=invite.id)


async def accept_invite(session: AsyncSession, caller: Caller, invite: Invite, *, user_id: UUID) -> UUID | None:
    """Spend a held invite for a person who has just joined its account: the first workspace in their reach, if there is one.

    Workspaces that were deleted since are left out.
    """
    await move(session, invite, InviteStatus.ACCEPTED, accepted_by=user_id)
    granted = {grant.workspace_id: grant.role for grant in invite.workspaces}
    reached = await give_roles(session, caller, user_id=user_id, roles=granted)
    await record(session, caller, action="invite.accepted", resource="invite", resource_id=invite.id, user_id=str(user_id))
    return next((grant.workspace_id for grant in invite.workspaces if grant.workspace_id in reached), None)


async def _post(session: AsyncSession, caller: Caller, settings: Settings, invite: Invite, token: str) -> None:
    """Mail the token where mail is configured; it works without, because whoever invites is given the token too."""
    if settings.smtp_host is None:
        return
    account = await get_account(session, caller)
    await send_mail(
        session,
        settings,
        account_id=caller.account_id,
        to=invite.email,
        subject=letters.SUBJECT,
        text=letters.write_invitation(invite, token, account_name=account.name, public_url=settings.public_url),
        useful_until=invite.expires_at,
    )
