"""Registering, logging in, refreshing and logging out."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.commands import add_member, create_account, hold_member, keep_account, require_another_owner
from spectral_platform.accounts.errors import AccountSuspended
from spectral_platform.accounts.models import Account, AccountMember, AccountStatus, User, UserStatus
from spectral_platform.accounts.queries import exists_account, find_user
from spectral_platform.audit.commands import record, record_arrival
from spectral_platform.auth.devices import Device
from spectral_platform.auth.errors import (
    CredentialExpired,
    CredentialInvalid,
    CredentialRevoked,
    LoginRefused,
    RegistrationClosed,
    SessionNotFound,
)
from spectral_platform.auth.lockout.commands import count_attempt, forgive, refuse_locked
from spectral_platform.auth.lockout.subjects import PASSWORDS, subjects_of
from spectral_platform.auth.models import LoginSession, RefreshToken, Visit
from spectral_platform.auth.passwords.rules import check_password
from spectral_platform.auth.queries import find_visit, get_refresh_token
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import AccountRole, Caller, CallerKind
from spectral_platform.core.database import Database, bind_tenant, bind_user
from spectral_platform.core.settings import Settings
from spectral_platform.invites.commands import accept_invite
from spectral_platform.invites.models import Invite
from spectral_platform.invites.queries import get_open_invite
from spectral_platform.workspaces.commands import add_workspace
from spectral_platform.workspaces.queries import find_first_workspace

FIRST_WORKSPACE = "Default"
FIRST_ACCOUNT_LOCK = 0x5EC7_0003
VISIT_NOTED_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login hands out; the lifetime is in seconds."""

    user_id: UUID
    account_id: UUID
    session_id: UUID
    access_token: str
    expires_in: int
    refresh_token: str


async def register(
    database: Database,
    settings: Settings,
    *,
    email: str,
    password: str,
    tenant_name: str,
    invite_token: str | None = None,
    device: Device,
) -> tuple[Tokens, UUID | None]:
    """A new person who owns a new account, or joins the one that invites them: the tokens and the first workspace, if any.

    Raises ``RegistrationClosed``, ``InviteRefused``, ``AccountSuspended``, ``PasswordTooWeak`` or ``EmailTaken``. Hashing holds
    no connection: a hundred people who come in at once must not keep the others from the database.
    """
    async with database.transaction() as session:
        await find_entrance(session, settings, invite_token=invite_token, email=email)
    check_password(password, email=email, environment=settings.environment)
    password_hash = await crypto.hash_password(password)
    async with database.transaction() as session:
        invite = await find_entrance(session, settings, invite_token=invite_token, email=email)
        if invite is None:
            caller = await create_account(session, name=tenant_name, email=email, password_hash=password_hash)
            workspace_id: UUID | None = (await add_workspace(session, caller, name=FIRST_WORKSPACE)).id
        else:
            caller, workspace_id = await join(session, invite, email=email, password_hash=password_hash)
        caller = caller.model_copy(update={"session_id": clock.new_id()})
        tokens = await open_session(session, settings, caller, device=device)
        return tokens, workspace_id


async def login(database: Database, settings: Settings, *, email: str, password: str, device: Device) -> Tokens:
    """Open a session. Unknown email and wrong password take the same time and give the same ``LoginRefused``.

    Only who knows the password learns, by ``AccountSuspended``, that the account is suspended.
    Raises ``TooManyAttempts`` for who failed too often.
    """
    subjects = subjects_of(PASSWORDS, settings.secret, email=email, ip=device.ip)
    async with database.transaction() as session:
        await refuse_locked(session, subjects)
        user = await find_user(session, email=email)
    fits = await crypto.verify_password(password, user.password_hash if user else None)
    if user is None or not fits:
        async with database.transaction() as session:
            await count_attempt(session, subjects)
        raise LoginRefused
    async with database.transaction() as session:
        await forgive(session, subjects)
        account_id = await account_of(session, user)
        await _hold_unchanged(session, user)
        await refuse_suspended(session, account_id)
        caller = Caller(kind=CallerKind.USER, id=user.id, account_id=account_id, session_id=clock.new_id())
        await record(session, caller, action="session.opened", resource="session", resource_id=str(caller.session_id))
        return await open_session(session, settings, caller, device=device)


