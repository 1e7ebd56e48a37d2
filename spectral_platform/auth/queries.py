"""Resolving credentials to callers."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.errors import AccountSuspended
from spectral_platform.accounts.models import Account, AccountMember, AccountStatus, User, UserStatus
from spectral_platform.accounts.queries import get_account
from spectral_platform.auth.errors import CredentialExpired, CredentialInvalid, CredentialRevoked
from spectral_platform.auth.models import LoginSession
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import ACCOUNT_SCOPES, Caller, CallerKind, Scope, resolve_scopes
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.signing import Keyring, TokenExpired, TokenInvalid
from spectral_platform.keys.commands import SECRET_PREFIX, touch_key
from spectral_platform.keys.queries import find_key
from spectral_platform.workspaces.errors import WorkspaceNotFound
from spectral_platform.workspaces.models import Workspace
from spectral_platform.workspaces.queries import Membership, find_membership, list_memberships


@dataclass(frozen=True, slots=True)
class Profile:
    """A person, the account and the workspaces that are in reach."""

    user: User
    account: Account
    member: AccountMember
    memberships: list[Membership]


async def resolve_caller(session: AsyncSession, credential: str, *, keyring: Keyring) -> Caller:
    """Who holds this token or API key; binds the transaction to the holder's account (and a key's workspace).

    Raises ``CredentialInvalid``, ``CredentialExpired``, ``CredentialRevoked`` or ``AccountSuspended``.
    """
    if credential.startswith(SECRET_PREFIX):
        return await _resolve_key(session, credential)
    return await _resolve_token(session, credential, keyring=keyring)


async def _resolve_key(session: AsyncSession, credential: str) -> Caller:
    key = await find_key(session, secret_digest=crypto.digest_secret(credential))
    if key is None:
        raise CredentialInvalid
    if key.revoked_at is not None:
        raise CredentialRevoked
    if key.expires_at is not None and key.expires_at <= clock.now():
        raise CredentialExpired
    await bind_tenant(session, account_id=key.account_id, workspace_id=key.workspace_id)
    status, deleted_at = (
        await session.execute(
            select(Account.status, Workspace.deleted_at)
            .join(Workspace, Workspace.account_id == Account.id)
            .where(Workspace.id == key.workspace_id)
        )
    ).one()
    if status is not AccountStatus.ACTIVE:
        raise AccountSuspended
    if deleted_at is not None:
        raise WorkspaceNotFound(key.workspace_id)
    await touch_key(session, key)
    return Caller(
        kind=CallerKind.KEY,
        id=key.id,
        account_id=key.account_id,
        workspace_id=key.workspace_id,
        scopes=frozenset(Scope(scope) for scope in key.scopes),
    )


async def _resolve_token(session: AsyncSession, credential: str, *, keyring: Keyring) -> Caller:
    try:
        claims = keyring.read(credential)
        user_id, account_id, session_id = (UUID(claims[name]) for name in ("sub", "account", "session"))
    except TokenExpired as error:
        raise CredentialExpired from error
    except (TokenInvalid, KeyError, ValueError, TypeError) as error:
        raise CredentialInvalid from error
    await bind_tenant(session, account_id=account_id)
    row = (
        await session.execute(
            select(LoginSession.revoked_at, User.status, Account.status, AccountMember.role)
            .join(User, User.id == LoginSession.user_id)
            .join(AccountMember, AccountMember.user_id == User.id)
            .join(Account, Account.id == AccountMember.account_id)
            .where(LoginSession.id == session_id, User.id == user_id, Account.id == account_id)
        )
    ).one_or_none()
    if row is None or row[0] is not None or row[1] is not UserStatus.ACTIVE:
        raise CredentialRevoked
    if row[2] is not AccountStatus.ACTIVE:
        raise AccountSuspended
    return Caller(kind=CallerKind.USER, id=user_id, account_id=account_id, scopes=ACCOUNT_SCOPES[row[3]], session_id=session_id)


async def enter_workspace(session: AsyncSession, caller: Caller, workspace_id: UUID, *, even_deleted: bool = False) -> Caller:
    """The same caller inside a workspace, with the scopes that hold there; binds the transaction to it.

    Raises ``WorkspaceNotFound`` for a workspace that is absent, another tenant's, deleted, or out of the person's reach. One that
    was deleted can still be entered to restore it.
    """
    if caller.kind is CallerKind.KEY:
        if caller.workspace_id != workspace_id:
            raise WorkspaceNotFound(workspace_id)
        return caller
    member = await session.scalar(select(AccountMember).where(AccountMember.user_id == caller.id))
    membership = member and await find_membership(
        session, workspace_id=workspace_id, user_id=member.user_id, account_role=member.role, even_deleted=even_deleted
    )
    if not member or not membership:
        raise WorkspaceNotFound(workspace_id)
    await bind_tenant(session, account_id=caller.account_id, workspace_id=workspace_id)
    return caller.model_copy(update={"workspace_id": workspace_id, "scopes": resolve_scopes(member.role, membership.role)})


async def get_profile(session: AsyncSession, caller: Caller) -> Profile:
    """The caller's own person, account and workspaces."""
    user, member = (
        await session.execute(
            select(User, AccountMember).join(AccountMember, AccountMember.user_id == User.id).where(User.id == caller.id)
        )
    ).one()
    memberships = await list_memberships(session, user_id=user.id, account_role=member.role)
    return Profile(user=user, account=await get_account(session, caller), member=member, memberships=memberships)
