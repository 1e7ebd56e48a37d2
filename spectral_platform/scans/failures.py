"""A failed criterion of one answer: what clusters are made of and proposals learn from."""

from spectral_platform.core.values import Value
from spectral_platform.evaluations.scoring import DimensionEvaluation, RuleEvaluation
from spectral_platform.scans.trials import Trial

SEPARATOR = "\x1f"
CRITICAL_SEVERITY = 1.0


class FailedCriterion(Value):
    """One criterion that one answer of the baseline failed."""

    case_key: str
    criterion: str
    feedback: str
    severity: float

    @property
    def key(self) -> str:
        """Names the case and the criterion."""
        return f"{self.case_key}{SEPARATOR}{self.criterion}"


def case_of(key: str) -> str:
    """The case that a failure's key names."""
    return key.partition(SEPARATOR)[0]


def failures_of(trial: Trial) -> list[FailedCriterion]:
    """Every criterion that the trial's answer failed."""
    evaluated: list[RuleEvaluation | DimensionEvaluation] = [*trial.rules, *trial.dimensions]
    return [
        FailedCriterion(
            case_key=trial.case.key,
            criterion=item.key,
            feedback=item.evaluation.feedback,
            severity=CRITICAL_SEVERITY
            if isinstance(item, RuleEvaluation) and item.critical
            else 1.0 - (item.evaluation.score or 0.0),
        )
        for item in evaluated
        if item.evaluation.passed is False
    ]
