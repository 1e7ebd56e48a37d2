"""Bodies of the objectives' endpoints."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from spectral_api.schemas import Input, Output, Time
from spectral_platform.evaluations.limits import LimitCheck
from spectral_platform.evaluations.objectives import previewing
from spectral_platform.evaluations.objectives.previewing import Amount, Figures
from spectral_platform.evaluations.scoring import CaseScore, References
from spectral_platform.evaluations.terms import Constraint, ObjectiveTerm, ObjectiveTerms

NAME = "Name of the objective."
RUBRIC_ID = "The rubric that quality and dimensions are measured by."
TERMS = "What counts, and in what proportion."
CONSTRAINTS = "Limits that a candidate must keep to, whatever else it gains."
IS_DEFAULT = "Whether scans take it when their request names none; one objective of a workspace at most."
EXAMPLE: JsonDict = {
    "name": "Better answers at a fair price",
    "rubric_id": "0198c5a2-7b1e-7c3d-9f00-3b6f4c1d2e5a",
    "terms": [
        {"metric": "quality", "direction": "maximize", "weight": 0.9},
        {"metric": "cost_usd", "direction": "minimize", "weight": 0.1},
    ],
    "constraints": [{"metric": "latency_ms", "operator": "<=", "value": 4000}],
    "is_default": True,
}

Constraints = Annotated[tuple[Constraint, ...], Field(max_length=50)]


class ObjectiveCreate(Input):
    """A whole objective."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: str = Field(description=NAME, min_length=1, max_length=200)
    rubric_id: UUID = Field(description=RUBRIC_ID)
    terms: ObjectiveTerms = Field(description=TERMS)
    constraints: Constraints = Field(default=(), description=CONSTRAINTS)
    is_default: bool = Field(default=False, description=IS_DEFAULT)


class ObjectiveUpdate(Input):
    """Changes to an objective; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_default": True}]})

    name: str = Field(default="", description=NAME, min_length=1, max_length=200)
    rubric_id: UUID = Field(default=UUID(int=0), description=RUBRIC_ID)
    terms: ObjectiveTerms = Field(default=(), description=TERMS)
    constraints: Constraints = Field(default=(), description=CONSTRAINTS)
    is_default: bool = Field(default=False, description=IS_DEFAULT)


class Objective(Output):
    """What scans improve."""

    id: UUID = Field(description="The objective.")
    version: int = Field(description="Counts its changes, from 1.", examples=[1])
    name: str = Field(description=NAME)
    rubric_id: UUID = Field(description=RUBRIC_ID)
    terms: list[ObjectiveTerm] = Field(description=TERMS)
    constraints: list[Constraint] = Field(description=CONSTRAINTS)
    is_default: bool = Field(description=IS_DEFAULT)
    created_at: Time = Field(description="When it was made.")
    updated_at: Time = Field(description="When it was last changed.")


class ReferenceAmounts(Input):
    """The amounts at which a cost is worth nothing."""

    cost_usd: Amount | None = Field(default=None, description="US dollars.")
    latency_ms: Amount | None = Field(default=None, description="Milliseconds.")
    total_tokens: Amount | None = Field(default=None, description="Tokens.")

    @property
    def references(self) -> References:
        """The same as scans know them."""
        return References(cost_usd=self.cost_usd, latency_ms=self.latency_ms, total_tokens=self.total_tokens)


class ObjectiveTry(Input):
    """Figures to try an objective on."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "baseline": {"authority_a": 0.9, "dimensions": {"helpfulness": 0.6}, "cost_usd": 0.004, "latency_ms": 1500},
                    "candidate": {"authority_a": 0.9, "dimensions": {"helpfulness": 0.8}, "cost_usd": 0.005, "latency_ms": 1800},
                }
            ]
        }
    )

    baseline: Figures = Field(description="What runs today.")
    candidate: Figures = Field(description="What might run instead.")
    references: ReferenceAmounts | None = Field(
        default=None, description="The amounts at which a cost is worth nothing; absent = twice the baseline's, as in a scan."
    )


class ArmScore(Output):
    """How one arm scores."""

    authority_a: float | None = Field(description="By the world model's rules; null = unknown.")
    authority_b: float | None = Field(description="By the rubric: the weighted mean of the known dimensions.")
    quality: float | None = Field(description="Half of each authority, or the one that is known.")
    utilities: dict[str, float | None] = Field(description="Each term between 0 and 1, more being better; null = it drops out.")
    composite: float | None = Field(
        description="The weighted mean of the terms that are known in both arms; null = none says anything."
    )

    @classmethod
    def of(cls, score: CaseScore, composite: float | None) -> Self:
        """One arm's scores, with its composite beside the other arm."""
        return cls(
            authority_a=score.authority_a,
            authority_b=score.authority_b,
            quality=score.quality,
            utilities=score.terms,
            composite=composite,
        )


class LimitState(Output):
    """A constraint of the objective or a minimum of the rubric, held against the candidate."""

    name: str = Field(description="`constraint:<metric>`, `constraint:p95:<metric>` or `minimum:<dimension>`.")
    is_kept: bool = Field(description="Whether the candidate keeps to it; what is unknown is not kept.")
    is_harm: bool = Field(
        description="Whether breaking it is evidence of harm: the baseline kept to it, or was no farther from it."
    )
    detail: str = Field(description="The check in words.")

    @classmethod
    def of(cls, check: LimitCheck) -> Self:
        """One check."""
        return cls(name=check.limit.name, is_kept=check.is_kept, is_harm=check.is_harm, detail=check.sentence)


class ObjectivePreview(Output):
    """What the objective says of both arms."""

    baseline: ArmScore = Field(description="What runs today.")
    candidate: ArmScore = Field(description="What might run instead.")
    difference: float | None = Field(description="Candidate's composite less the baseline's; null = it cannot be told.")
    limits: list[LimitState] = Field(description="Every hard limit.")

    @classmethod
    def of(cls, found: previewing.ObjectivePreview) -> Self:
        """The preview as it is shown."""
        before, after = found.composites or (None, None)
        return cls(
            baseline=ArmScore.of(found.baseline, before),
            candidate=ArmScore.of(found.candidate, after),
            difference=None if before is None or after is None else after - before,
            limits=[LimitState.of(check) for check in found.limits],
        )
