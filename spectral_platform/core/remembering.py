"""Remembering what was read of texts: only of short ones, because a count of what is remembered bounds no memory by itself."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
LONGEST = 8_000
"""Characters of the arguments of one call; what is read of longer ones is read again each time."""


def remembered(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Remember the last ``most`` answers of a pure function of texts, unless it was asked about more than ``LONGEST`` characters.

    Whoever asks again gets the very same object, and must not change it.
    """

    def decorate(read: Callable[P, T]) -> Callable[P, T]:
        @lru_cache(maxsize=most)
        def known(*args: P.args, **kwargs: P.kwargs) -> T:
            if characters(args) > LONGEST:
                raise _TooLong  # what raises is not remembered; only what is read anew is measured
            return read(*args, **kwargs)

        @wraps(read)
        def answer(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return known(*args, **kwargs)  # type: ignore[arg-type] # what is remembered by can be a key
            except _TooLong:
                return read(*args, **kwargs)

        return answer

    return decorate


class _TooLong(Exception):
    """More characters than are worth remembering."""


def characters(part: object) -> int:
    """How many characters are in a text, or in all texts of a tuple or a dataclass."""
    if isinstance(part, str):
        return len(part)
    if isinstance(part, tuple):
        return sum(map(characters, part))
    if is_dataclass(part):
        return sum(characters(getattr(part, field.name)) for field in fields(part))
    return 0
