"""Making accounts and people."""

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts import queries
from spectral_platform.accounts.errors import EmailTaken, UserUnknown
from spectral_platform.accounts.models import Account, AccountMember, User
from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import AccountRole, Caller, CallerKind
from spectral_platform.core.database import bind_tenant, conflict_as


async def create_account(session: AsyncSession, *, name: str, email: str, password_hash: str) -> Caller:
    """A new account with its first person, who owns it; the transaction is bound to it from here on."""
    account = Account(id=clock.new_id(), name=name)
    await bind_tenant(session, account_id=account.id)
    user = User(id=clock.new_id(), email=email, password_hash=password_hash)
    session.add_all([account, user])
    with conflict_as("uq_users_email", EmailTaken()):
        await session.flush()
    session.add(AccountMember(account_id=account.id, user_id=user.id, role=AccountRole.OWNER))
    await session.flush()
    caller = Caller(kind=CallerKind.USER, id=user.id, account_id=account.id)
    await record(session, caller, action="account.created", resource="account", resource_id=account.id, name=name)
    return caller


async def grant_operations(session: AsyncSession, *, email: str) -> None:
    """Make a registered person operations staff. Run by an operator at the console, on a connection that sees every account."""
    user = await queries.find_user(session, email=email)
    if user is None:
        raise UserUnknown(email)
    membership = await queries.get_membership(session, user_id=user.id)
    membership.role = AccountRole.OPERATIONS
    caller = Caller(kind=CallerKind.SYSTEM, id=None, account_id=membership.account_id)
    await record(session, caller, action="member.granted_operations", resource="user", resource_id=user.id)
