"""How long traces stay."""

from typing import ClassVar

from pydantic import Field

from spectral_platform.workspaces.policies.kinds import Policy, PolicyKind


class Retention(Policy):
    """How long a workspace keeps its traces. Counts of what arrived stay, and so does what a decision rests on."""

    kind: ClassVar[PolicyKind] = PolicyKind.RETENTION

    traces_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Traces that arrived more than so many days ago are deleted with their spans and feedback; null = none is. "
        "What counts is the day, in UTC, on which the first span of a trace arrived, and not when the trace began. "
        "Traces that samples, open clusters or applied changesets cite stay for as long as they are cited.",
        examples=[90],
    )
