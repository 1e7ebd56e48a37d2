"""What the worker does for passwords."""

from datetime import timedelta

from sqlalchemy import delete

from spectral_platform.accounts.models import UserStatus
from spectral_platform.accounts.queries import find_user, get_membership
from spectral_platform.audit.commands import record
from spectral_platform.auth.passwords.letter import reset_letter
from spectral_platform.auth.passwords.models import PasswordReset
from spectral_platform.auth.passwords.queries import fingerprint
from spectral_platform.auth.passwords.work import SendResetToken
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import system_caller
from spectral_platform.core.database import bind_tenant, bind_user
from spectral_platform.core.jobs import JobContext, job
from spectral_platform.mail.commands import send_mail

TOKEN_PREFIX = "rp_"
LIFETIME = timedelta(hours=1)
SUBJECT = "Set a new password for Spectral"


@job(SendResetToken)
async def send_reset_token(context: JobContext, work: SendResetToken) -> None:
    """Make a token and send it, if somebody who may come in has the address."""
    settings = context.settings
    email = settings.seal.open(work.email)
    async with context.database.transaction() as session:
        user = await find_user(session, email=email)
        if user is None or user.status is not UserStatus.ACTIVE:
            return
        await bind_user(session, user.id)
        account_id = (await get_membership(session, user_id=user.id)).account_id
        await bind_tenant(session, account_id=account_id)
        token, expires_at = crypto.new_secret(TOKEN_PREFIX), clock.now() + LIFETIME
        await session.execute(delete(PasswordReset).where(PasswordReset.expires_at <= clock.now()))
        session.add(
            PasswordReset(
                user_id=user.id,
                digest=crypto.digest_secret(token),
                fingerprint=fingerprint(user),
                expires_at=expires_at,
            )
        )
        await session.flush()
        text = reset_letter(token, public_url=settings.public_url, minutes=int(LIFETIME.total_seconds()) // 60)
        await send_mail(
            session, settings, account_id=account_id, to=user.email, subject=SUBJECT, text=text, useful_until=expires_at
        )
        caller = system_caller(account_id)
        await record(session, caller, action="password.reset_requested", resource="user", resource_id=user.id)
