"""Failures of answers and of traces: what clusters are made of and proposals learn from."""

import hashlib
from collections.abc import Iterable, Mapping

import orjson
from pydantic import Field

from spectral_platform.changesets.clusters.failures import Failure, mask
from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.subjects import Subject
from spectral_platform.evaluations.scoring import DimensionEvaluation, RuleEvaluation
from spectral_platform.evaluations.trajectories.detectors import NAMES, Detection, detect
from spectral_platform.evaluations.trajectories.trajectory import error_class, trajectory_of
from spectral_platform.llm.messages import ToolCall
from spectral_platform.scans.cases import Case
from spectral_platform.scans.trials import WITHOUT_SCORE, Trial, TrialStatus

SEPARATOR = "\x1f"
CRITICAL_SEVERITY = 1.0
AGENT_ERROR = "agent:error"
TRACE_ERROR = "trace:error"
SEEN_IN_TRACES = frozenset({AGENT_ERROR, TRACE_ERROR, *(f"detector:{name}" for name in NAMES)})
"""What every scan looks for, whatever its rubric."""
_QUESTION = 200
"""Characters of what was asked that take part in clustering."""


class FailedCriterion(Value):
    """One criterion that one answer of the baseline failed, or something that a detector found in it."""

    case_key: str
    criterion: str
    feedback: str
    severity: float
    tokens: tuple[str, ...] = ()
    evaluator: str = ""

    @property
    def key(self) -> str:
        """Names the case and the criterion."""
        return f"{self.case_key}{SEPARATOR}{self.criterion}"


class TraceFailure(Value):
    """Something that went wrong in one trace of the window. ``comment`` is what a person said; it is never quoted."""

    trace_id: str
    criterion: str
    feedback: str
    question: str
    severity: float
    comment: str = ""
    tokens: tuple[str, ...] = ()
    evaluator: str = ""

    @property
    def key(self) -> str:
        """Names the trace and the criterion, so that no case has the same name."""
        return f"trace:{self.trace_id}{SEPARATOR}{self.criterion}"


class Traffic(Value):
    """What was seen in the traces of one agent: how many there were, what failed, and what each cost."""

    traces: int = 0
    failures: tuple[TraceFailure, ...] = ()
    costs: dict[str, float] = Field(default_factory=dict)


def case_of(key: str) -> str:
    """The case, or the trace, that a failure's key names."""
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
            evaluator=item.evaluation.evaluator,
        )
        for item in evaluated
        if item.evaluation.passed is False
    ]


def detected_in(trial: Trial) -> list[FailedCriterion]:
    """What detectors find in the trial's answer, and that there is none because the agent failed."""
    if trial.status is TrialStatus.AGENT_ERROR:
        problem = trial.problem or "The agent gave no answer."
        return [
            FailedCriterion(
                case_key=trial.case.key,
                criterion=AGENT_ERROR,
                feedback=problem,
                severity=CRITICAL_SEVERITY,
                tokens=(f"error:{error_class(problem)}",),
            )
        ]
    if trial.status in WITHOUT_SCORE:
        return []
    subject = Subject(input=trial.case.text, output=trial.output, tool_calls=trial.tool_calls or _calls_in(trial.output))
    return [
        FailedCriterion(
            case_key=trial.case.key,
            criterion=f"detector:{found.detector}",
            feedback=f"{found.feedback} {found.evidence}",
            severity=found.severity,
            tokens=tokens_of(found),
        )
        for found in detect(trajectory_of(subject))
    ]


def _calls_in(output: str) -> tuple[ToolCall, ...]:
    """The calls of an answer that is nothing but calls, as trials write them."""
    calls = []
    for line in output.splitlines():
        try:
            calls.append(ToolCall.model_validate(orjson.loads(line)))
        except ValueError:
            return ()
    return tuple(calls)


def tokens_of(found: Detection) -> tuple[str, ...]:
    """What is known exactly of a detection besides its detector."""
    known = {"tool": found.tool, "step": found.kind, "error": found.error}
    return tuple(f"{name}:{value}" for name, value in known.items() if value)


def as_clustered(
    failures: Iterable[FailedCriterion],
    traffic: Iterable[TraceFailure],
    cases: Mapping[str, Case],
    instructions: Mapping[str, str],
) -> list[Failure]:
    """Failures of cases and of traces as clustering sees them: first what went wrong, then what was asked or commented.

    What traces were asked is left out: traffic asks the same again and again, and would be grouped by that. ``instructions`` say
    what each criterion asks of an answer.
    """
    return [
        *(
            Failure(
                key=failure.key,
                text=f"{failure.feedback}\n{cases[failure.case_key].text[:_QUESTION]}",
                fingerprint=(failure.criterion, *failure.tokens),
                asked=instructions.get(failure.criterion, ""),
                severity=max(0.0, min(1.0, failure.severity)),
            )
            for failure in failures
        ),
        *(
            Failure(
                key=failure.key,
                text=f"{failure.feedback}\n{failure.comment}",
                fingerprint=(failure.criterion, *failure.tokens),
                asked=instructions.get(failure.criterion, ""),
                severity=max(0.0, min(1.0, failure.severity)),
            )
            for failure in traffic
        ),
    ]


def likeness(question: str, criterion: str) -> str:
    """The same for the same question, numbers and names aside, that fails the same: what a later scan recognises it by."""
    return hashlib.blake2b(f"{mask(question)}{SEPARATOR}{criterion}".encode(), digest_size=12).hexdigest()