async def refresh(session: AsyncSession, settings: Settings, *, refresh_token: str) -> Tokens | None:
    """Exchange a refresh token for new tokens; it is spent by that.

    None means that a spent token came back: somebody copied it, so its whole session has been ended, and the caller must commit
    that before refusing. Raises ``CredentialInvalid``, ``CredentialExpired``, ``CredentialRevoked`` or ``AccountSuspended``.
    """
    token = await get_refresh_token(session, refresh_token)
    await keep_account(session, token.account_id)
    login_session = await session.get(LoginSession, token.session_id, with_for_update=True)
    if login_session is None:
        raise CredentialInvalid
    await session.refresh(token)  # whoever exchanged it at the same time held the session
    if login_session.revoked_at is not None:
        raise CredentialRevoked
    if token.spent_at is not None:
        login_session.revoked_at = clock.now()
        await session.flush()
        return None
    if token.expires_at <= clock.now():
        raise CredentialExpired
    user = await session.get_one(User, login_session.user_id)
    if user.status is not UserStatus.ACTIVE:
        raise CredentialRevoked
    await refuse_suspended(session, login_session.account_id)
    token.spent_at = login_session.last_used_at = clock.now()
    return await _issue(session, settings, login_session)


async def logout(session: AsyncSession, caller: Caller) -> None:
    """End the caller's session: its access and refresh tokens are refused from now on."""
    await session.execute(
        update(LoginSession)
        .where(LoginSession.id == caller.session_id, LoginSession.revoked_at.is_(None))
        .values(revoked_at=clock.now())
    )
    await record(session, caller, action="session.ended", resource="session", resource_id=str(caller.session_id))


async def end_session(session: AsyncSession, caller: Caller, session_id: UUID) -> None:
    """End one of the caller's own sessions."""
    ended = await session.scalar(
        update(LoginSession)
        .where(LoginSession.id == session_id, LoginSession.user_id == caller.id, LoginSession.revoked_at.is_(None))
        .values(revoked_at=clock.now())
        .returning(LoginSession.id)
    )
    if ended is None:
        raise SessionNotFound(session_id)
    await record(session, caller, action="session.ended", resource="session", resource_id=session_id)


async def update_profile(session: AsyncSession, caller: Caller, *, changes: dict[str, Any]) -> None:
    """Change the named fields of the caller's own person."""
    user = await session.get_one(User, caller.id)
    for field, value in changes.items():
        setattr(user, field, value)
    await session.flush()
    await record(session, caller, action="profile.updated", resource="user", resource_id=user.id, fields=sorted(changes))


async def delete_profile(session: AsyncSession, caller: Caller) -> None:
    """Erase the caller as a person: their row and all that refers to it. Raises ``LastOwner``.

    What they did stays in the audit log under an id that names nobody any more.
    """
    member = await hold_member(session, caller, _user(caller))
    await require_another_owner(session, member)
    await record(session, caller, action="user.erased", resource="user", resource_id=member.user_id)
    await session.execute(delete(User).where(User.id == member.user_id))


async def end_sessions(session: AsyncSession, user_id: UUID) -> None:
    """End every session of a person."""
    await session.execute(
        update(LoginSession)
        .where(LoginSession.user_id == user_id, LoginSession.revoked_at.is_(None))
        .values(revoked_at=clock.now())
    )


async def note_visit(session: AsyncSession, caller: Caller) -> None:
    """Tell the log of the account that operations staff visit that they came in: once an hour for each of their sessions.

    It is told in the transaction of the request, so that no answer leaves without it; a request that is refused saw nothing.
    """
    if caller.visitor_from is None:
        return
    moment = clock.now()
    visit = await find_visit(session, caller)
    if visit is not None and visit.noted_at > moment - VISIT_NOTED_EVERY:
        return
    noted = await session.scalar(
        insert(Visit)
        .values(account_id=caller.account_id, session_id=caller.session_id, noted_at=moment)
        .on_conflict_do_update(
            index_elements=[Visit.account_id, Visit.session_id],
            set_={"noted_at": moment},
            where=Visit.noted_at <= moment - VISIT_NOTED_EVERY,
        )
        .returning(Visit.session_id)
    )
    if noted is not None:  # else another request of the session was first
        await record_arrival(session, caller)


