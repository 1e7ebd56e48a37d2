"""What an objective says of given figures: the arithmetic of a scan on numbers that somebody tries out."""

from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.dimensions import Dimension, DimensionKey
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.limits import LimitCheck, check_limits, hard_limits
from spectral_platform.evaluations.scoring import (
    CaseScore,
    DimensionEvaluation,
    Measures,
    References,
    RuleEvaluation,
    paired_composites,
    reference_measures,
    score_case,
)
from spectral_platform.evaluations.terms import DIMENSION_PREFIX, AmountMetric, Constraint, ObjectiveTerm, p95_of

_TOLD = "told@1"


Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Figures(Value):
    """One answer, or the means of many, in figures; what is absent is unknown."""

    authority_a: Share | None = Field(default=None, description="Score by the world model's rules, 0 to 1.")
    dimensions: dict[DimensionKey, Share] = Field(default_factory=dict, max_length=50, description="Scores by dimension, 0 to 1.")
    cost_usd: Amount | None = Field(default=None, description="Cost in US dollars.")
    latency_ms: Amount | None = Field(default=None, description="Time to the answer in milliseconds.")
    total_tokens: Amount | None = Field(default=None, description="Tokens in and out.")
    p95: dict[AmountMetric, Amount] = Field(
        default_factory=dict,
        description="95th percentiles of many answers, by metric (`cost_usd`, `latency_ms`, `total_tokens`), for limits on them.",
    )
    breaks_critical_rule: bool = Field(default=False, description="Whether a critical rule is broken; then the composite is 0.")

    @property
    def measures(self) -> Measures:
        """What the answer took."""
        return Measures(cost_usd=self.cost_usd, latency_ms=self.latency_ms, total_tokens=self.total_tokens)

    def means(self, score: CaseScore) -> dict[str, float]:
        """Every known figure by the metric's name."""
        known = {DIMENSION_PREFIX + key: value for key, value in score.dimensions.items()}
        known |= asdict(self.measures) | {"quality": score.quality}
        known |= {p95_of(metric): amount for metric, amount in self.p95.items()}
        return {metric: value for metric, value in known.items() if value is not None}


class ObjectivePreview(Value):
    """Both arms as a scan would score them. ``composites`` is None when the terms that both know say nothing."""

    baseline: CaseScore
    candidate: CaseScore
    composites: tuple[float, float] | None
    limits: tuple[LimitCheck, ...]


def preview(
    terms: tuple[ObjectiveTerm, ...],
    constraints: tuple[Constraint, ...],
    dimensions: tuple[Dimension, ...],
    *,
    baseline: Figures,
    candidate: Figures,
    references: References | None,
) -> ObjectivePreview:
    """Score both arms; without references a cost is worth nothing at twice the baseline's."""
    scale = references or reference_measures([baseline.measures])
    before, after = (_score(figures, terms, dimensions, scale) for figures in (baseline, candidate))
    return ObjectivePreview(
        baseline=before,
        candidate=after,
        composites=paired_composites(before, after, terms),
        limits=check_limits(hard_limits(dimensions, constraints), before=baseline.means(before), after=candidate.means(after)),
    )


def _score(
    figures: Figures, terms: tuple[ObjectiveTerm, ...], dimensions: tuple[Dimension, ...], references: References
) -> CaseScore:
    rule = RuleEvaluation(
        key="authority_a",
        critical=figures.breaks_critical_rule,
        evaluation=_told(0.0 if figures.breaks_critical_rule and figures.authority_a is None else figures.authority_a),
    )
    return score_case(
        rules=[rule],
        dimensions=[
            DimensionEvaluation(
                key=dimension.key,
                weight=dimension.weight,
                minimum=dimension.minimum,
                evaluation=_told(figures.dimensions.get(dimension.key)),
            )
            for dimension in dimensions
        ],
        measures=figures.measures,
        terms=terms,
        references=references,
    )


def _told(score: float | None) -> Evaluation:
    if score is None:
        return Evaluation.not_applicable(_TOLD, "It is not known.")
    return Evaluation.failure(_TOLD, "As it was told.", score=score)
