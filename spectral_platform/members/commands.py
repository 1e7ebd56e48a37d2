"""Changing and removing the people of an account; what they lose, they lose at once."""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.commands import hold_member, require_another_owner
from spectral_platform.accounts.errors import OperationsReserved
from spectral_platform.accounts.models import AccountMember, User, UserStatus
from spectral_platform.audit.commands import record
from spectral_platform.auth.commands import end_sessions
from spectral_platform.core.access import AccountRole, Caller, Scope
from spectral_platform.core.lifecycle import move


async def update_member(
    session: AsyncSession, caller: Caller, user_id: UUID, *, role: AccountRole | None = None, status: UserStatus | None = None
) -> AccountMember:
    """Give a member another role, or shut them out or let them in again; None leaves it as it is.

    Raises ``MemberNotFound``, ``OperationsReserved`` or ``LastOwner``.
    """
    member = await _hold_changeable(session, caller, user_id)
    changes: dict[str, str] = {}
    if (role or AccountRole.OWNER) is not AccountRole.OWNER or status is UserStatus.REVOKED:
        await require_another_owner(session, member)
    if role is not None and role is not member.role:
        member.role = role
        await session.flush()
        changes["role"] = role
    if status is not None and status is not member.user.status:
        await move(session, member.user, status)
        if status is UserStatus.REVOKED:
            await end_sessions(session, user_id)
        changes["status"] = status
    await record(session, caller, action="member.updated", resource="user", resource_id=user_id, **changes)
    return member


async def remove_member(session: AsyncSession, caller: Caller, user_id: UUID) -> None:
    """Erase a person of the account, with their sessions and their places in its workspaces. What they made stays.

    A person has one account, so nothing of them is left; they may register again. Raises ``MemberNotFound``,
    ``OperationsReserved`` or ``LastOwner``.
    """
    member = await _hold_changeable(session, caller, user_id)
    await require_another_owner(session, member)
    await session.execute(delete(User).where(User.id == user_id))
    await record(session, caller, action="member.removed", resource="user", resource_id=user_id, role=member.role)


async def _hold_changeable(session: AsyncSession, caller: Caller, user_id: UUID) -> AccountMember:
    member = await hold_member(session, caller, user_id)
    if member.role is AccountRole.OPERATIONS and Scope.ADMIN_OPERATIONS not in caller.scopes:
        raise OperationsReserved
    return member