async def find_entrance(session: AsyncSession, settings: Settings, *, invite_token: str | None, email: str) -> Invite | None:
    """The invite to come in by; None for an account of one's own, where that is open."""
    if invite_token is not None:
        return await get_open_invite(session, token=invite_token, email=email)
    if settings.registration_mode == "invite":
        # Of several who want to be the first, each waits for the one before and then sees the account.
        await session.execute(select(func.pg_advisory_xact_lock(FIRST_ACCOUNT_LOCK)))
        if await exists_account(session):
            raise RegistrationClosed
    return None


async def join(session: AsyncSession, invite: Invite, *, email: str, password_hash: str | None) -> tuple[Caller, UUID | None]:
    """A new person in the account that invites them, and the first workspace in their reach."""
    await bind_tenant(session, account_id=invite.account_id)
    await keep_account(session, invite.account_id)
    await refuse_suspended(session, invite.account_id)
    caller = await add_member(session, invite.account_id, email=email, password_hash=password_hash, role=invite.account_role)
    workspace_id = await accept_invite(session, caller, invite, user_id=_user(caller))
    if workspace_id is None and invite.account_role is AccountRole.OWNER:
        workspace_id = await find_first_workspace(session, caller)
    return caller, workspace_id


async def refuse_suspended(session: AsyncSession, account_id: UUID) -> None:
    """Raise ``AccountSuspended`` unless the bound account may be used; one that is being erased may not."""
    status = await session.scalar(select(Account.status).where(Account.id == account_id, Account.deleted_at.is_(None)))
    if status is not AccountStatus.ACTIVE:
        raise AccountSuspended


async def _hold_unchanged(session: AsyncSession, seen: User) -> None:
    """Refuse whose password or status changed while it was examined; until the end of the transaction neither can change."""
    held = await session.scalar(
        select(User)
        .where(User.id == seen.id, User.password_hash == seen.password_hash, User.status == UserStatus.ACTIVE)
        .with_for_update(read=True)
    )
    if held is None:
        raise LoginRefused


def _user(caller: Caller) -> UUID:
    assert caller.id is not None
    return caller.id


async def account_of(session: AsyncSession, user: User) -> UUID:
    """The account that a person comes in for, to which the transaction is bound; it cannot be deleted until that ends.

    Raises ``LoginRefused`` without one.
    """
    await bind_user(session, user.id)
    account_id = await session.scalar(select(AccountMember.account_id).where(AccountMember.user_id == user.id))
    if account_id is None:
        raise LoginRefused
    await bind_tenant(session, account_id=account_id)
    await keep_account(session, account_id)
    return account_id


async def open_session(session: AsyncSession, settings: Settings, caller: Caller, *, device: Device) -> Tokens:
    """A session for a caller who was examined, under the id that the caller has for it, and its first tokens."""
    login_session = LoginSession(
        id=caller.session_id,
        user_id=_user(caller),
        account_id=caller.account_id,
        last_used_at=clock.now(),
        user_agent=device.user_agent,
        ip=device.ip,
    )
    session.add(login_session)
    await session.flush()
    return await _issue(session, settings, login_session)


async def _issue(session: AsyncSession, settings: Settings, login_session: LoginSession) -> Tokens:
    refresh_token = crypto.new_secret("rt_")
    session.add(
        RefreshToken(
            account_id=login_session.account_id,
            session_id=login_session.id,
            digest=crypto.digest_secret(refresh_token),
            expires_at=clock.now() + timedelta(days=settings.refresh_token_days),
        )
    )
    await session.flush()
    lifetime = timedelta(minutes=settings.access_token_minutes)
    access_token = settings.keyring.issue(
        {
            "sub": str(login_session.user_id),
            "account": str(login_session.account_id),
            "session": str(login_session.id),
        },
        lifetime=lifetime,
    )
    return Tokens(
        user_id=login_session.user_id,
        account_id=login_session.account_id,
        session_id=login_session.id,
        access_token=access_token,
        expires_in=int(lifetime.total_seconds()),
        refresh_token=refresh_token,
    )
