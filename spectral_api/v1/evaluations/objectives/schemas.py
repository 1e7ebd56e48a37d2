"""Bodies of the objectives' endpoints."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from spectral_api.schemas import Input, Output, Time
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
