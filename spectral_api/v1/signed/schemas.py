"""Bodies of what is judged by a link."""

from pydantic import ConfigDict, Field

from spectral_api.schemas import Output, Time
from spectral_api.v1.traces.schemas import Judgement
from spectral_platform.traces.feedback import FeedbackLabel


class LinkedFeedbackCreate(Judgement):
    """What an end user thinks: a score or a label, not both."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"label": "negative", "comment": "That was not my order."}],
            "oneOf": [{"required": ["score"]}, {"required": ["label"]}],
        }
    )

    comment: str | None = Field(default=None, max_length=5_000, description="Why.")
    corrected_output: str | None = Field(default=None, max_length=20_000, description="What should have come out.")


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
