"""Prompts that remember what of them was constant and which value came from which slot."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, TypeAlias

from bench.prompts.words import Words
from spectral_platform.inference.tokens import BOUNDARY


@dataclass
class Rendered:
    """A prompt under construction. ``slots`` are the values' places by name; everything else in it is constant."""

    text: str = ""
    slots: list[tuple[str, int, int]] = field(default_factory=list)

    def say(self, constant: str) -> Self:
        """Add constant text."""
        self.text += constant
        return self

    def put(self, name: str, value: str) -> Self:
        """Add a value."""
        self.slots.append((name, len(self.text), len(self.text) + len(value)))
        self.text += value
        return self

    def user(self) -> Self:
        """Go on with the user's message."""
        return self.say(BOUNDARY)


Template: TypeAlias = Callable[[Words], Rendered]
