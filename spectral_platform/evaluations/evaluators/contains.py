"""`contains`: the answer contains all, any or none of the given texts."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject, excerpt

EVALUATOR = "contains@1"


class Contains(Value):
    """Parameters of `contains`; either one `value` or several `values`."""

    kind: Literal["contains"] = "contains"
    value: Annotated[str, Field(min_length=1)] | None = Field(default=None, description="One text to look for.")
    values: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), max_length=500, description="Several texts.")
    mode: Literal["all", "any", "none"] = Field(default="all", description="How many of the texts must occur.")
    case_sensitive: bool = Field(default=False, description="Whether upper and lower case differ.")

    @model_validator(mode="after")
    def _names_texts_once(self) -> Self:
        if (self.value is None) == (not self.values):
            raise ValueError("give either value or values")
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        """What to look for."""
        return self.values if self.value is None else (self.value,)

    def evaluate(self, subject: Subject) -> Evaluation:
        """Look for each text; the score of `all` and `none` is the share of the texts that are as they should be."""
        output = subject.output if self.case_sensitive else subject.output.casefold()
        present: list[str] = []
        absent: list[str] = []
        for text in self.texts:
            (present if (text if self.case_sensitive else text.casefold()) in output else absent).append(text)
        total = len(self.texts)
        if self.mode == "any":
            if present:
                return Evaluation.success(EVALUATOR)
            return Evaluation.failure(EVALUATOR, f"The answer must mention {_listed(absent, 'or')}.")
        if self.mode == "all":
            if not absent:
                return Evaluation.success(EVALUATOR)
            feedback = f"The answer must mention {_listed(absent, 'and')}."
            return Evaluation.failure(EVALUATOR, feedback, score=len(present) / total)
        if not present:
            return Evaluation.success(EVALUATOR)
        feedback = f"The answer must not mention {_listed(present, 'or')}."
        evidence = tuple(present) if self.case_sensitive else _found(present, subject.output)
        return Evaluation.failure(EVALUATOR, feedback, score=len(absent) / total, evidence=evidence)


def _listed(texts: list[str], conjunction: str) -> str:
    quoted = [excerpt(text, 80) for text in texts]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {conjunction} {quoted[-1]}"


def _found(texts: list[str], output: str) -> tuple[str, ...]:
    """Give the pieces as the output spells them; folding can change a text's length, then there is no piece to cite."""
    folded = output.casefold()
    if len(folded) != len(output):
        return tuple(text for text in texts if text in output)
    starts = [(folded.index(text.casefold()), len(text)) for text in texts if len(text) == len(text.casefold())]
    return tuple(output[start : start + length] for start, length in starts)
