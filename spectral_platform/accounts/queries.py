"""Reading accounts and people."""

from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from spectral_platform.accounts.errors import MemberNotFound
from spectral_platform.accounts.models import Account, AccountMember, User, UserStatus
from spectral_platform.core.access import AccountRole, Caller
from spectral_platform.core.paging import Page, PageRequest, paginate

COLUMNS = {"created_at": AccountMember.created_at}


async def get_account(session: AsyncSession, caller: Caller) -> Account:
    """The caller's account."""
    return (await session.scalars(select(Account).where(Account.id == caller.account_id))).one()


async def find_user(session: AsyncSession, *, email: str) -> User | None:
    """The person with this email address, whatever its case."""
    return await session.scalar(select(User).where(_has_address(email)))


async def get_membership(session: AsyncSession, *, user_id: UUID) -> AccountMember:
    """The account that a person belongs to, and as what."""
    return (await session.scalars(select(AccountMember).where(AccountMember.user_id == user_id))).one()


async def exists_account(session: AsyncSession) -> bool:
    """Whether anybody has registered yet."""
    return await session.scalar(select(User.id).limit(1)) is not None


async def list_members(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[AccountMember]:
    """The people of the caller's account."""
    return await paginate(session, _members(caller), page, columns=COLUMNS, tiebreak=AccountMember.user_id)


async def get_member(session: AsyncSession, caller: Caller, user_id: UUID) -> AccountMember:
    """One person of the caller's account."""
    member = await session.scalar(_members(caller).where(User.id == user_id).execution_options(populate_existing=True))
    if member is None:
        raise MemberNotFound(user_id)
    return member


async def find_member(
    session: AsyncSession, caller: Caller, *, user_id: UUID | None = None, email: str | None = None
) -> AccountMember | None:
    """The person of the caller's account with this id or email address."""
    person = User.id == user_id if user_id is not None else _has_address(email or "")
    return await session.scalar(_members(caller).where(person))


async def exists_other_owner(session: AsyncSession, member: AccountMember) -> bool:
    """Whether somebody besides this member owns the account and may come in; operations staff may stand in for their like."""
    others = select(User.id).join(AccountMember, AccountMember.user_id == User.id)
    others = others.where(AccountMember.account_id == member.account_id, AccountMember.role.in_({AccountRole.OWNER, member.role}))
    others = others.where(User.status == UserStatus.ACTIVE, User.id != member.user_id)
    return await session.scalar(others.limit(1)) is not None


def _has_address(email: str) -> ColumnElement[bool]:
    """Whether a person has the address, as the unique index compares them: Postgres and Python disagree about some letters."""
    return func.lower(User.email) == func.lower(email)


def _members(caller: Caller) -> Select[AccountMember]:
    members = select(AccountMember).join(AccountMember.user).options(contains_eager(AccountMember.user))
    return members.where(AccountMember.account_id == caller.account_id)
