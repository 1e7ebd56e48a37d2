"""What is watched in production, and when it has shown a regression.

Everything is a share of traces: those that failed, that people disliked, that cost or took more than nineteen of twenty did
before. A share has one assumption less than a mean: nothing about how costs or times are distributed. Before the change a share
was at most ``allowed``, surely enough; afterwards every trace bets against that, and enough capital is a regression.
"""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.statistics.eprocess import EProcess

ALPHA = 0.01
"""How likely a change that made nothing worse is rolled back at most, over everything and all the time that is watched."""
LEAST_TRACES = 50
"""With fewer before the change, nothing that comes after could be called worse."""
USUAL = 0.95
"""Costs and durations count as bad above what this share of the traces had before."""


class Metric(StrEnum):
    """What a trace can be bad in."""

    ERRORS = "errors"
    FEEDBACK = "feedback"
    COST = "cost"
    LATENCY = "latency"


TOLERANCE = {Metric.ERRORS: 0.01, Metric.FEEDBACK: 0.02, Metric.COST: 0.05, Metric.LATENCY: 0.05}
"""By how much a share may rise before that is called a regression."""


class Tally(Value):
    """An agent's traces that say something of a metric, and how many of them were bad."""

    agent_id: UUID = Field(description="The agent.")
    metric: Metric = Field(
        description="`errors`: the trace failed. `feedback`: it was disliked. `cost`, `latency`: above `limit`."
    )
    traces: int = Field(description="Traces that say something of it.")
    bad: int = Field(description="Those of them that were bad.")
    limit: float | None = Field(
        description="For `cost` in US dollars and for `latency` in milliseconds: what nineteen of twenty traces before the "
        "change did not exceed; null for the others."
    )

    @property
    def subject(self) -> tuple[UUID, Metric]:
        """What it is a tally of."""
        return self.agent_id, self.metric


class Reference(Tally):
    """The traces before the change, and the share of bad ones that the change is allowed."""

    allowed: float = Field(
        description="The share of bad traces that is no regression: the upper bound of the share before, and a tolerance."
    )


class Reading(Tally):
    """The traces since the change, and how far they speak for a regression."""

    evidence: float = Field(description="The capital of the e-process, which begins at 1.")


def threshold(references: Sequence[Reference]) -> float:
    """The capital that is a regression.

    Half of ``ALPHA`` is for the bounds of the shares before, half for what is seen afterwards, and all share it (Bonferroni).
    """
    return 2 * len(references) / ALPHA


def level(references: int) -> float:
    """The one-sided level of the bound of each of so many shares before."""
    return ALPHA / 2 / max(1, references)


def weigh(reference: Reference, tally: Tally) -> Reading:
    """What the traces since the change say against its having made nothing worse."""
    process = EProcess()
    process.repeat(1 - reference.allowed, tally.bad)
    process.repeat(-reference.allowed, tally.traces - tally.bad)
    return Reading(**tally.model_dump(), evidence=process.capital)


def is_enough(references: Sequence[Reference], reference: Reference, traces: int) -> bool:
    """Whether so many traces would show a regression if all of them were bad."""
    worst = Tally(agent_id=reference.agent_id, metric=reference.metric, traces=traces, bad=traces, limit=reference.limit)
    return weigh(reference, worst).evidence >= threshold(references)


def find_untold(references: Sequence[Reference], readings: Sequence[Reading]) -> Reading | None:
    """A reading of what fewer traces tell than told it before, by more than is tolerated; None where there is none.

    Which traces tell what they cost is up to those who send them: were the dear ones silent, a regression would not show. Whether
    people rate answers is up to people.
    """
    before, after = (
        {each.agent_id: each.traces for each in tallies if each.metric is Metric.ERRORS} for tallies in (references, readings)
    )
    told = {each.subject: each.traces / max(1, before.get(each.agent_id, 0)) for each in references}
    return next(
        (
            reading
            for reading in readings
            if reading.metric in {Metric.COST, Metric.LATENCY}
            and reading.traces / max(1, after.get(reading.agent_id, 0)) < told[reading.subject] - TOLERANCE[reading.metric]
        ),
        None,
    )


def find_regression(references: Sequence[Reference], readings: Sequence[Reading]) -> Reading | None:
    """The reading that shows a regression most clearly; None where none does."""
    worst = max(readings, key=lambda reading: reading.evidence, default=None)
    return worst if worst is not None and worst.evidence >= threshold(references) else None
