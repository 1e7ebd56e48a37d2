"""How much Spectral may do to a workspace's agents without people."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.workspaces.policies.kinds import Policy, PolicyKind


class AutonomyMode(StrEnum):
    """Who decides about changesets."""

    OBSERVE_ONLY = "observe_only"
    RECOMMEND = "recommend"
    MANUAL = "manual"
    BOUNDED_AUTO = "bounded_auto"


class Rigor(Value):
    """What a mode asks of a verdict: the less people have a say, the more."""

    alpha: float
    """One-sided level at which an improvement is called one, over all looks at the evidence."""
    minimum_pairs: int
    """Sealed pairs without which nothing is decided."""


RIGOR = {
    AutonomyMode.OBSERVE_ONLY: Rigor(alpha=0.05, minimum_pairs=30),
    AutonomyMode.RECOMMEND: Rigor(alpha=0.05, minimum_pairs=30),
    AutonomyMode.MANUAL: Rigor(alpha=0.025, minimum_pairs=60),
    AutonomyMode.BOUNDED_AUTO: Rigor(alpha=0.01, minimum_pairs=120),
}
"""Every mode's; a scan is held to that of the mode in which it was asked for."""


class AutonomyBounds(Value):
    """Within which bounds the system may decide by itself under ``bounded_auto``."""

    max_risk: Literal["low", "medium", "high"] = Field(default="low", description="No changeset of a higher risk.")
    max_applies_per_day: int = Field(default=1, ge=0, le=1_000, description="At most so many changesets within 24 hours.")
    min_confidence: float = Field(
        default=0.95, ge=0.5, lt=1, description="Only with at least this confidence in the improvement.", examples=[0.95]
    )
    agents: Annotated[tuple[UUID, ...], Field(max_length=1_000)] | None = Field(
        default=None, description="Only for these agents; null = for all."
    )


class Autonomy(Policy):
    """Who decides about changesets. No mode skips a gate of a verdict."""

    kind: ClassVar[PolicyKind] = PolicyKind.AUTONOMY

    mode: AutonomyMode = Field(
        default=AutonomyMode.MANUAL,
        description="`observe_only`: nothing is accepted. `recommend`: accepting yes, applying no. `manual`: both by people. "
        "`bounded_auto`: the system decides inside the bounds.",
    )
    bounds: AutonomyBounds = Field(default=AutonomyBounds(), description="What the system may do under `bounded_auto`.")
    required_approvals: int = Field(default=1, ge=1, le=10, description="How many people must accept a changeset.")
    watch_window_s: int = Field(
        default=86_400, ge=60, le=30 * 86_400, description="For how long production is watched after the system applied."
    )
