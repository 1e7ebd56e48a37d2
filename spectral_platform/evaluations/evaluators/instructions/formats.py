"""Instructions on the form of an answer: lists, titles, sections, placeholders, JSON."""

from typing import Annotated, Literal

import orjson
import re2
from pydantic import Field

from spectral_platform.evaluations.evaluators.instructions.checks import Check, Count, Phrase, Relation, counted
from spectral_platform.evaluations.evaluators.subjects import excerpt

_PLACEHOLDER = re2.compile(r"\[[^\]\n]*\]")
_BULLET = re2.compile(r"(?m)^\s*(?:\*[^*\n]|-[^-\n]|-$|[+•]\s)")
_HIGHLIGHTS = (re2.compile(r"\*([^\n*]*)\*"), re2.compile(r"\*\*([^\n*]*)\*\*"))
_TITLE = re2.compile(r"<<[^\n]+>>")
_POSTSCRIPTS = {"P.S.": re2.compile(r"(?i)p\.\s?s\."), "P.P.S": re2.compile(r"(?i)p\.\s?p\.\s?s")}
_OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


class NumberOfPlaceholders(Check):
    """So many placeholders in square brackets, such as [address]."""

    id: Literal["detectable_content:number_placeholders"]
    num_placeholders: Count = Field(description="How many placeholders.")
    relation: Relation = Field(default=Relation.AT_LEAST, description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the placeholders."""
        return self.relation.holds(sum(1 for _ in _PLACEHOLDER.finditer(answer)), self.num_placeholders)

    def demand(self) -> str:
        """Say how many."""
        return f"have {self.relation} {counted(self.num_placeholders, 'placeholder')} in square brackets, such as [address]"


class Postscript(Check):
    """A postscript with this marker."""

    id: Literal["detectable_content:postscript"]
    postscript_marker: Phrase = Field(description="How the postscript begins, such as `P.S.`.")

    def holds(self, answer: str) -> bool:
        """Look for the marker, in any case; within `P.S.` and `P.P.S` there may be spaces."""
        marker = self.postscript_marker.strip()
        if marker in _POSTSCRIPTS:
            return _POSTSCRIPTS[marker].search(answer) is not None
        return marker.casefold() in answer.casefold()

    def demand(self) -> str:
        """Name the marker."""
        return f"end with a postscript that begins with {excerpt(self.postscript_marker)}"


class NumberOfBulletLists(Check):
    """So many bullet points."""

    id: Literal["detectable_format:number_bullet_lists"]
    num_bullets: Count = Field(description="How many bullet points.")
    relation: Relation = Field(default=Relation.EXACTLY, description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the lines that begin with a bullet; emphasis and rules are none."""
        return self.relation.holds(sum(1 for _ in _BULLET.finditer(answer)), self.num_bullets)

    def demand(self) -> str:
        """Say how many."""
        return f"have {self.relation} {counted(self.num_bullets, 'bullet point')}, each on a line that begins with *"


class ConstrainedResponse(Check):
    """One of several fixed answers; by default IFEval's three."""

    id: Literal["detectable_format:constrained_response"]
    options: Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=100)] = Field(
        default=_OPTIONS, description="The answers that are allowed."
    )

    def holds(self, answer: str) -> bool:
        """Look for each of them; the answer may say more."""
        return any(option in answer for option in self.options)

    def demand(self) -> str:
        """Name the answers."""
        return f"say one of these: {', '.join(excerpt(option, 80) for option in self.options)}"


class NumberOfHighlightedSections(Check):
    """So many pieces between asterisks, `*so*` or `**so**`."""

    id: Literal["detectable_format:number_highlighted_sections"]
    num_highlights: Count = Field(description="How many highlighted pieces.")
    relation: Relation = Field(default=Relation.AT_LEAST, description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the pieces that are not blank."""
        found = sum(bool(match.group(1).strip()) for pattern in _HIGHLIGHTS for match in pattern.finditer(answer))
        return self.relation.holds(found, self.num_highlights)

    def demand(self) -> str:
        """Say how many."""
        return f"highlight {self.relation} {counted(self.num_highlights, 'section')} with markdown, *like this*"


class MultipleSections(Check):
    """So many sections, each beginning with a word and a number, such as `Section 1`."""

    id: Literal["detectable_format:multiple_sections"]
    section_spliter: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="The word before each section's number; spelled as IFEval spells it."
    )
    num_sections: Count = Field(description="How many sections.")
    relation: Relation = Field(default=Relation.AT_LEAST, description="How the count stands to the number.")

    def holds(self, answer: str) -> bool:
        """Count the beginnings of sections."""
        pattern = rf"{re2.escape(self.section_spliter.strip())}\s?\d+"
        return self.relation.holds(sum(1 for _ in re2.finditer(pattern, answer)), self.num_sections)

    def demand(self) -> str:
        """Say how many."""
        splitter = self.section_spliter.strip()
        return (
            f"have {self.relation} {counted(self.num_sections, 'section')} that begin with {excerpt(f'{splitter} 1')} and so on"
        )


class JsonFormat(Check):
    """The whole answer is JSON; a code fence around it is allowed."""

    id: Literal["detectable_format:json_format"]

    def holds(self, answer: str) -> bool:
        """Parse it."""
        bare = answer.strip()
        if bare.startswith("```"):
            bare = bare.removeprefix("```").removesuffix("```")
            bare = bare[4:] if bare[:4].casefold() == "json" else bare
        try:
            orjson.loads(bare)
        except orjson.JSONDecodeError:
            return False
        return True

    def demand(self) -> str:
        """Say so."""
        return "be JSON and nothing else"


class Title(Check):
    """A title in double angular brackets."""

    id: Literal["detectable_format:title"]

    def holds(self, answer: str) -> bool:
        """Look for one that is not blank."""
        return any(match.group().lstrip("<").rstrip(">").strip() for match in _TITLE.finditer(answer))

    def demand(self) -> str:
        """Show one."""
        return "have a title in double angular brackets, such as <<poem of joy>>"
