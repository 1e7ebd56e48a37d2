"""Bodies of the rubrics' endpoints."""

from uuid import UUID

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from spectral_api.schemas import Input, Output, Time
from spectral_platform.evaluations.dimensions import Dimension, Dimensions

NAME = "Name of the rubric."
DESCRIPTION = "What the rubric is for."
AGENT_ID = "The agent that it is meant for; null = any."
DIMENSIONS = "What is judged and how much it counts; the weights are scaled to sum 1."
EXAMPLE: JsonDict = {
    "name": "Support quality",
    "dimensions": [
        {
            "key": "helpfulness",
            "name": "Helpfulness",
            "description": "Answer the customer's question, with all amounts, deadlines and conditions.",
            "weight": 3,
            "evaluator": {"kind": "llm_judge"},
        },
        {
            "key": "privacy",
            "name": "Privacy",
            "description": "Never repeat personal data.",
            "weight": 1,
            "evaluator": {"kind": "pii"},
            "minimum": 1,
        },
    ],
}


class RubricCreate(Input):
    """A whole rubric."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: str = Field(description=NAME, min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=4000, description=DESCRIPTION)
    agent_id: UUID | None = Field(default=None, description=AGENT_ID)
    dimensions: Dimensions = Field(description=DIMENSIONS)


class RubricUpdate(Input):
    """Changes to a rubric; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "What support promises."}]})

    name: str = Field(default="", description=NAME, min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=4000, description=DESCRIPTION)
    agent_id: UUID | None = Field(default=None, description=AGENT_ID)
    dimensions: Dimensions = Field(default=(), description=DIMENSIONS)


class Rubric(Output):
    """A rubric in one of its versions."""

    id: UUID = Field(validation_alias="rubric_id", description="The rubric.")
    version: int = Field(description="Which version this is, from 1; a version never changes.", examples=[1])
    name: str = Field(description=NAME)
    description: str | None = Field(description=DESCRIPTION)
    agent_id: UUID | None = Field(description=AGENT_ID)
    dimensions: list[Dimension] = Field(description=DIMENSIONS)
    created_at: Time = Field(description="When the rubric was made.")
    updated_at: Time = Field(description="When this version was written.")
