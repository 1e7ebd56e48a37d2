"""The life of a changeset: how a scan's outcome brings it into the world, and which move may follow which."""

from enum import StrEnum

from spectral_platform.core.lifecycle import Lifecycle


class Outcome(StrEnum):
    """What a scan may conclude."""

    IMPROVE = "improve"
    REJECTED_TRADEOFF = "rejected_tradeoff"
    VALIDATED_NO_CHANGE = "validated_no_change"
    INSUFFICIENT_EVIDENCE = "insufficient_evidence"


class Risk(StrEnum):
    """How much may go wrong if a changeset is applied."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class EvidenceLevel(StrEnum):
    """How close to the agent's real runs the compared runs were; a later one is stronger."""

    L0 = "L0"
    """Recorded answers, evaluated anew."""
    L1 = "L1"
    """One turn: the model is asked anew, and what it asks of tools is not answered."""
    L2 = "L2"
    """The model is asked anew, and its tools are answered from recordings."""
    L3 = "L3"
    """The agent is run whole."""
    L4 = "L4"
    """A share of production."""


APPLIED_FROM = EvidenceLevel.L3
"""What rests on less can be recommended, and is not applied by Spectral."""


class ChangesetStatus(StrEnum):
    """Where a changeset stands."""

    PROPOSED = "proposed"
    VALIDATED = "validated"
    ACCEPTED = "accepted"
    APPLIED = "applied"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"


BORN_AS = {
    Outcome.IMPROVE: ChangesetStatus.PROPOSED,
    Outcome.REJECTED_TRADEOFF: ChangesetStatus.REJECTED,
    Outcome.VALIDATED_NO_CHANGE: ChangesetStatus.VALIDATED,
}
"""The first status of a changeset. Insufficient evidence makes none: it must never pass for a validation."""

CHANGESET = Lifecycle(
    {
        ChangesetStatus.PROPOSED: {ChangesetStatus.ACCEPTED, ChangesetStatus.REJECTED, ChangesetStatus.SUPERSEDED},
        ChangesetStatus.ACCEPTED: {ChangesetStatus.APPLIED, ChangesetStatus.REJECTED, ChangesetStatus.ROLLED_BACK},
        ChangesetStatus.APPLIED: {ChangesetStatus.ROLLED_BACK},
    },
    stamps={
        ChangesetStatus.ACCEPTED: "accepted_at",
        ChangesetStatus.APPLIED: "applied_at",
        ChangesetStatus.REJECTED: "rejected_at",
        ChangesetStatus.ROLLED_BACK: "rolled_back_at",
        ChangesetStatus.SUPERSEDED: "superseded_at",
    },
)
