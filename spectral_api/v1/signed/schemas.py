"""Bodies of what is judged by a link."""

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from spectral_api.schemas import Input, Output, Time
from spectral_platform.traces.feedback import SCORES, FeedbackLabel


class LinkedFeedbackCreate(Input):
    """What an end user thinks: a score or a label, not both."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"label": "negative", "comment": "That was not my order."}],
            "oneOf": [{"required": ["score"]}, {"required": ["label"]}],
        }
    )

    score: float | None = Field(default=None, ge=-1, le=1, description="From -1 (bad) to 1 (good).")
    label: FeedbackLabel | None = Field(default=None, description="The same in one word: 1, 0 or -1.")
    comment: str | None = Field(default=None, max_length=5_000, description="Why.")
    corrected_output: str | None = Field(default=None, max_length=20_000, description="What should have come out.")

    @model_validator(mode="after")
    def demand_one_judgement(self) -> Self:
        """Exactly one of score and label."""
        if (self.score is None) == (self.label is None):
            raise ValueError("give either score or label")
        return self

    @property
    def value(self) -> float:
        """The judgement as a score."""
        return SCORES[self.label] if self.label is not None else self.score or 0.0


class LinkedFeedback(Output):
    """What was thought, by this link."""

    score: float = Field(description="From -1 (bad) to 1 (good).", examples=[-1.0])
    label: FeedbackLabel = Field(description="The score in one word.", examples=["negative"])
    comment: str | None = Field(description="Why.", examples=["That was not my order."])
    corrected_output: str | None = Field(description="What should have come out.")
    created_at: Time = Field(description="When it was given; what is given again by the same link takes its place.")


class LinkedTrace(Output):
    """What may be judged by a link."""

    expires_at: Time = Field(description="Until when the link is good.")
    input: str | None = Field(description="What went in; null unless whoever made the link lets it be shown.")
    output: str | None = Field(description="What came out; likewise.")
    feedback: LinkedFeedback | None = Field(description="What was thought already, by this link.")
