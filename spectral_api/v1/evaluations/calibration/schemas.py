"""Bodies of calibration's endpoints."""

from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from spectral_api.schemas import Input, Output, Time
from spectral_platform.evaluations.calibration import certificates
from spectral_platform.evaluations.calibration.models import RequestReason
from spectral_platform.traces.feedback import FeedbackLabel

Marks = dict[str, FeedbackLabel]


class DimensionCalibration(certificates.Calibration):
    """One dimension against people."""

    key: str = Field(description="The dimension.", examples=["helpfulness"])
    kind: str = Field(description="The evaluator's kind.", examples=["llm_judge"])
    evaluator: str | None = Field(description="Evaluator and version that scored; null = nothing is scored yet.")
    judge_model: str | None = Field(description="The model that judged; null = code evaluated, or nothing is scored yet.")
    simulated: bool | None = Field(description="Whether the simulator played the judge; null as for `judge_model`.")
    scored: int = Field(description="Traces that it has scored.", examples=[250])
    undecided: int = Field(description="Labelled answers on which people are neutral or at odds; they do not count.")


class Calibration(certificates.Calibration):
    """A rubric's judge against people: all judged dimensions together, then each dimension."""

    rubric_id: UUID = Field(description="The rubric.")
    rubric_version: int = Field(description="Its version; another one has figures of its own.", examples=[1])
    opinion_only: bool = Field(description="Whether judged scores are no more than a model's opinion: it is uncalibrated.")
    dimensions: list[DimensionCalibration] = Field(description="Each dimension by itself.")


class LabelRequest(Output):
    """What to label next."""

    id: str = Field(description="Names the request: a trace's id, or that of a pair.")
    kind: Literal["trace", "pair"] = Field(description="One answer of a trace, or two answers to one case.")
    dimensions: list[str] = Field(description="Dimensions to be marked.", examples=[["helpfulness"]])
    reason: RequestReason = Field(description="Why this one.")
    detail: str = Field(description="The reason in words.")
    inclusion_probability: float = Field(description="How likely it was to be chosen among all that could have been.")
    input: str = Field(description="What was asked; of a trace, how that begins.")
    context: str | None = Field(description="What the answer could rely on.")
    answers: list[str] = Field(description="One answer, or two in an order that is drawn; which is which is not said.")
    trace_id: str | None = Field(description="The trace; null for a pair.")
    scan_id: UUID | None = Field(description="The scan that compared the pair; null for a trace.")
    simulated: bool | None = Field(description="Whether the simulator gave or judged the answers.")
    label_with: dict[str, JsonValue] = Field(description="The request that labels it, ready to be filled in and sent.")


class PairLabel(Input):
    """How two answers meet each dimension asked for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"first": {"helpfulness": "negative"}, "second": {"helpfulness": "positive"}}]}
    )

    first: Marks = Field(max_length=50, description="The answer shown first: a word for each dimension.")
    second: Marks = Field(max_length=50, description="The answer shown second.")


class LabelledPair(Output):
    """A pair that has been labelled."""

    id: UUID = Field(description="The pair.")
    rubric_id: UUID = Field(description="The rubric.")
    rubric_version: int = Field(description="The version by which it was judged.")
    scan_id: UUID = Field(description="The scan that compared the answers.")
    labelled_at: Time = Field(description="When this was said.")
