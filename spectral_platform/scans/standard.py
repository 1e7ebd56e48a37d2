"""What answers are held to: the world model's rules, the rubric's dimensions and the objective, pinned for one scan."""

from dataclasses import dataclass

from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.llm_judge import LlmJudge
from spectral_platform.evaluations.evaluators.subjects import Subject
from spectral_platform.evaluations.limits import Limit, hard_limits
from spectral_platform.evaluations.scoring import DimensionEvaluation, RuleEvaluation
from spectral_platform.evaluations.terms import Constraint, Direction, ObjectiveTerm, usual_direction
from spectral_platform.scans.cases import Case
from spectral_platform.worlds.authority import evaluate_rules
from spectral_platform.worlds.rules import WorldModel


@dataclass(frozen=True)
class Standard:
    """Both authorities and the objective of one scan."""

    world: WorldModel
    dimensions: tuple[Dimension, ...]
    terms: tuple[ObjectiveTerm, ...]
    constraints: tuple[Constraint, ...]

    @property
    def judged(self) -> tuple[Dimension, ...]:
        """The dimensions that a model judges."""
        return tuple(dimension for dimension in self.dimensions if isinstance(dimension.evaluator, LlmJudge))

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What a candidate must keep to, whatever it gains."""
        return hard_limits(self.dimensions, self.constraints)

    def direction(self, metric: str) -> Direction:
        """Which way a metric gets better: as the objective says, else as usual."""
        return next((term.direction for term in self.terms if term.metric == metric), usual_direction(metric))

    def apply_rules(self, case: Case, subject: Subject) -> tuple[RuleEvaluation, ...]:
        """What authority A finds."""
        return evaluate_rules(self.world, subject, stimulus=case.stimulus)

    def apply_code(self, case: Case, subject: Subject) -> tuple[DimensionEvaluation, ...]:
        """What authority B finds without a model; nothing on a stimulus."""
        return () if case.kind == "stimulus" else self.evaluate_code(subject)

    def evaluate_code(self, subject: Subject) -> tuple[DimensionEvaluation, ...]:
        """What the dimensions find that need no model."""
        return tuple(
            DimensionEvaluation(
                key=dimension.key,
                weight=dimension.weight,
                minimum=dimension.minimum,
                evaluation=dimension.evaluator.evaluate(subject),
            )
            for dimension in self.dimensions
            if not isinstance(dimension.evaluator, LlmJudge)
        )

    def instructions(self) -> dict[str, str]:
        """What each criterion asks of an answer, for strategies that need no model."""
        asked = {rule.key: rule.text for rule in self.world.rules}
        asked.update({dimension.key: dimension.guidance or dimension.description for dimension in self.dimensions})
        return asked
