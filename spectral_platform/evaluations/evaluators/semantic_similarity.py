"""`semantic_similarity`: the answer means what the expected output means."""

from typing import Literal

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.similarity import token_f1
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject, excerpt

BY_WORDS = "semantic_similarity@1+token_f1"
BY_MEANING = "semantic_similarity@1+embedding"


class SemanticSimilarity(Value):
    """Parameters of `semantic_similarity`."""

    kind: Literal["semantic_similarity"] = "semantic_similarity"
    threshold: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Least similarity that passes; by default 0.8 by embeddings and 0.5 by shared words.",
    )

    def evaluate(self, subject: Subject) -> Evaluation:
        """Score by the cosine of the embeddings where the subject has it, else by token F1; `evaluator` says which."""
        if subject.expected_output is None:
            return Evaluation.not_applicable(BY_WORDS, "The case has no expected output.")
        if subject.similarity is None:
            evaluator, usual, score = BY_WORDS, 0.5, token_f1(subject.output, subject.expected_output)
        else:
            evaluator, usual, score = BY_MEANING, 0.8, subject.similarity
        if score >= (self.threshold or usual):
            return Evaluation.success(evaluator, score=score)
        feedback = f"The answer must mean the same as this: {excerpt(subject.expected_output)}."
        return Evaluation.failure(evaluator, feedback, score=score)
