"""What can go wrong with changesets."""

from collections.abc import Sequence
from uuid import UUID

from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError


class ChangesetNotFound(NotFoundError):
    """The changeset does not exist in this workspace."""

    def __init__(self, changeset_id: UUID) -> None:
        super().__init__(f"Changeset {changeset_id} not found.")


class StaleChangeset(BusinessRuleViolationError):
    """A label of an agent has moved since the changeset was made or decided on."""

    slug = "stale-changeset"
    title = "Stale Changeset"

    def __init__(self, agent_id: UUID, label: str, *, expected: int, current: int | None) -> None:
        carried = "on no version" if current is None else f"on version {current}"
        super().__init__(
            f"The label {label} of agent {agent_id} is {carried} and not on version {expected} any more; "
            "scan again, or promote a version by hand.",
            agent_id=str(agent_id),
            label=label,
            expected=expected,
            current=current,
        )


class AutonomyForbids(BusinessRuleViolationError):
    """The workspace's autonomy policy does not allow this decision."""

    def __init__(self, mode: str, decision: str) -> None:
        super().__init__(f"Under the autonomy mode {mode} no changeset is {decision}; export it instead.", mode=mode)


class EvidenceForbids(BusinessRuleViolationError):
    """The evidence is too weak for Spectral to change what runs."""

    def __init__(self, level: str, least: str) -> None:
        super().__init__(
            f"The verdict rests on evidence of level {level}, and what is applied on {least} or more; export the changeset, or "
            "promote its version by hand.",
            evidence_level=level,
            least=least,
        )


class JudgeUncalibrated(BusinessRuleViolationError):
    """A judge that nobody has checked against people decided, so Spectral recommends and does not apply."""

    def __init__(self, dimensions: Sequence[str]) -> None:
        super().__init__(
            f"The verdict rests on a judge that is not calibrated for {', '.join(dimensions)}: label answers and scan again, "
            "export the changeset, or promote its version by hand.",
            dimensions=list(dimensions),
        )


class ApprovalNotCounted(BusinessRuleViolationError):
    """Where several must approve, only people of the account and the system can."""

    def __init__(self, required: int) -> None:
        super().__init__(
            f"{required} people of this account have to approve, and visitors are not among them.", required_approvals=required
        )


class NoApprovalToWithdraw(BusinessRuleViolationError):
    """The caller has given no approval that still waits for others."""

    def __init__(self, changeset_id: UUID) -> None:
        super().__init__(f"You have given changeset {changeset_id} no approval that waits for others.")


class NotWatched(BusinessRuleViolationError):
    """Nobody watches production because of this changeset."""

    def __init__(self, changeset_id: UUID) -> None:
        super().__init__(f"Production is not being watched because of changeset {changeset_id}.")


class ReplayedEvidence(BusinessRuleViolationError):
    """The evidence was replayed from a file, which anybody may have written."""

    def __init__(self) -> None:
        super().__init__("This changeset's scan was replayed from a cassette: it proves nothing. Run it against the real models.")


class SimulatedEvidence(BusinessRuleViolationError):
    """The evidence comes from the simulator and the agent runs on a real model."""

    def __init__(self, agent_id: UUID, model: str) -> None:
        super().__init__(
            f"This changeset was found on the simulator, and agent {agent_id} runs on {model}: it proves nothing there.",
            agent_id=str(agent_id),
            model=model,
        )
