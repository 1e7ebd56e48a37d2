"""Reading promised password resets."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.models import User, UserStatus
from spectral_platform.auth.passwords.errors import ResetTokenInvalid
from spectral_platform.auth.passwords.models import PasswordReset
from spectral_platform.core import clock, crypto


def fingerprint(user: User) -> str:
    """What a token depends on: the email address that it went to and the password that it replaces."""
    return crypto.content_digest(user.email, user.password_hash or "")


async def get_resettable(session: AsyncSession, *, token: str) -> User:
    """The person who may set a new password with a token. Raises ``ResetTokenInvalid``."""
    row = (
        await session.execute(
            select(User, PasswordReset.fingerprint)
            .join(PasswordReset, PasswordReset.user_id == User.id)
            .where(
                PasswordReset.digest == crypto.digest_secret(token),
                PasswordReset.expires_at > clock.now(),
                User.status == UserStatus.ACTIVE,
            )
        )
    ).one_or_none()
    if row is None or row[1] != fingerprint(row[0]):
        raise ResetTokenInvalid
    user: User = row[0]
    return user
