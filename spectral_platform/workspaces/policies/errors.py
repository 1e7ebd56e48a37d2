"""What can go wrong with policies."""

from spectral_platform.core.errors import VersionConflictError


class PolicyChanged(VersionConflictError):
    """The policy is not the one that If-Match names any more."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"The workspace's {kind} policy is not the one that If-Match names any more; read it again.")
