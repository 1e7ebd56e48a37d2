"""The steps of one run of an agent, from the spans of a trace or from what an answer asks for."""

import re
from collections.abc import Sequence

import orjson

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.subjects import Subject
from spectral_platform.traces.spans import SpanKind

_ERROR_CLASSES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(words, re.IGNORECASE))
    for name, words in (
        ("timeout", r"time[d -]?\s?out|deadline exceeded"),
        ("rate_limit", r"rate.?limit|too many requests|\b429\b|quota"),
        ("unavailable", r"unavailable|overloaded|connection|\b50[0234]\b|bad gateway"),
        ("denied", r"unauthori[sz]ed|forbidden|permission|access denied|\b40[13]\b"),
        ("not_found", r"not found|no such|does not exist|\b404\b"),
        ("invalid_arguments", r"invalid|missing (?:required )?(?:argument|parameter|field)|validation|required|\b4(?:00|22)\b"),
    )
)
TRANSIENT = frozenset({"timeout", "rate_limit", "unavailable"})
"""Classes of errors after which the same call may well succeed."""


class Step(Value):
    """One thing that was done. ``name`` is the tool's, the model's or the agent's; texts are None where nobody recorded them.

    ``seen`` is what a model was shown, as far as it was recorded, and ``finish`` why it stopped.
    """

    kind: SpanKind
    name: str
    span_id: str | None = None
    arguments: str | None = None
    result: str | None = None
    error: str | None = None
    seen: str | None = None
    finish: str | None = None

    @property
    def call(self) -> str | None:
        """The tool with its arguments in one form, so that two calls can be compared; None where the arguments are unknown."""
        return None if self.arguments is None else f"{self.name}\x1f{canonical(self.arguments)}"


class Trajectory(Value):
    """The steps of a run in the order in which they began, with what was asked and answered."""

    question: str
    answer: str
    steps: tuple[Step, ...]

    def of(self, *kinds: SpanKind) -> list[Step]:
        """The steps of these kinds."""
        return [step for step in self.steps if step.kind in kinds]


def trajectory_of(subject: Subject) -> Trajectory:
    """What an answer asks for as steps: what came of them is unknown."""
    calls = subject.tool_calls or ()
    return Trajectory(
        question=subject.input,
        answer=subject.output,
        steps=tuple(
            Step(
                kind=SpanKind.TOOL,
                name=call.name,
                arguments=call.arguments if isinstance(call.arguments, str) else orjson.dumps(call.arguments).decode(),
            )
            for call in calls
        ),
    )


def canonical(text: str) -> str:
    """JSON with its names in order and no spaces, anything else with its spaces evened out."""
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return " ".join(text.split())


def error_class(message: str) -> str:
    """What kind of error a message tells of, in one word; ``other`` where it does not say."""
    return next((name for name, words in _ERROR_CLASSES if words.search(message)), "other")


def names_in_order(steps: Sequence[Step]) -> list[str]:
    """The names of steps, of several alike in a row only one."""
    names: list[str] = []
    for step in steps:
        if not names or names[-1] != step.name:
            names.append(step.name)
    return names
