"""Changing a password, by the one who knows it or by mail."""

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.models import User
from spectral_platform.accounts.queries import get_membership
from spectral_platform.audit.commands import record
from spectral_platform.auth.devices import Device
from spectral_platform.auth.errors import CredentialRevoked
from spectral_platform.auth.lockout.commands import count_attempt, forget, forgive, refuse_locked
from spectral_platform.auth.lockout.subjects import LETTERS, PASSWORDS, subjects_of
from spectral_platform.auth.models import LoginSession
from spectral_platform.auth.passwords.errors import PasswordWrong, ResetTokenInvalid
from spectral_platform.auth.passwords.letter import CHANGED_LETTER
from spectral_platform.auth.passwords.models import PasswordReset
from spectral_platform.auth.passwords.queries import fingerprint, get_resettable
from spectral_platform.auth.passwords.rules import check_password
from spectral_platform.auth.passwords.work import SendResetToken
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import Caller, CallerKind
from spectral_platform.core.database import Database, bind_tenant, bind_user
from spectral_platform.core.jobs import enqueue
from spectral_platform.core.settings import Settings
from spectral_platform.mail.commands import can_send, require_mail, send_mail

CHANGED_SUBJECT = "Your Spectral password was changed"


async def change_password(
    database: Database, settings: Settings, caller: Caller, *, current_password: str, new_password: str, device: Device
) -> None:
    """Set the caller's password, end their other sessions, and tell them by mail.

    Raises ``PasswordWrong``, ``PasswordTooWeak`` or ``TooManyAttempts``.
    """
    async with database.transaction(account_id=caller.account_id) as session:
        user = await session.get(User, caller.id)
        if user is None:
            raise CredentialRevoked
        subjects = subjects_of(PASSWORDS, settings.secret, email=user.email, ip=device.ip)
        await refuse_locked(session, subjects)
    fits = await crypto.verify_password(current_password, user.password_hash)
    if not fits:
        async with database.transaction() as session:
            await count_attempt(session, subjects)
        raise PasswordWrong
    check_password(new_password, email=user.email, environment=settings.environment)
    password_hash = await crypto.hash_password(new_password)
    async with database.transaction(account_id=caller.account_id) as session:
        await forgive(session, subjects)
        held = await _hold(session, user)
        if held is None:
            raise PasswordWrong
        await _replace(session, settings, caller, held, password_hash)
        await record(session, caller, action="password.changed", resource="user", resource_id=user.id)


async def request_password_reset(database: Database, settings: Settings, *, email: str, device: Device) -> None:
    """Have a token sent to whoever has the address; nothing that the caller sees tells whether anybody does.

    Raises ``MailUnconfigured`` or ``TooManyAttempts``, both whether or not anybody has it.
    """
    require_mail(settings)
    async with database.transaction() as session:
        await count_attempt(session, subjects_of(LETTERS, settings.secret, email=email, ip=device.ip))
        await enqueue(session, SendResetToken(email=settings.seal.close(email)))


async def reset_password(database: Database, settings: Settings, *, token: str, new_password: str, device: Device) -> None:
    """Set a password with a token from a letter, which is spent by that, and end every session of the person.

    Of several who use the same token at once one succeeds. Raises ``ResetTokenInvalid``, ``PasswordTooWeak`` or
    ``TooManyAttempts``.
    """
    from_address = subjects_of(PASSWORDS, settings.secret, email=None, ip=device.ip)
    try:
        async with database.transaction() as session:
            await refuse_locked(session, from_address)
            user = await get_resettable(session, token=token)
    except ResetTokenInvalid:
        async with database.transaction() as session:
            await count_attempt(session, from_address)
        raise
    check_password(new_password, email=user.email, environment=settings.environment)
    password_hash = await crypto.hash_password(new_password)
    async with database.transaction() as session:
        await forget(session, *subjects_of(PASSWORDS, settings.secret, email=user.email, ip=None))
        await bind_user(session, user.id)
        account_id = (await get_membership(session, user_id=user.id)).account_id
        await bind_tenant(session, account_id=account_id)
        held = await _hold(session, user)
        spent = delete(PasswordReset).where(PasswordReset.digest == crypto.digest_secret(token)).returning(PasswordReset.id)
        if held is None or await session.scalar(spent) is None:
            raise ResetTokenInvalid
        caller = Caller(kind=CallerKind.USER, id=user.id, account_id=account_id)
        await _replace(session, settings, caller, held, password_hash)
        await record(session, caller, action="password.reset", resource="user", resource_id=user.id)


async def _hold(session: AsyncSession, seen: User) -> User | None:
    """The person, whom nobody else changes until the transaction ends; None if email address or password changed meanwhile."""
    user = await session.get(User, seen.id, with_for_update=True, populate_existing=True)
    return user if user is not None and fingerprint(user) == fingerprint(seen) else None


async def _replace(session: AsyncSession, settings: Settings, caller: Caller, user: User, password_hash: str) -> None:
    """Store the new hash, and end every session but the caller's and every other way to a new password."""
    user.password_hash = password_hash
    others = (LoginSession.user_id == user.id, LoginSession.id.is_distinct_from(caller.session_id))
    await session.execute(update(LoginSession).where(*others, LoginSession.revoked_at.is_(None)).values(revoked_at=clock.now()))
    await session.execute(delete(PasswordReset).where(PasswordReset.user_id == user.id))
    if can_send(settings):
        await send_mail(
            session, settings, account_id=caller.account_id, to=user.email, subject=CHANGED_SUBJECT, text=CHANGED_LETTER
        )
