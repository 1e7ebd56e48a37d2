"""The orders that passwords give to the worker."""

from typing import ClassVar
from uuid import UUID

from spectral_platform.core.jobs import Work

NOBODY = UUID(int=0)
"""The account of an order for which it is not known yet whether there is one."""


class SendResetToken(Work):
    """Write to whoever has an email address, if anybody has it, how to set a new password. The address is sealed.

    It is looked up when this is carried out and not when it was asked for: so the answer to that takes the same time for
    addresses that exist and for those that do not.
    """

    job: ClassVar[str] = "passwords.send_reset_token"

    account_id: UUID = NOBODY
    email: str
