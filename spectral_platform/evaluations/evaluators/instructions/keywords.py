"""Instructions on which words and letters occur, and how often."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from spectral_platform.evaluations.evaluators.instructions.checks import Check, Count, Phrase, Relation, counted
from spectral_platform.evaluations.evaluators.subjects import excerpt

Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=100)]
_MOST_CITED = 5


class Existence(Check):
    """Certain keywords occur, in any case and also within longer words."""

    id: Literal["keywords:existence"]
    keywords: Phrases = Field(description="What must occur.")

    def holds(self, answer: str) -> bool:
        """Look for each keyword."""
        return not self._absent(answer)

    def demand(self) -> str:
        """Name the keywords."""
        return f"contain {_listed(self.keywords, 'and')}"

    def _absent(self, answer: str) -> list[str]:
        return [keyword for keyword in self.keywords if next(_found(keyword.strip() or keyword, answer), None) is None]


class Frequency(Check):
    """A keyword occurs so often, in any case and also within longer words."""

    id: Literal["keywords:frequency"]
    keyword: Phrase = Field(description="What is counted.")
    frequency: Count = Field(description="How often.")
    relation: Relation = Field(description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the keyword."""
        return self.relation.holds(sum(1 for _ in _found(self.keyword.strip() or self.keyword, answer)), self.frequency)

    def demand(self) -> str:
        """Say how often."""
        return f"contain {excerpt(self.keyword, 80)} {self.relation} {counted(self.frequency, 'time')}"


class ForbiddenWords(Check):
    """Certain words do not occur as words of their own, in any case."""

    id: Literal["keywords:forbidden_words"]
    forbidden_words: Phrases = Field(description="What may not occur.")

    def holds(self, answer: str) -> bool:
        """Look for each word."""
        return not self.evidence(answer)

    def demand(self) -> str:
        """Name the words."""
        return f"not contain {_listed(self.forbidden_words, 'or')}"

    def evidence(self, answer: str) -> tuple[str, ...]:
        """Give each word as the answer has it."""
        found = (re.search(rf"(?<!\w){re.escape(word)}(?!\w)", answer, re.IGNORECASE) for word in self.forbidden_words)
        return tuple(match.group() for match in found if match)[:_MOST_CITED]


class LetterFrequency(Check):
    """A letter, or another single character, occurs so often, in any case."""

    id: Literal["keywords:letter_frequency"]
    letter: str = Field(min_length=1, max_length=1, description="The letter, or another character.")
    let_frequency: Count = Field(description="How often.")
    let_relation: Relation = Field(description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the letter."""
        return self.let_relation.holds(answer.lower().count(self.letter.lower()), self.let_frequency)

    def demand(self) -> str:
        """Say how often."""
        return f"contain the letter {excerpt(self.letter)} {self.let_relation} {counted(self.let_frequency, 'time')}"


class KeySentences(Check):
    """So many of certain sentences occur word for word."""

    id: Literal["keywords:key_sentences"]
    key_sentences: Phrases = Field(description="The sentences.")
    num_sentences: Count = Field(description="How many sentences.")

    def holds(self, answer: str) -> bool:
        """Count those that occur."""
        return sum(sentence in answer for sentence in self.key_sentences) == self.num_sentences

    def demand(self) -> str:
        """Say how many of which."""
        return f"contain exactly {self.num_sentences} of these sentences: {_listed(self.key_sentences, 'and')}"


def _found(keyword: str, answer: str) -> Iterator[re.Match[str]]:
    return re.finditer(re.escape(keyword), answer, re.IGNORECASE)


def _listed(texts: tuple[str, ...], conjunction: str) -> str:
    quoted = [excerpt(text, 80) for text in texts]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {conjunction} {quoted[-1]}"
