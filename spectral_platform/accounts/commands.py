"""Making and changing accounts, and who is in them."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts import queries
from spectral_platform.accounts.errors import EmailTaken, LastOwner, UserUnknown
from spectral_platform.accounts.models import Account, AccountMember, User
from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import AccountRole, Caller, CallerKind
from spectral_platform.core.database import bind_tenant, conflict_as


async def create_account(session: AsyncSession, *, name: str, email: str, password_hash: str | None) -> Caller:
    """A new account with its first person, who owns it; the transaction is bound to it from here on."""
    account = Account(id=clock.new_id(), name=name)
    await bind_tenant(session, account_id=account.id)
    session.add(account)
    await session.flush()
    caller = await add_member(session, account.id, email=email, password_hash=password_hash, role=AccountRole.OWNER)
    await record(session, caller, action="account.created", resource="account", resource_id=account.id)
    return caller


async def add_member(
    session: AsyncSession, account_id: UUID, *, email: str, password_hash: str | None, role: AccountRole
) -> Caller:
    """A new person in the bound account, as a part of something larger, whose entry in the audit log tells of it."""
    user = User(id=clock.new_id(), email=email, password_hash=password_hash)
    session.add(user)
    with conflict_as("uq_users_email", EmailTaken()):
        await session.flush()
    session.add(AccountMember(account_id=account_id, user_id=user.id, role=role))
    await session.flush()
    return Caller(kind=CallerKind.USER, id=user.id, account_id=account_id)


async def grant_operations(session: AsyncSession, *, email: str) -> None:
    """Make a registered person operations staff. Run by an operator at the console, on a connection that sees every account."""
    user = await queries.find_user(session, email=email)
    if user is None:
        raise UserUnknown(email)
    membership = await queries.get_membership(session, user_id=user.id)
    membership.role = AccountRole.OPERATIONS
    caller = Caller(kind=CallerKind.SYSTEM, id=None, account_id=membership.account_id)
    await record(session, caller, action="member.granted_operations", resource="user", resource_id=user.id)


async def update_account(session: AsyncSession, caller: Caller, *, name: str) -> Account:
    """Give the caller's account another name."""
    account = await queries.get_account(session, caller)
    account.name = name
    await session.flush()
    await record(session, caller, action="account.updated", resource="account", resource_id=account.id, name=name)
    return account


async def hold_member(session: AsyncSession, caller: Caller, user_id: UUID) -> AccountMember:
    """One person of the caller's account, as they are once nobody else can change who is in it until this transaction ends."""
    await session.execute(select(Account.id).where(Account.id == caller.account_id).with_for_update(key_share=True))
    return await queries.get_member(session, caller, user_id)


async def keep_account(session: AsyncSession, account_id: UUID) -> None:
    """Let nobody delete the bound account until this transaction ends.

    Whoever adds people, sessions or tokens to an account holds it first and then what is in it, as its deletion does: so the two
    wait for each other once, and what was added is either deleted too or refused.
    """
    await session.execute(select(Account.id).where(Account.id == account_id).with_for_update(read=True, key_share=True))


async def require_another_owner(session: AsyncSession, member: AccountMember) -> None:
    """Raise ``LastOwner`` if the account could not do without this member, who must be held."""
    if member.is_active_administrator and not await queries.exists_other_owner(session, member):
        raise LastOwner
