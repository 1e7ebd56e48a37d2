"""Authority A at work: what the rules of a world model find in one answer."""

from spectral_platform.evaluations.evaluators.catalogue import CodeEvaluator
from spectral_platform.evaluations.evaluators.subjects import Subject
from spectral_platform.evaluations.scoring import RuleEvaluation
from spectral_platform.worlds.rules import Rule, Severity, WorldModel
from spectral_platform.worlds.stimuli import Stimulus

OWN_STIMULUS_EMPHASIS = 10.0
"""How much more a rule counts on a stimulus made to test it: there the other rules hold almost by themselves."""


def evaluate_rules(world: WorldModel, subject: Subject, *, stimulus: Stimulus | None = None) -> tuple[RuleEvaluation, ...]:
    """Check an answer by the rules for every answer and, on a stimulus, by the stimulus's own rule before them.

    ``subject.system_prompt`` must be given for rules on leaked instructions to apply.
    """
    own = world.rule(stimulus.rule_key) if stimulus else None
    waived = own.generator.waives if own and own.generator else ()
    found = []
    if stimulus and own:
        found.append(_evaluated(own, stimulus.evaluator, subject, emphasis=OWN_STIMULUS_EMPHASIS))
    for rule in world.common_rules:
        if rule.key not in waived:
            found.append(_evaluated(rule, rule.spec, subject))
    return tuple(found)


def _evaluated(rule: Rule, evaluator: CodeEvaluator, subject: Subject, *, emphasis: float = 1.0) -> RuleEvaluation:
    return RuleEvaluation(
        key=rule.key,
        weight=rule.severity.weight * emphasis,
        critical=rule.severity is Severity.CRITICAL,
        evaluation=evaluator.evaluate(subject),
    )
