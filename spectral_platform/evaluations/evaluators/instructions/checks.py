"""What every verifiable instruction is: arguments, a demand in words, and a check that needs nothing but the answer."""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from spectral_platform.core.values import Value

Count = Annotated[int, Field(ge=0, le=1_000_000)]
Phrase = Annotated[str, Field(min_length=1, max_length=2_000)]


class Relation(StrEnum):
    """How a count stands to its limit; IFEval has the first two."""

    LESS_THAN = "less than"
    AT_LEAST = "at least"
    AT_MOST = "at most"
    MORE_THAN = "more than"
    EXACTLY = "exactly"

    def holds(self, counted: int, limit: int) -> bool:
        """Tell whether what was counted keeps to the limit."""
        match self:
            case Relation.LESS_THAN:
                return counted < limit
            case Relation.AT_LEAST:
                return counted >= limit
            case Relation.AT_MOST:
                return counted <= limit
            case Relation.MORE_THAN:
                return counted > limit
            case Relation.EXACTLY:
                return counted == limit


class Check(Value, ABC):
    """One instruction with its arguments."""

    @abstractmethod
    def holds(self, answer: str) -> bool:
        """Tell whether an answer, which is not blank, follows the instruction."""

    @abstractmethod
    def demand(self) -> str:
        """Say what the answer must do, as the end of a sentence that begins with "The answer must"."""

    def evidence(self, answer: str) -> tuple[str, ...]:
        """Give the pieces of the answer that break the instruction, where there are some to be cited."""
        return ()


def counted(number: int, thing: str) -> str:
    """Say how many, such as "1 word" or "2 words"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
