"""Writing to people."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock
from spectral_platform.core.jobs import enqueue
from spectral_platform.core.settings import Environment, Settings
from spectral_platform.mail.errors import MailUnconfigured
from spectral_platform.mail.letter import Letter
from spectral_platform.mail.work import SendMail

USEFUL_FOR = timedelta(days=1)


def can_send(settings: Settings) -> bool:
    """Whether letters go somewhere: to an SMTP server, or to the log of a development server."""
    return settings.smtp_host is not None or settings.environment is Environment.DEVELOPMENT


def require_mail(settings: Settings) -> None:
    """Raise ``MailUnconfigured`` where letters go nowhere. Ask this before anything that depends on whom the mail is for."""
    if not can_send(settings):
        raise MailUnconfigured


async def send_mail(
    session: AsyncSession,
    settings: Settings,
    *,
    account_id: UUID,
    to: str,
    subject: str,
    text: str,
    useful_until: datetime | None = None,
) -> None:
    """Have the worker deliver a letter once the caller's transaction commits; it stops trying when the letter is of no more use.

    Without SMTP a development server writes the letter to its log; in production this raises ``MailUnconfigured``.
    """
    require_mail(settings)
    moment = clock.now()
    letter = Letter(id=clock.new_id(), written_at=moment, to=to, subject=subject, text=text)
    sealed = settings.seal.close(letter.model_dump_json())
    await enqueue(session, SendMail(account_id=account_id, letter=sealed, useful_until=useful_until or moment + USEFUL_FOR))
