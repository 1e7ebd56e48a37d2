"""What can go wrong with mail."""

from spectral_platform.core.errors import BusinessRuleViolationError, UnavailableError


class MailUnconfigured(BusinessRuleViolationError):
    """This server cannot send mail."""

    def __init__(self) -> None:
        super().__init__("This server cannot send mail: its operator has to set SPECTRAL_SMTP_HOST and SPECTRAL_MAIL_FROM.")


class MailDelayed(UnavailableError):
    """The SMTP server does not take the mail now."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The SMTP server does not take the mail now: {reason}.")


class MailRefused(BusinessRuleViolationError):
    """The SMTP server refuses the mail for good."""

    def __init__(self, code: int) -> None:
        super().__init__(f"The SMTP server refuses the mail with code {code}.", code=code)
        self.code = code
