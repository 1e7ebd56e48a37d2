"""Reading invites."""

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import crypto
from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.invites.errors import InviteNotFound, InviteRefused
from spectral_platform.invites.models import Invite
from spectral_platform.invites.states import InviteStatus

COLUMNS = {"created_at": Invite.created_at}


async def list_invites(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[Invite]:
    """The invites into the caller's account, whatever became of them."""
    statement = select(Invite).where(Invite.account_id == caller.account_id)
    return await paginate(session, statement, page, columns=COLUMNS, tiebreak=Invite.id)


async def get_invite(session: AsyncSession, caller: Caller, invite_id: UUID) -> Invite:
    """One invite into the caller's account."""
    invite = await session.scalar(select(Invite).where(Invite.account_id == caller.account_id, Invite.id == invite_id))
    if invite is None:
        raise InviteNotFound(invite_id)
    return invite


async def get_open_invite(session: AsyncSession, *, token: str, email: str) -> Invite:
    """The invite that this token opens for this email address, held until the transaction ends; else ``InviteRefused``.

    Who holds the token may see the invite's row before any tenant is bound, and learns what became of it.
    """
    digest = crypto.digest_secret(token)
    await session.execute(text("SELECT set_config('spectral.invite_digest', :digest, true)"), {"digest": digest})
    # Whoever waited here for another who joins, or for a new token, sees the row as it became.
    invite = await session.scalar(select(Invite).where(Invite.token_digest == digest).with_for_update())
    if invite is None:
        raise InviteRefused("The invite token is not valid; ask for the newest one.")
    if invite.standing is not InviteStatus.PENDING:
        raise InviteRefused(f"This invite is {invite.standing}; ask for another.")
    if invite.email.lower() != email.lower():
        raise InviteRefused("This invite is for another email address.")
    return invite
