"""What a suggestion for a rubric is made from, and what it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import Field, JsonValue

from spectral_platform.core.values import Value
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.catalogue import CodeEvaluatorSpec


class Kind(StrEnum):
    """What a suggestion rests on."""

    DISAGREEMENT = "disagreement"
    BLIND_SPOT = "blind_spot"
    UNCOVERED_CLUSTER = "uncovered_cluster"
    CONSTANT = "constant"
    REDUNDANT = "redundant"


class SuggestionStatus(StrEnum):
    """What became of a suggestion: it is pending while the evidence holds, and decided once."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Found:
    """What a dimension found in a trace; the score is None where it does not apply."""

    trace_id: str
    dimension: str
    score: float | None
    passed: bool | None
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a person said of a trace: a score in [-1, 1], of one dimension or of the whole answer."""

    trace_id: str
    dimension: str | None
    score: float
    comment: str | None


class BrokenRule(Value):
    """A rule of the world model that some cluster of failures breaks; ``evaluator`` checks it on any answer, if code can."""

    key: str
    text: str
    evaluator: CodeEvaluatorSpec | None = None


@dataclass(frozen=True, slots=True)
class ClusterSeen:
    """A failure cluster of the last scan by the rubric, with the criteria that failed in it."""

    signature: str
    label: str
    description: str
    size: int
    share: float
    severity: float
    criteria: tuple[str, ...]
    rules: tuple[BrokenRule, ...]
    trace_ids: tuple[str, ...]
    simulated: bool


class Change(Value):
    """One change of a rubric's dimensions."""

    action: Literal["add", "replace", "remove"] = Field(description="What happens to the dimension.")
    key: str = Field(description="The dimension's key.")
    dimension: Dimension | None = Field(description="The dimension as it would be; null when it is removed.")


class Evidence(Value):
    """What a suggestion rests on: figures by name, some of the traces, and what people said."""

    figures: dict[str, JsonValue] = Field(description="The figures, by name; shares and scores are between 0 and 1.")
    trace_ids: tuple[str, ...] = Field(description="Up to ten of the traces.")
    comments: tuple[str, ...] = Field(description="Up to three comments of people.")
    simulated: bool = Field(description="Whether the simulator judged some of it, which says nothing of a real agent.")


class Suggestion(Value):
    """A change of a rubric with its reason and evidence."""

    id: UUID = Field(description="The suggestion; the same reason has the same id whenever it is found.")
    kind: Kind = Field(description="What it rests on.")
    title: str = Field(description="What would change, in one sentence.")
    reason: str = Field(description="Why, in one or two sentences.")
    evidence: Evidence = Field(description="What shows it.")
    changes: tuple[Change, ...] = Field(description="What accepting does to the newest version's dimensions.")


@dataclass(frozen=True, slots=True)
class Grounds:
    """Everything that suggestions are made from. ``pinned`` are keys of dimensions that objectives name."""

    rubric_id: UUID
    dimensions: tuple[Dimension, ...]
    found: tuple[Found, ...]
    opinions: tuple[Opinion, ...]
    clusters: tuple[ClusterSeen, ...]
    pinned: frozenset[str]


def apply_changes(dimensions: Sequence[Dimension], changes: Sequence[Change]) -> tuple[Dimension, ...]:
    """The dimensions after the changes, in their order, added ones last."""
    by_key = {dimension.key: dimension for dimension in dimensions}
    for change in changes:
        if change.dimension is None:
            by_key.pop(change.key, None)
        else:
            by_key[change.key] = change.dimension
    return tuple(by_key.values())
