"""Handing letters to the SMTP server."""

import aiosmtplib

from spectral_platform.core.settings import Settings
from spectral_platform.mail.errors import MailDelayed, MailRefused
from spectral_platform.mail.letter import Letter, as_message

PERMANENT = 500


async def deliver(letter: Letter, settings: Settings) -> None:
    """Hand a letter over. Raises ``MailRefused`` for a reply of 5xx and ``MailDelayed`` for anything else that goes wrong."""
    assert settings.mail_from is not None
    password = settings.smtp_password
    try:
        await aiosmtplib.send(
            as_message(letter, sender=settings.mail_from),
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=password.get_secret_value() if password else None,
            use_tls=settings.smtp_tls == "implicit",
            start_tls=settings.smtp_tls == "starttls",
            timeout=settings.smtp_timeout_s,
        )
    except (aiosmtplib.SMTPException, OSError) as error:
        code = _reply_code(error)
        if code is not None and code >= PERMANENT:
            # The reply's text and the chain behind it may name the recipient, and errors reach the log.
            raise MailRefused(code) from None
        raise MailDelayed(str(code or type(error).__name__)) from None


def _reply_code(error: Exception) -> int | None:
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        return error.recipients[0].code
    return error.code if isinstance(error, aiosmtplib.SMTPResponseException) else None
