"""What can go wrong with taking an account in."""

from spectral_platform.core.errors import BusinessRuleViolationError


class ImportRefused(BusinessRuleViolationError):
    """The file cannot be taken in; nothing of it was."""
