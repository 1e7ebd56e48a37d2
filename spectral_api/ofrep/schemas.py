"""Bodies of OpenFeature's remote evaluation protocol (OFREP 0.1, github.com/open-feature/protocol, service/openapi.yaml)."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from spectral_api.schemas import Output
from spectral_api.v1.agents.schemas import Config


class ErrorCode(StrEnum):
    """What went wrong, as OpenFeature names it."""

    PARSE_ERROR = "PARSE_ERROR"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    GENERAL = "GENERAL"


class EvaluationRequest(BaseModel):
    """For whom a flag is evaluated. Everybody gets the same, so the context is read and changes nothing."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={"examples": [{"context": {"targetingKey": "checkout-service"}}]},
    )

    context: dict[str, Any] = Field(default_factory=dict, description="OpenFeature's evaluation context.")


class FlagMetadata(Output):
    """What is known of a flag's value beside it."""

    agent_id: str = Field(description="The agent.")
    version: int = Field(description="The agent's config version.")
    label: Literal["production"] = Field(description="The label that the version carries.")


class Evaluation(Output):
    """A flag: the config that an agent is to run with."""

    key: str = Field(description="The flag's key: the name of the agent, or an alias of it.", examples=["support-assistant"])
    reason: Literal["STATIC"] = Field(description="Everybody gets the same.")
    variant: str = Field(description="The agent's config version.", examples=["3"])
    value: Config = Field(description="The config, as `GET …/agents/{agent_id}/config` has it.")
    metadata: FlagMetadata = Field(description="What is known of the value beside it.")


class BulkEvaluation(Output):
    """All flags of a workspace."""

    flags: list[Evaluation] = Field(description="The flags, by key.")


class EvaluationFailure(Output):
    """Why a flag, or all of them, could not be evaluated."""

    key: str | None = Field(default=None, description="The flag's key, where one was asked for.")
    errorCode: ErrorCode = Field(description="What went wrong, for programs.")  # noqa: N815 - the protocol's name
    errorDetails: str = Field(description="What went wrong, for people.")  # noqa: N815 - the protocol's name
