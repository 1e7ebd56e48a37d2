"""What can go wrong with sessions."""

from spectral_platform.core.errors import NotFoundError


class SessionNotFound(NotFoundError):
    """No trace of this workspace belongs to the session."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"Session {session_id} not found.")
