"""`instruction`: the answer follows instructions that a program can verify, by IFEval's names (arXiv 2311.07911)."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.instructions.checks import Check
from spectral_platform.evaluations.evaluators.instructions.formats import (
    ConstrainedResponse,
    JsonFormat,
    MultipleSections,
    NumberOfBulletLists,
    NumberOfHighlightedSections,
    NumberOfPlaceholders,
    Postscript,
    Title,
)
from spectral_platform.evaluations.evaluators.instructions.keywords import (
    Existence,
    ForbiddenWords,
    Frequency,
    KeySentences,
    LetterFrequency,
)
from spectral_platform.evaluations.evaluators.instructions.lengths import (
    NthParagraphFirstWord,
    NumberOfCharacters,
    NumberOfParagraphs,
    NumberOfSentences,
    NumberOfWords,
)
from spectral_platform.evaluations.evaluators.instructions.wording import (
    CapitalWordFrequency,
    EndChecker,
    EnglishCapital,
    EnglishLowercase,
    NoComma,
    Quotation,
    RepeatPrompt,
    ResponseLanguage,
    StartChecker,
    TwoResponses,
)
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject

EVALUATOR = "instruction@1"

AnyCheck = Annotated[
    CapitalWordFrequency
    | ConstrainedResponse
    | EndChecker
    | EnglishCapital
    | EnglishLowercase
    | Existence
    | ForbiddenWords
    | Frequency
    | JsonFormat
    | KeySentences
    | LetterFrequency
    | MultipleSections
    | NoComma
    | NthParagraphFirstWord
    | NumberOfBulletLists
    | NumberOfCharacters
    | NumberOfHighlightedSections
    | NumberOfParagraphs
    | NumberOfPlaceholders
    | NumberOfSentences
    | NumberOfWords
    | Postscript
    | Quotation
    | RepeatPrompt
    | ResponseLanguage
    | StartChecker
    | Title
    | TwoResponses,
    Field(discriminator="id"),
]


def _as_published(value: Any) -> Any:
    """Take an instruction as IFEval's data has it too: arguments under ``kwargs``, absent ones null, counts as 3.0."""
    if not isinstance(value, dict):
        return value
    arguments = value.get("kwargs")
    named = {name: each for name, each in value.items() if name != "kwargs"} if isinstance(arguments, dict) else value
    flat = {**(arguments if isinstance(arguments, dict) else {}), **named}
    return {
        name: int(each) if isinstance(each, float) and each.is_integer() else each
        for name, each in flat.items()
        if each is not None
    }


class Instruction(Value):
    """Parameters of `instruction`."""

    kind: Literal["instruction"] = "instruction"
    instructions: tuple[Annotated[AnyCheck, BeforeValidator(_as_published)], ...] = Field(
        min_length=1, max_length=50, description="Each an `id` of IFEval with its arguments."
    )
    strictness: Literal["strict", "loose"] = Field(
        default="strict",
        description="`loose` forgives a first line, a last line and asterisks, as IFEval's loose accuracy does.",
    )

    def evaluate(self, subject: Subject) -> Evaluation:
        """Verify each instruction; the score is the share that is followed. A blank answer follows none."""
        variants = list(_variants(subject.output, self.strictness))
        broken: list[Check] = [
            check for check in self.instructions if not any(check.holds(answer) for answer in variants if answer.strip())
        ]
        if not broken:
            return Evaluation.success(EVALUATOR)
        evidence = tuple(piece for check in broken for piece in check.evidence(subject.output))
        return Evaluation.failure(
            EVALUATOR,
            f"The answer must {'; and it must '.join(check.demand() for check in broken)}.",
            score=1 - len(broken) / len(self.instructions),
            evidence=evidence[:10],
        )


def _variants(output: str, strictness: str) -> Iterator[str]:
    yield output
    if strictness == "strict":
        return
    lines = output.split("\n")
    whole = ("\n".join(kept).strip() for kept in (lines, lines[1:], lines[:-1], lines[1:-1]))
    for variant in whole:
        yield variant
        yield variant.replace("*", "")
