"""`max_tokens`: the answer uses no more than a number of tokens, input and output together."""

from typing import Literal

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject

EVALUATOR = "max_tokens@1"


class MaxTokens(Value):
    """Parameters of `max_tokens`."""

    kind: Literal["max_tokens"] = "max_tokens"
    value: int = Field(gt=0, le=1_000_000_000, description="Limit in tokens, input and output together.")

    def evaluate(self, subject: Subject) -> Evaluation:
        """Compare the counted tokens; beyond the limit the score falls as limit / tokens."""
        if subject.total_tokens is None:
            return Evaluation.not_applicable(EVALUATOR, "The number of tokens is unknown.")
        if subject.total_tokens <= self.value:
            return Evaluation.success(EVALUATOR)
        feedback = f"The answer must be shorter: it took {subject.total_tokens} tokens and {self.value} are allowed."
        return Evaluation.failure(EVALUATOR, feedback, score=self.value / subject.total_tokens)
