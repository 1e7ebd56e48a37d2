"""What can go wrong with world models."""

from spectral_platform.core.errors import NotFoundError


class WorldNotFound(NotFoundError):
    """World Model Not Found"""

    def __init__(self, reference: str, known: tuple[str, ...]) -> None:
        super().__init__(f"There is no world model {reference}; there are {', '.join(known)}.")
