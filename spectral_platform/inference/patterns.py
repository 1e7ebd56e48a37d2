"""What a template is to a text: constant texts in order, gaps between them, and in gaps sections that may be absent."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Place(NamedTuple):
    """Where the value of a slot lies in a text."""

    slot: int
    start: int
    end: int


class Role(StrEnum):
    """What a slot is by its place: one value, or blocks that repeat."""

    VALUE = "value"
    BLOCKS = "blocks"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a value. ``label`` is what repeating blocks begin with."""

    number: int
    role: Role = Role.VALUE
    label: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """What lies between two constants: a slot, sections that may be absent, or both in this order."""

    slot: Slot | None
    sections: tuple["Section", ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part that some texts have, and what it begins with. As a variable of the template it has a number among the slots."""

    number: int
    marker: str
    body: "Pattern"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Constants and, between them, gaps: one fewer. The gap at ``pivot`` takes what is ambiguous.

    Constants before the pivot are found as far to the left as possible, those behind it as far to the right, so that the value
    between may hold anything, even what the constants say.
    """

    texts: tuple[str, ...]
    gaps: tuple[Gap, ...]
    pivot: int = 0

    def match(self, text: str, start: int = 0, end: int | None = None) -> list[Place] | None:
        """Where each slot's value lies, and each section that is there; None where the text is not of this template."""
        spans = self.spans(text, start, len(text) if end is None else end)
        if spans is None:
            return None
        places: list[Place] = []
        for gap, (begin, stop) in zip(self.gaps, spans, strict=True):
            found = _match_gap(gap, text, begin, stop)
            if found is None:
                return None
            places += found
        return places

    def spans(self, text: str, start: int, end: int) -> list[tuple[int, int]] | None:
        """Where each gap lies in this part of a text; None where the constants are not in it."""
        first, last = self.texts[0], self.texts[-1]
        if not self.gaps:
            return [] if text[start:end] == first else None
        left, right = start + len(first), end - len(last)
        if left > right or not text.startswith(first, start, end) or not text.endswith(last, start, end):
            return None
        spans = [(left, right)] * len(self.gaps)
        for number in range(1, self.pivot + 1):
            at = text.find(self.texts[number], left, right)
            if at < 0:
                return None
            spans[number - 1] = (left, at)
            left = at + len(self.texts[number])
        for number in range(len(self.gaps) - 1, self.pivot, -1):
            at = text.rfind(self.texts[number], left, right)
            if at < 0:
                return None
            spans[number] = (at + len(self.texts[number]), right)
            right = at
        spans[self.pivot] = (left, right)
        return spans

    @property
    def size(self) -> int:
        """How many characters that are not space it fixes, sections left out."""
        return sum(len(each) - sum(map(str.isspace, each)) for each in self.texts)

    def slots(self) -> Iterator[Slot]:
        """All slots, those in sections too."""
        for gap in self.gaps:
            if gap.slot is not None:
                yield gap.slot
            for section in gap.sections:
                yield from section.body.slots()

    def sections(self) -> Iterator[Section]:
        """All sections, those in sections too."""
        for gap in self.gaps:
            for section in gap.sections:
                yield section
                yield from section.body.sections()


def _match_gap(gap: Gap, text: str, start: int, end: int) -> list[Place] | None:
    begins: list[tuple[int, Section]] = []
    at = start
    for section in gap.sections:
        found = text.find(section.marker, at, end)
        if found >= 0:
            begins.append((found, section))
            at = found + len(section.marker)
    first = begins[0][0] if begins else end
    places: list[Place] = []
    if gap.slot is not None:
        places.append(Place(gap.slot.number, start, first))
    elif first > start:
        return None
    stops = [*(at for at, _ in begins[1:]), end]
    for (at, section), stop in zip(begins, stops, strict=True) if begins else ():
        inner = section.body.match(text, at, stop)
        if inner is None:
            return None
        places += [Place(section.number, at, stop), *inner]
    return places
