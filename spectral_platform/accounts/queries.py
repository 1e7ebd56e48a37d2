"""Reading accounts and people."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.models import Account, AccountMember, User
from spectral_platform.core.access import Caller


async def get_account(session: AsyncSession, caller: Caller) -> Account:
    """The caller's account."""
    return (await session.scalars(select(Account).where(Account.id == caller.account_id))).one()


async def find_user(session: AsyncSession, *, email: str) -> User | None:
    """The person with this email address, whatever its case."""
    return await session.scalar(select(User).where(func.lower(User.email) == email.lower()))


async def get_membership(session: AsyncSession, *, user_id: UUID) -> AccountMember:
    """The account that a person belongs to, and as what."""
    return (await session.scalars(select(AccountMember).where(AccountMember.user_id == user_id))).one()


async def exists_account(session: AsyncSession) -> bool:
    """Whether anybody has registered yet."""
    return await session.scalar(select(User.id).limit(1)) is not None
