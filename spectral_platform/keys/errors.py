"""What can go wrong with API keys."""

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError


class KeyNotFound(NotFoundError):
    """The key does not exist in this workspace."""

    def __init__(self, key_id: object) -> None:
        super().__init__(f"Key {key_id} not found.")


class KeyScopeRefused(BusinessRuleViolationError):
    """Keys cannot carry this scope."""

    def __init__(self, scopes: list[str]) -> None:
        super().__init__(f"A key cannot carry {', '.join(scopes)}.", scopes=scopes)


class KeyExpiryInPast(BusinessRuleViolationError):
    """The key would expire before it could be used."""

    def __init__(self) -> None:
        super().__init__("expires_at lies in the past.")
