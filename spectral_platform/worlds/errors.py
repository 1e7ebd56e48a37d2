"""What can go wrong with world models."""


class WorldNotFound(Exception):
    """No such world model"""

    def __init__(self, reference: str, known: tuple[str, ...]) -> None:
        super().__init__(f"There is no world model {reference}; there are {', '.join(known)}.")
        self.reference = reference
