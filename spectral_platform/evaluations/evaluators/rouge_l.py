"""`rouge_l`: the answer says what the expected output says, in its words and their order."""

from typing import Literal

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators import similarity
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject, excerpt

EVALUATOR = "rouge_l@1"


class RougeL(Value):
    """Parameters of `rouge_l`."""

    kind: Literal["rouge_l"] = "rouge_l"
    threshold: float = Field(default=0.5, gt=0, le=1, description="Least ROUGE-L (F1) that passes.")

    def evaluate(self, subject: Subject) -> Evaluation:
        """Score by ROUGE-L against the expected output; NA without one."""
        if subject.expected_output is None:
            return Evaluation.not_applicable(EVALUATOR, "The case has no expected output.")
        score = similarity.rouge_l(subject.output, subject.expected_output)
        if score >= self.threshold:
            return Evaluation.success(EVALUATOR, score=score)
        feedback = f"The answer must say what is expected, nearly in these words: {excerpt(subject.expected_output)}."
        return Evaluation.failure(EVALUATOR, feedback, score=score)
