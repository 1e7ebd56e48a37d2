"""Resolving credentials to callers."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row
from sqlalchemy import ColumnElement, DateTime, Select, String, Uuid, and_, bindparam, cast, exists, func, or_, select, true
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.errors import AccountSuspended
from spectral_platform.accounts.models import Account, AccountMember, AccountStatus, User, UserStatus
from spectral_platform.accounts.queries import get_account
from spectral_platform.auth.errors import CredentialExpired, CredentialInvalid, CredentialRevoked
from spectral_platform.auth.models import LoginSession, RefreshToken, Visit
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import ACCOUNT_SCOPES, AccountRole, Caller, CallerKind, Scope, WorkspaceRole, resolve_scopes
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.core.signing import Keyring, TokenExpired, TokenInvalid
from spectral_platform.keys.commands import SECRET_PREFIX
from spectral_platform.keys.models import ApiKey
from spectral_platform.workspaces.errors import WorkspaceNotFound
from spectral_platform.workspaces.models import RESTORABLE_FOR, Workspace, WorkspaceMember
from spectral_platform.workspaces.queries import Membership, find_owner, list_memberships

SESSION_COLUMNS = {"created_at": LoginSession.created_at}


# Both statements bind the transaction and then read what that lets them see. The reads are lateral to the binding, so they run
# after it, and bounded, so they are not merged with it. Were it ever otherwise, the policies would show them nothing. They are
# built once: building one takes longer than asking it.


PSYCOPG = PGDialect_psycopg()  # type: ignore[no-untyped-call] # as SQLAlchemy has it


def _bound(**settings: ColumnElement[str]) -> Select[Any]:
    """Bind the transaction: each setting under its own name, in which the first underscore stands for the dot."""
    return select(*(func.set_config(name.replace("_", ".", 1), value, true()).label(name) for name, value in settings.items()))


def _select_key() -> Select[Any]:
    held = _bound(spectral_key_digest=bindparam("key_digest", type_=String)).cte("held").prefix_with("MATERIALIZED")
    key = (
        select(ApiKey.id, ApiKey.account_id, ApiKey.workspace_id, ApiKey.scopes, ApiKey.expires_at, ApiKey.revoked_at)
        .where(ApiKey.secret_digest == held.c.spectral_key_digest)
        .limit(1)
        .lateral("key")
    )
    tenant = _bound(
        spectral_account_id=cast(key.c.account_id, String), spectral_workspace_id=cast(key.c.workspace_id, String)
    ).add_columns(*key.c)
    bound = tenant.select_from(held.join(key, true())).cte("bound").prefix_with("MATERIALIZED")
    account = (
        select(Account.status.label("account_status"))
        .where(Account.id == cast(bound.c.spectral_account_id, Uuid), Account.deleted_at.is_(None))
        .limit(1)
        .lateral("account")
    )
    place = (
        select(Workspace.id)
        .where(Workspace.id == cast(bound.c.spectral_workspace_id, Uuid), Workspace.deleted_at.is_(None))
        .limit(1)
        .lateral("place")
    )
    return select(
        bound.c.id,
        bound.c.account_id,
        bound.c.scopes,
        bound.c.expires_at,
        bound.c.revoked_at,
        account.c.account_status,
        place.c.id.label("entered"),
    ).select_from(bound.join(account, true()).outerjoin(place, true()))


def _select_session() -> Select[Any]:
    names = ("account_id", "workspace_id", "user_id")
    binding = _bound(**{f"spectral_{name}": bindparam(name, type_=String) for name in names})
    bound = binding.add_columns(bindparam("session_id", type_=Uuid).label("session_id")).cte("bound").prefix_with("MATERIALIZED")
    user_id = cast(bound.c.spectral_user_id, Uuid)
    person = (
        select(
            LoginSession.revoked_at,
            User.status.label("user_status"),
            Account.status.label("account_status"),
            AccountMember.role.label("account_role"),
        )
        .join(User, User.id == LoginSession.user_id)
        .join(AccountMember, AccountMember.user_id == User.id)
        .join(Account, Account.id == AccountMember.account_id)
        .where(
            LoginSession.id == bound.c.session_id,
            User.id == user_id,
            Account.id == cast(bound.c.spectral_account_id, Uuid),
            Account.deleted_at.is_(None),
        )
        .limit(1)
        .lateral("person")
    )
    restorable = bindparam("restorable_from", type_=DateTime(timezone=True))
    place = (
        select(Workspace.id, WorkspaceMember.role)
        .outerjoin(WorkspaceMember, and_(WorkspaceMember.workspace_id == Workspace.id, WorkspaceMember.user_id == user_id))
        .where(
            Workspace.id == cast(func.nullif(bound.c.spectral_workspace_id, ""), Uuid),
            or_(Workspace.deleted_at.is_(None), Workspace.deleted_at > restorable),
        )
        .limit(1)
        .lateral("place")
    )
    return select(person, place.c.id.label("entered"), place.c.role.label("workspace_role")).select_from(
        bound.join(person, true()).outerjoin(place, true())
    )


def _written(statement: Select[Any]) -> tuple[bytes, dict[str, Any]]:
    """A statement as the driver takes it, and the values that never change."""
    compiled = statement.compile(dialect=PSYCOPG)
    return str(compiled).encode(), {name: value for name, value in compiled.params.items() if value is not None}


KEY, SESSION = _written(_select_key()), _written(_select_session())
HELD_TOKEN = _bound(spectral_token_digest=bindparam("token_digest", type_=String))
NEVER = datetime.max.replace(tzinfo=UTC)


async def _ask(session: AsyncSession, statement: tuple[bytes, dict[str, Any]], values: dict[str, Any]) -> Any:
    """One row or none, straight from the driver: every request asks this, and the layers above it would take as long again."""
    written, constants = statement
    raw = await (await session.connection()).get_raw_connection()
    connection: AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment] # psycopg's, as the dialect says
    async with connection.cursor(row_factory=namedtuple_row) as cursor:
        await cursor.execute(written, {**constants, **values})
        return await cursor.fetchone()


@dataclass(frozen=True, slots=True)
class Profile:
    """A person, the account and the workspaces that are in reach."""

    user: User
    account: Account
    member: AccountMember
    memberships: list[Membership]


async def resolve_caller(
    session: AsyncSession,
    credential: str,
    *,
    keyring: Keyring,
    workspace_id: UUID | None = None,
    even_deleted: bool = False,
) -> Caller:
    """Who holds this token or API key, inside the workspace if one is named; the transaction is bound to what the caller may see.

    One statement, and nothing of it is remembered: what was revoked, ended, suspended or taken away before it is refused by it.
    Raises ``CredentialInvalid``, ``CredentialExpired``, ``CredentialRevoked``, ``AccountSuspended``, or ``WorkspaceNotFound`` for
    a workspace that is absent, another tenant's, deleted, or out of the caller's reach. One that was deleted can still be entered
    to restore it.
    """
    if credential.startswith(SECRET_PREFIX):
        return await _resolve_key(session, credential, workspace_id)
    return await _resolve_token(session, credential, keyring, workspace_id, even_deleted=even_deleted)


async def _resolve_key(session: AsyncSession, credential: str, workspace_id: UUID | None) -> Caller:
    found = await _ask(session, KEY, {"key_digest": crypto.digest_secret(credential)})
    if found is None:
        raise CredentialInvalid
    if found.revoked_at is not None:
        raise CredentialRevoked
    if found.expires_at is not None and found.expires_at <= clock.now():
        raise CredentialExpired
    if found.account_status != AccountStatus.ACTIVE:
        raise AccountSuspended
    if found.entered is None or workspace_id not in {None, found.entered}:
        raise WorkspaceNotFound(workspace_id)
    return Caller(
        kind=CallerKind.KEY,
        id=found.id,
        account_id=found.account_id,
        workspace_id=found.entered,
        scopes=frozenset(Scope(scope) for scope in found.scopes),
    )


async def _resolve_token(
    session: AsyncSession, credential: str, keyring: Keyring, workspace_id: UUID | None, *, even_deleted: bool
) -> Caller:
    try:
        claims = keyring.read(credential)
        user_id, account_id, session_id = (UUID(claims[name]) for name in ("sub", "account", "session"))
    except TokenExpired as error:
        raise CredentialExpired from error
    except (TokenInvalid, KeyError, ValueError, TypeError, AttributeError) as error:
        raise CredentialInvalid from error
    named = {
        "account_id": str(account_id),
        "workspace_id": str(workspace_id or ""),
        "user_id": str(user_id),
        "session_id": session_id,
        "restorable_from": clock.now() - RESTORABLE_FOR if even_deleted else NEVER,
    }
    found = await _ask(session, SESSION, named)
    if found is None or found.revoked_at is not None or found.user_status != UserStatus.ACTIVE:
        raise CredentialRevoked
    if found.account_status != AccountStatus.ACTIVE:
        raise AccountSuspended
    caller = Caller(kind=CallerKind.USER, id=user_id, account_id=account_id, session_id=session_id)
    account_role = AccountRole(found.account_role)
    if workspace_id is None:
        return caller.model_copy(update={"scopes": ACCOUNT_SCOPES[account_role]})
    if found.entered is None and account_role is AccountRole.OPERATIONS:
        return await _visit(session, caller, workspace_id, even_deleted=even_deleted)
    if found.entered is None or (found.workspace_role is None and account_role is AccountRole.MEMBER):
        raise WorkspaceNotFound(workspace_id)
    scopes = resolve_scopes(account_role, found.workspace_role and WorkspaceRole(found.workspace_role))
    return caller.model_copy(update={"workspace_id": workspace_id, "scopes": scopes})


async def _visit(session: AsyncSession, caller: Caller, workspace_id: UUID, *, even_deleted: bool) -> Caller:
    """Operations staff inside a workspace of another account, suspended or not; ``note_visit`` tells that account."""
    account_id = await find_owner(session, workspace_id, even_deleted=even_deleted)
    if account_id is None:
        raise WorkspaceNotFound(workspace_id)
    await bind_tenant(session, account_id=account_id, workspace_id=workspace_id)
    if await session.scalar(select(Account.deleted_at).where(Account.id == account_id)) is not None:  # is being erased
        raise WorkspaceNotFound(workspace_id)
    place = {"account_id": account_id, "workspace_id": workspace_id, "visitor_from": caller.account_id}
    return caller.model_copy(update=place | {"scopes": resolve_scopes(AccountRole.OPERATIONS, None)})


async def find_visit(session: AsyncSession, caller: Caller) -> Visit | None:
    """When the caller's session was last noted in the account that it visits."""
    return await session.get(Visit, {"account_id": caller.account_id, "session_id": caller.session_id})


