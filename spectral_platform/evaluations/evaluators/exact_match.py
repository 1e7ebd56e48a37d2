"""`exact_match`: the answer equals a value, or the case's expected output."""

import unicodedata
from typing import Literal

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.ngrams import words
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject, excerpt

EVALUATOR = "exact_match@1"


class ExactMatch(Value):
    """Parameters of `exact_match`."""

    kind: Literal["exact_match"] = "exact_match"
    value: str | None = Field(default=None, description="What the answer must be; else the sample's expected output.")
    normalize: bool = Field(default=False, description="Ignore case, punctuation, spacing and Unicode variants.")

    def evaluate(self, subject: Subject) -> Evaluation:
        """Compare the whole answer; NA when there is nothing to compare with."""
        expected = self.value if self.value is not None else subject.expected_output
        if expected is None:
            return Evaluation.not_applicable(EVALUATOR, "The case has no expected output.")
        equal = subject.output == expected
        if self.normalize:
            equal = equal or _normalized(subject.output) == _normalized(expected)
        if equal:
            return Evaluation.success(EVALUATOR)
        if _normalized(subject.output) == _normalized(expected):
            feedback = f"The answer must be exactly {excerpt(expected)}, with the same case, punctuation and spacing."
        elif expected.strip() and expected in subject.output:
            feedback = f"The answer must be only {excerpt(expected)}, without any other words around it."
        else:
            feedback = f"The answer must be {excerpt(expected)}."
        return Evaluation.failure(EVALUATOR, feedback)


def _normalized(text: str) -> str:
    folded = " ".join(word.folded for word in words(unicodedata.normalize("NFKC", text)))
    # An answer made of symbols alone has no words: it is compared as it stands.
    return folded or text.strip()
