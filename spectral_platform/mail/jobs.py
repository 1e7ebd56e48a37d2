"""What the worker does for mail."""

from datetime import timedelta

import structlog

from spectral_platform.core import clock
from spectral_platform.core.jobs import JobContext, enqueue, job
from spectral_platform.mail.commands import can_send
from spectral_platform.mail.delivery import deliver
from spectral_platform.mail.errors import MailDelayed, MailRefused
from spectral_platform.mail.letter import Letter
from spectral_platform.mail.work import SendMail

logger = structlog.get_logger(__name__)

FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(hours=1)


@job(SendMail)
async def deliver_mail(context: JobContext, work: SendMail) -> None:
    """Hand the letter to the SMTP server, or order another try for later.

    Servers that greylist want to be asked again after minutes and those that are down come back after hours, which is longer
    than the queue's own tries last.
    """
    letter = Letter.model_validate_json(context.settings.seal.open(work.letter))
    if not can_send(context.settings):  # it was configured when the letter was written; what is in it is for no log
        logger.error("mail_given_up", letter=str(letter.id), tries=work.tries, reason="no SMTP server is configured any more")
        return
    if context.settings.smtp_host is None:
        logger.warning(
            "mail_not_sent", reason="no SMTP server is configured", to=letter.to, subject=letter.subject, text=letter.text
        )
        return
    try:
        await deliver(letter, context.settings)
    except MailRefused as refused:
        logger.error("mail_refused", letter=str(letter.id), code=refused.code)
    except MailDelayed as delayed:
        again_at = clock.now() + min(LONGEST_WAIT, FIRST_WAIT * 4**work.tries)
        if again_at > work.useful_until:
            logger.error("mail_given_up", letter=str(letter.id), tries=work.tries + 1, reason=delayed.detail)
            return
        logger.warning("mail_delayed", letter=str(letter.id), again_at=again_at.isoformat(), reason=delayed.detail)
        async with context.database.transaction() as session:
            await enqueue(session, work.model_copy(update={"tries": work.tries + 1}), at=again_at)
