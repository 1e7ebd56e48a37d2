"""The orders that mail gives to the worker."""

from datetime import datetime
from typing import ClassVar

from spectral_platform.core.jobs import Work


class SendMail(Work):
    """Deliver a letter. It is sealed whole: the queue's table shows neither what is in it nor to whom it goes."""

    job: ClassVar[str] = "mail.send"

    letter: str
    useful_until: datetime
    tries: int = 0
