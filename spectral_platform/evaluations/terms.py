"""The parts of an objective: what a scan improves, in what proportion, and within which limits."""

from enum import StrEnum
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, Field, model_validator

from spectral_platform.core.values import Value

DIMENSION_PREFIX = "dimension:"
AmountMetric = Literal["cost_usd", "latency_ms", "total_tokens"]
AMOUNTS: tuple[AmountMetric, ...] = get_args(AmountMetric)
"""What an answer takes: never below 0, and without an upper end."""
P95 = 0.95
"""The share of answers that keep to a 95th percentile."""
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
    return Direction.MINIMIZE if metric in AMOUNTS else Direction.MAXIMIZE


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


class Statistic(StrEnum):
    """Which figure of an arm a limit is on."""

    MEAN = "mean"
    P95 = "p95"
    """The 95th percentile of single answers: what nineteen of twenty keep to."""


class Constraint(Measured):
    """A limit that a candidate must keep to, whatever else it gains."""

    operator: Literal["<=", ">="] = Field(description="On which side of the value the figure stays.")
    value: float = Field(allow_inf_nan=False, description="The limit, in the metric's own unit.")
    statistic: Statistic = Field(
        default=Statistic.MEAN,
        description="Of what the limit is: the `mean`, or `p95`, which 19 of 20 answers keep to "
        "(upper limits of `cost_usd`, `latency_ms` and `total_tokens`).",
    )

    @model_validator(mode="after")
    def _has_a_tail(self) -> Self:
        if self.statistic is Statistic.P95 and (self.metric not in AMOUNTS or self.operator != "<="):
            raise ValueError("p95 is for upper limits (<=) of cost_usd, latency_ms and total_tokens")
        return self

    @property
    def figure(self) -> str:
        """The name of the figure that it limits: the metric's own for a mean, `p95:<metric>` for a percentile."""
        return self.metric if self.statistic is Statistic.MEAN else p95_of(self.metric)

    def holds(self, measured: float) -> bool:
        """Tell whether the measured value keeps to the limit."""
        return measured <= self.value if self.operator == "<=" else measured >= self.value


def p95_of(metric: str) -> str:
    """The name of the 95th percentile of a metric."""
    return f"{Statistic.P95}:{metric}"
