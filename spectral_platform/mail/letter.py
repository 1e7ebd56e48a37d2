"""A letter: plain text to one person, and its form as an internet message (RFC 5322)."""

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from uuid import UUID

from spectral_platform.core.values import Value


class Letter(Value):
    """What is written to whom. The id stays the same over all tries, so that a letter delivered twice shows as one."""

    id: UUID
    written_at: datetime
    to: str
    subject: str
    text: str


def as_message(letter: Letter, *, sender: str) -> EmailMessage:
    """The letter as it goes over the wire. It says that a machine wrote it (RFC 3834), so that no machine answers."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = letter.to
    message["Subject"] = " ".join(letter.subject.split())  # a line break would begin another header
    message["Date"] = format_datetime(letter.written_at)
    message["Message-ID"] = f"<{letter.id}@{parseaddr(sender)[1].partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message
