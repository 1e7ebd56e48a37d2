"""What can go wrong with suggestions for rubrics."""

from uuid import UUID

from spectral_platform.core.errors import InvalidTransitionError, NotFoundError


class SuggestionNotFound(NotFoundError):
    """Nothing that is known suggests this for the rubric, or no longer."""

    def __init__(self, suggestion_id: UUID) -> None:
        super().__init__(f"Suggestion {suggestion_id} not found.")


class SuggestionDecided(InvalidTransitionError):
    """The suggestion was accepted or dismissed before."""

    def __init__(self, current: str, requested: str) -> None:
        super().__init__("The suggestion", current, requested)
