"""The parts of an objective: what a scan improves, in what proportion, and within which limits."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from spectral_platform.core.values import Value

DIMENSION_PREFIX = "dimension:"
Metric = Annotated[
    str,
    Field(
        pattern=r"^(quality|cost_usd|latency_ms|total_tokens|dimension:[a-z][a-z0-9_]{0,59})$",
        description="`quality`, `dimension:<key>`, `cost_usd`, `latency_ms` or `total_tokens`.",
    ),
]


class Direction(StrEnum):
    """Which way a metric gets better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


def usual_direction(metric: str) -> Direction:
    """Less is better of what an answer takes; more is better of every score."""
    return Direction.MINIMIZE if metric in {"cost_usd", "latency_ms", "total_tokens"} else Direction.MAXIMIZE


class Measured(Value):
    """Something said of one metric."""

    metric: Metric

    @property
    def dimension(self) -> str | None:
        """The key of the rubric's dimension that the metric is; None when it is no dimension."""
        return self.metric.removeprefix(DIMENSION_PREFIX) if self.metric.startswith(DIMENSION_PREFIX) else None


class ObjectiveTerm(Measured):
    """One metric that counts in the composite score."""

    direction: Direction = Field(description="Whether more or less of it is better.")
    weight: float = Field(gt=0, le=1_000_000, allow_inf_nan=False, description="Share; normalised over the terms.")


def _metrics_differ(terms: tuple[ObjectiveTerm, ...]) -> tuple[ObjectiveTerm, ...]:
    if len({term.metric for term in terms}) != len(terms):
        raise ValueError("each metric is the subject of one term")
    return terms


ObjectiveTerms = Annotated[tuple[ObjectiveTerm, ...], Field(min_length=1, max_length=50), AfterValidator(_metrics_differ)]


class Constraint(Measured):
    """A limit that a candidate's mean must keep to, whatever else it gains."""

    operator: Literal["<=", ">="] = Field(description="On which side of the value the metric stays.")
    value: float = Field(allow_inf_nan=False, description="The limit, in the metric's own unit.")

    def holds(self, measured: float) -> bool:
        """Tell whether the measured value keeps to the limit."""
        return measured <= self.value if self.operator == "<=" else measured >= self.value
