"""Instructions on how long an answer is: characters, words, sentences, paragraphs."""

import re
from itertools import pairwise
from typing import Literal, Self

import re2
from pydantic import Field, model_validator

from spectral_platform.evaluations.evaluators.instructions.checks import Check, Count, Phrase, Relation, counted
from spectral_platform.evaluations.evaluators.ngrams import UNSPACED
from spectral_platform.evaluations.evaluators.subjects import excerpt

_DIVIDER = "***"
_WORD = re.compile(rf"{UNSPACED}|(?:(?!{UNSPACED})\w)+")
_STOP = re2.compile(r"""[.!?…]+["'”’»)\]*_]*(?:\s+|$)|[。！？｡]+[」』”）]*\s*|[।॥۔؟]+\s*""")
_TITLES = frozenset(
    re.findall(
        r"\S+",
        "mr mrs ms dr prof rev hon gov gen col capt lt sgt st sr jr messrs mme mlle vs cf fig figs eq nos vol pp approx dept est"
        " e.g i.e viz bzw ca z.b d.h",
    )
)


class NumberOfWords(Check):
    """How many words; where a script has no spaces, each character is one."""

    id: Literal["length_constraints:number_words"]
    num_words: Count = Field(description="How many words.")
    relation: Relation = Field(description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the words."""
        return self.relation.holds(count_words(answer), self.num_words)

    def demand(self) -> str:
        """Say how many words."""
        return f"have {self.relation} {counted(self.num_words, 'word')}"


class NumberOfCharacters(Check):
    """How many characters, spaces at both ends not counted; not of IFEval."""

    id: Literal["length_constraints:number_characters"]
    num_characters: Count = Field(description="How many characters.")
    relation: Relation = Field(description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the characters."""
        return self.relation.holds(len(answer.strip()), self.num_characters)

    def demand(self) -> str:
        """Say how many characters."""
        return f"have {self.relation} {counted(self.num_characters, 'character')}"


class NumberOfSentences(Check):
    """How many sentences."""

    id: Literal["length_constraints:number_sentences"]
    num_sentences: Count = Field(description="How many sentences.")
    relation: Relation = Field(description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the sentences."""
        return self.relation.holds(count_sentences(answer), self.num_sentences)

    def demand(self) -> str:
        """Say how many sentences."""
        return f"have {self.relation} {counted(self.num_sentences, 'sentence')}"


class NumberOfParagraphs(Check):
    """How many paragraphs with `***` between them."""

    id: Literal["length_constraints:number_paragraphs"]
    num_paragraphs: Count = Field(description="How many paragraphs.")
    relation: Relation = Field(default=Relation.EXACTLY, description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the paragraphs; an empty one between two dividers breaks the form."""
        paragraphs = [paragraph.strip() for paragraph in answer.split(_DIVIDER)]
        inner = paragraphs[not paragraphs[0] : len(paragraphs) - (not paragraphs[-1])]
        return all(inner) and self.relation.holds(len(inner), self.num_paragraphs)

    def demand(self) -> str:
        """Say how many paragraphs."""
        return f"have {self.relation} {counted(self.num_paragraphs, 'paragraph')}, separated by {_DIVIDER}"


class NthParagraphFirstWord(Check):
    """How many paragraphs with blank lines between them, and with which word one of them begins."""

    id: Literal["length_constraints:nth_paragraph_first_word"]
    num_paragraphs: Count = Field(description="How many paragraphs.")
    nth_paragraph: int = Field(ge=1, le=1_000_000, description="Which paragraph, from 1.")
    first_word: Phrase = Field(description="With which word that paragraph begins.")

    @model_validator(mode="after")
    def _has_the_paragraph(self) -> Self:
        if self.nth_paragraph > self.num_paragraphs:
            raise ValueError("nth_paragraph is one of num_paragraphs")
        return self

    def holds(self, answer: str) -> bool:
        """Count the paragraphs and compare the word, without case and punctuation."""
        paragraphs = [paragraph for paragraph in answer.split("\n\n") if paragraph.strip()]
        if len(paragraphs) != self.num_paragraphs:
            return False
        first = paragraphs[self.nth_paragraph - 1].split()[0].lstrip("'\"“‘*_#")
        return re.split(r"[.,?!:;'\"’”*_]", first, maxsplit=1)[0].casefold() == self.first_word.strip().casefold()

    def demand(self) -> str:
        """Say how many paragraphs, and the word."""
        paragraphs = counted(self.num_paragraphs, "paragraph")
        word = excerpt(self.first_word)
        return f"have {paragraphs}, separated by blank lines, of which number {self.nth_paragraph} begins with {word}"


def count_words(text: str) -> int:
    """Count runs of letters, digits and underscores, as IFEval does, and the characters of scripts without spaces."""
    return sum(1 for _ in _WORD.finditer(text))


def count_sentences(text: str) -> int:
    """Count sentences: a stop ends one, but not after a title, an initial or a list's number, nor before a small letter."""
    ends = [match.end() for match in _STOP.finditer(text) if _is_end(text, match.start(), match.end())]
    pieces = (text[begin:end] for begin, end in pairwise([0, *ends, len(text)]))
    return sum(any(character.isalnum() for character in piece) for piece in pieces)


def _is_end(text: str, start: int, end: int) -> bool:
    if text[start] != "." or text[start : start + 2] == "..":
        return not text[end : end + 1].islower()
    line = text[max(0, start - 40) : start].rpartition("\n")[2]
    before = "" if line[-1:].isspace() else line.split()[-1].lstrip("(\"'“‘*_") if line else ""
    is_initial = len(before) == 1 and before.isupper() and before != "I"
    is_number_of_list = line.strip() == before and (before.isdigit() or (len(before) == 1 and before.isalpha()))
    if before.casefold() in _TITLES or is_initial or is_number_of_list:
        return end >= len(text) and not is_number_of_list
    return not text[end : end + 1].islower()
