"""Bodies of the endpoints that score answers by a rubric."""

from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from spectral_api.schemas import Input, Output, Usd
from spectral_api.v1.traces.schemas import HexTraceId
from spectral_platform.changesets.states import EvidenceLevel
from spectral_platform.evaluations.scores.findings import AnswerSource
from spectral_platform.evaluations.scores.previewing import Stop

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
VERSION = Field(default=None, ge=1, le=2**31 - 1, description="Which version of the rubric; by default the newest.")


class PreviewCreate(Input):
    """What is looked at, and what it may cost: traces or samples, at most 50."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"trace_ids": [TRACE], "max_usd": "0.50"}]})

    trace_ids: Annotated[list[HexTraceId], Field(max_length=50)] = Field(default=[], description="Traces, by their answers.")
    sample_ids: Annotated[list[UUID], Field(max_length=50)] = Field(
        default=[], description="Samples, by the answers of the traces they were made from, else by their expected outputs."
    )
    version: int | None = VERSION
    max_usd: Decimal = Field(default=Decimal(1), ge=0, le=100, description="Limit of what the judge may cost, in US dollars.")
    max_model_calls: int = Field(default=200, ge=0, le=2_000, description="Limit of the judge's calls.")

    @model_validator(mode="after")
    def names_what_to_look_at(self) -> Self:
        """Refuse a body that names nothing, or both."""
        if bool(self.trace_ids) == bool(self.sample_ids):
            raise ValueError("give either trace_ids or sample_ids")
        return self


class ExplainCreate(Input):
    """What is asked about: one trace or one sample."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"trace_id": TRACE}]})

    trace_id: HexTraceId | None = Field(default=None, description="A trace.")
    sample_id: UUID | None = Field(default=None, description="A sample.")
    version: int | None = VERSION

    @model_validator(mode="after")
    def names_one_thing(self) -> Self:
        """Refuse a body that names nothing, or both."""
        if (self.trace_id is None) == (self.sample_id is None):
            raise ValueError("give either trace_id or sample_id")
        return self


class Explanation(Output):
    """Whether a dimension ran on an answer, and why."""

    key: str = Field(description="The dimension.")
    ran: bool = Field(description="Whether there is a score.")
    reason: str = Field(description="What came of it, or why nothing did.")


class Finding(Explanation):
    """What a dimension found in an answer."""

    score: float | None = Field(description="From 0 to 1; null where the dimension did not run.")
    passed: bool | None = Field(description="Whether the answer is as it should be; null where the dimension did not run.")
    feedback: str = Field(description="What the answer must do; empty where it does.")
    evidence: list[str] = Field(description="Pieces of the answer, or of its tool calls, that the finding rests on.")
    evaluator: str | None = Field(description="The evaluator as `kind@version`, and how it worked where it has several ways.")
    judge_model: str | None = Field(description="The model that judged; null where a program evaluated.")
    simulated: bool | None = Field(description="Whether the simulator judged; null where a program evaluated.")
    cost_usd: Usd | None = Field(description="What the judge's answers cost; null without a judge or a known price.")


class Answered(Output):
    """Which answer was looked at."""

    kind: Literal["trace", "sample"] = Field(description="What it is.")
    id: str = Field(description="The trace or sample.")
    answer_from: AnswerSource | None = Field(
        description="`trace`: what the agent answered; `expected_output`: what the sample expects; null: there is no answer."
    )


class Scored(Answered):
    """An answer with its scores."""

    score: float | None = Field(description="Weighted mean of the dimensions that ran; null when none did.")
    below_minimum: list[str] = Field(description="Dimensions whose score is below their minimum.")
    dimensions: list[Finding] = Field(description="What each dimension found, in the rubric's order.")


class PreviewCost(Output):
    """What the preview took."""

    model_calls: int = Field(description="Calls of the judge that were answered or abandoned.")
    unpriced_calls: int = Field(description="Those of them that have no known price.")
    cost_usd: Usd | None = Field(description="What they cost; null when none of them has a known price.")
    max_usd: Usd = Field(description="The limit in US dollars.")
    max_model_calls: int = Field(description="The limit of calls.")


class Preview(Output):
    """What a rubric finds in answers."""

    rubric_id: UUID = Field(description="The rubric.")
    version: int = Field(description="The version that was used.")
    judge_model: str | None = Field(description="The model that judges in this workspace; null = none.")
    simulated: bool = Field(description="Whether that is the simulator's.")
    replayed: bool = Field(description="Whether a cassette answers in its place.")
    evidence_level: EvidenceLevel = Field(
        description="`L0`: recorded answers, evaluated anew, which says nothing of a change to an agent.", examples=["L0"]
    )
    results: list[Scored] = Field(description="The answers, in the order asked for.")
    missing: list[str] = Field(description="Ids of what is not in this workspace.")
    stopped_by: Stop | None = Field(description="What ended the judging early; null = all of it was done.")
    cost: PreviewCost = Field(description="What it took.")


class RubricExplanation(Answered):
    """Which dimensions of a rubric ran on an answer, and why."""

    rubric_id: UUID = Field(description="The rubric.")
    version: int = Field(description="The version that was used.")
    dimensions: list[Explanation] = Field(description="Each dimension, in the rubric's order.")
