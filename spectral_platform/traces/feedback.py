"""What somebody or something thought of a trace: a score between -1 and 1, or one of three words for it."""

from enum import StrEnum


class FeedbackLabel(StrEnum):
    """Feedback in one word."""

    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


class FeedbackSource(StrEnum):
    """Who judged: somebody who reviews traces, the end user who was served, or a program."""

    HUMAN = "human"
    USER = "user"
    CODE = "code"


SCORES = {FeedbackLabel.POSITIVE: 1.0, FeedbackLabel.NEUTRAL: 0.0, FeedbackLabel.NEGATIVE: -1.0}


def label_of(score: float) -> FeedbackLabel:
    """The word for a score: its sign."""
    if score == 0:
        return FeedbackLabel.NEUTRAL
    return FeedbackLabel.POSITIVE if score > 0 else FeedbackLabel.NEGATIVE
