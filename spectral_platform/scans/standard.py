"""What answers are held to: the world model's rules, the rubric's dimensions and the objective, pinned for one scan."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from pydantic import TypeAdapter

from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.catalogue import CodeEvaluator, CodeEvaluatorSpec, evaluate
from spectral_platform.evaluations.evaluators.llm_judge import LlmJudge
from spectral_platform.evaluations.evaluators.subjects import Subject
from spectral_platform.evaluations.scoring import DimensionEvaluation, RuleEvaluation
from spectral_platform.evaluations.terms import Constraint, ObjectiveTerm
from spectral_platform.scans.cases import Case
from spectral_platform.worlds.rules import AppliesTo, Rule, Severity, WorldModel

_SPEC: TypeAdapter[CodeEvaluator] = TypeAdapter(CodeEvaluatorSpec)


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

    @cached_property
    def _general_rules(self) -> tuple[tuple[Rule, CodeEvaluator], ...]:
        rules = self.world.active_rules(AppliesTo.EVERY_ANSWER)
        return tuple((rule, _SPEC.validate_python(rule.evaluator)) for rule in rules)

    def apply_rules(self, case: Case, subject: Subject) -> tuple[RuleEvaluation, ...]:
        """What authority A finds: the rules for every answer, and a stimulus's own rule."""
        found = [_judge(rule, evaluator, subject) for rule, evaluator in self._general_rules]
        if case.rule_key is not None and case.rule_evaluator is not None:
            found.append(_judge(self.world.rule(case.rule_key), case.rule_evaluator, subject))
        return tuple(found)

    def apply_code(self, case: Case, subject: Subject) -> tuple[DimensionEvaluation, ...]:
        """What authority B finds without a model; nothing on a stimulus."""
        if case.kind == "stimulus":
            return ()
        return tuple(
            DimensionEvaluation(
                key=dimension.key,
                weight=dimension.weight,
                minimum=dimension.minimum,
                evaluation=evaluate(dimension.evaluator, subject),
            )
            for dimension in self.dimensions
            if not isinstance(dimension.evaluator, LlmJudge)
        )

    def instructions(self) -> dict[str, str]:
        """What each criterion asks of an answer, for strategies that need no model."""
        asked = {rule.key: rule.text for rule in self.world.rules}
        asked.update({dimension.key: dimension.guidance or dimension.description for dimension in self.dimensions})
        return asked


def _judge(rule: Rule, evaluator: CodeEvaluator, subject: Subject) -> RuleEvaluation:
    return RuleEvaluation(
        key=rule.key,
        weight=rule.severity.weight,
        critical=rule.severity is Severity.CRITICAL,
        evaluation=evaluate(evaluator, subject),
    )


def failed_criteria(
    rules: Iterable[RuleEvaluation], dimensions: Iterable[DimensionEvaluation]
) -> tuple[RuleEvaluation | DimensionEvaluation, ...]:
    """Those that did not pass."""
    evaluated: list[RuleEvaluation | DimensionEvaluation] = [*rules, *dimensions]
    return tuple(item for item in evaluated if item.evaluation.passed is False)
