"""Answers to be looked at, and what each dimension of a rubric finds in them or why it finds nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.llm_judge import LlmJudge
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject
from spectral_platform.evaluations.scoring import CaseScore, DimensionEvaluation, Measures, References, score_case

NO_ANSWER = "There is no answer to look at."


class AnswerSource(StrEnum):
    """Whose words are looked at."""

    TRACE = "trace"
    """What the agent really answered, in the trace itself or in the one that a sample was made from."""
    EXPECTED_OUTPUT = "expected_output"
    """What a sample says that a good answer is: a rubric should find it good."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in a trace or for a sample. ``subject`` and ``source`` are None where there is none."""

    kind: str
    id: str
    subject: Subject | None
    source: AnswerSource | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one dimension found in one answer. Where it did not run there is no evaluation, and ``reason`` says why not.

    ``judge_model`` and ``simulated`` are given when a model judged.
    """

    dimension: Dimension
    reason: str
    evaluation: Evaluation | None = None
    judge_model: str | None = None
    simulated: bool | None = None
    cost_usd: Decimal | None = None

    @property
    def key(self) -> str:
        """The dimension's key."""
        return self.dimension.key

    @property
    def ran(self) -> bool:
        """Whether there is a score."""
        return self.evaluation is not None and self.evaluation.score is not None

    @property
    def score(self) -> float | None:
        """The score; None where there is none."""
        return self.evaluation.score if self.evaluation else None

    @property
    def passed(self) -> bool | None:
        """Whether the answer is as it should be; None where there is no score."""
        return self.evaluation.passed if self.evaluation else None

    @property
    def feedback(self) -> str:
        """What the answer must do; empty where it does."""
        return self.evaluation.feedback if self.evaluation and self.ran else ""

    @property
    def evidence(self) -> tuple[str, ...]:
        """Pieces of the answer that the finding rests on."""
        return self.evaluation.evidence if self.evaluation else ()

    @property
    def evaluator(self) -> str | None:
        """Which evaluator in which version, and how where it has several ways; None where it was not asked."""
        return self.evaluation.evaluator if self.evaluation else None


def by_code(dimensions: Sequence[Dimension], subject: Subject) -> list[Finding]:
    """What the dimensions that need no model find."""
    return [
        found(dimension, dimension.evaluator.evaluate(subject))
        for dimension in dimensions
        if not isinstance(dimension.evaluator, LlmJudge)
    ]


def found(dimension: Dimension, evaluation: Evaluation) -> Finding:
    """A finding with its reason in words."""
    if evaluation.score is None:
        return Finding(dimension, evaluation.feedback or "It does not apply.", evaluation)
    said = f" {evaluation.feedback}" if evaluation.feedback else ""
    return Finding(dimension, f"It scored {evaluation.score:.3g}.{said}", evaluation)


def judged_dimensions(dimensions: Sequence[Dimension]) -> list[Dimension]:
    """The dimensions that a model judges."""
    return [dimension for dimension in dimensions if isinstance(dimension.evaluator, LlmJudge)]


def quality_of(findings: Sequence[Finding]) -> CaseScore:
    """The rubric's blend of the dimensions that ran, by the one definition of the composite."""
    evaluations = [
        DimensionEvaluation(
            key=finding.key, weight=finding.dimension.weight, minimum=finding.dimension.minimum, evaluation=finding.evaluation
        )
        for finding in findings
        if finding.evaluation is not None
    ]
    return score_case(rules=(), dimensions=evaluations, measures=Measures(), terms=(), references=References())
