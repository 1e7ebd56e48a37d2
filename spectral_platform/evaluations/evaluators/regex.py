"""`regex`: the answer matches a pattern, or does not; the engine is linear in the answer's length."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from spectral_platform.core.linear_regex import LinearPattern, compile_pattern
from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject, excerpt

EVALUATOR = "regex@1"


class Regex(Value):
    """Parameters of `regex`."""

    kind: Literal["regex"] = "regex"
    pattern: LinearPattern
    flags: Annotated[str, Field(pattern="^[imsU]*$")] | None = Field(
        default=None,
        description="Any of `i` (ignore case), `m` (multi-line), `s` (dot matches newline), `U` (ungreedy).",
    )
    expect_match: bool = Field(default=True, description="Whether the answer must match or must not.")

    @model_validator(mode="after")
    def _compiles_with_flags(self) -> Self:
        compile_pattern(self.pattern, self.flags or "")
        return self

    def evaluate(self, subject: Subject) -> Evaluation:
        """Search the pattern anywhere in the answer."""
        # As bytes, because in a text the characters before a match are counted, which takes longer than the search.
        match = compile_pattern(self.pattern, self.flags or "").search(subject.output.encode())
        found = match[0].decode(errors="replace") if match else ""
        evidence = (found[:500],) if found else ()
        if (match is not None) is self.expect_match:
            return Evaluation.success(EVALUATOR, evidence=evidence)
        if self.expect_match:
            return Evaluation.failure(EVALUATOR, f"The answer must match the pattern {excerpt(self.pattern)}.")
        feedback = f"The answer must not contain anything that matches the pattern {excerpt(self.pattern)}."
        return Evaluation.failure(EVALUATOR, feedback, evidence=evidence)