async def get_refresh_token(session: AsyncSession, refresh_token: str) -> RefreshToken:
    """The row of a refresh token, spent or not; the transaction is bound to its account from here on.

    Who holds the token may see its row before any tenant is bound. Raises ``CredentialInvalid``.
    """
    digest = crypto.digest_secret(refresh_token)
    await session.execute(HELD_TOKEN, {"token_digest": digest})
    token = await session.scalar(select(RefreshToken).where(RefreshToken.digest == digest))
    if token is None:
        raise CredentialInvalid
    await bind_tenant(session, account_id=token.account_id)
    return token


async def get_profile(session: AsyncSession, caller: Caller) -> Profile:
    """The caller's own person, account and workspaces."""
    user, member = (
        await session.execute(
            select(User, AccountMember).join(AccountMember, AccountMember.user_id == User.id).where(User.id == caller.id)
        )
    ).one()
    memberships = await list_memberships(session, user_id=user.id, account_role=member.role)
    return Profile(user=user, account=await get_account(session, caller), member=member, memberships=memberships)


async def list_sessions(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[LoginSession]:
    """The caller's own sessions that still go on: not ended, and with a refresh token that is good."""
    good = exists().where(
        RefreshToken.session_id == LoginSession.id, RefreshToken.spent_at.is_(None), RefreshToken.expires_at > clock.now()
    )
    own = select(LoginSession).where(LoginSession.user_id == caller.id, LoginSession.revoked_at.is_(None), good)
    return await paginate(session, own, page, columns=SESSION_COLUMNS, tiebreak=LoginSession.id)
