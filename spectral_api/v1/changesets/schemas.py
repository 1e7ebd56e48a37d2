"""Bodies of the changesets' endpoints."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, computed_field

from spectral_api.schemas import Input, Output, Time
from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.diffs import ConfigDiff
from spectral_platform.agents.versions import Author
from spectral_platform.changesets.autonomy.monitoring import Reading, Reference
from spectral_platform.changesets.autonomy.states import WatchStatus
from spectral_platform.changesets.explainability import Explainability
from spectral_platform.changesets.proposals import FrameworkSnapshot, PerformanceCard
from spectral_platform.changesets.states import ChangesetStatus, EvidenceLevel, Outcome, Risk

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]


class ChangesetSummary(Output):
    """A changeset in a list."""

    id: UUID = Field(description="The changeset.")
    scan_id: UUID = Field(description="The scan that made it.")
    status: ChangesetStatus = Field(description="Where it stands.")
    outcome: Outcome = Field(description="What the scan concluded.")
    risk: Risk = Field(description="How much may go wrong if it is applied.")
    simulated: bool = Field(description="Whether the evidence comes from the simulator.")
    summary: str = Field(description="What is proposed and why.", examples=["No changes warranted"])
    agent_ids: list[UUID] = Field(description="The agents that it would change.")
    created_at: Time = Field(description="When the scan made it.")
    updated_at: Time = Field(description="When it was last changed.")

    @computed_field(description="The same id under its other name.")
    @property
    def changeset_id(self) -> UUID:
        """The changeset's id under its other name."""
        return self.id


class ChangesetItem(Output):
    """What is proposed for one agent."""

    agent_id: UUID = Field(description="The agent.")
    agent_name: str = Field(description="Its name when the scan ended.")
    base_version: int = Field(description="The config version that the proposal was made from.")
    proposed_config: AgentConfig = Field(description="The whole proposed config.")
    diff: ConfigDiff = Field(description="What would change.")
    strategy: str = Field(description="The strategy that found it.", examples=["reflective"])
    rationale: str = Field(description="Why it should help.")
    cluster_signatures: list[str] = Field(description="The failure clusters that it answers to.")
    accepted_version: int | None = Field(description="The config version that accepting made; null = not accepted.")


class ChangesetMove(Output):
    """One step in a changeset's life."""

    at: Time = Field(description="When it was made.")
    from_status: ChangesetStatus | None = Field(description="Where the changeset stood; null = it did not exist.")
    to_status: ChangesetStatus = Field(description="Where it stood from then on.")
    actor: Author = Field(description="Who made it.")
    reason: str | None = Field(description="Why; null = not said.")


class Approval(Output):
    """That somebody approved."""

    user_id: UUID = Field(description="Who approved.")
    at: Time = Field(description="When.", validation_alias="created_at")
    counts: bool = Field(description="Whether it counts: whoever may not approve any more, does not.")


class Watch(Output):
    """Production under watch because the system applied the changeset."""

    status: WatchStatus = Field(
        description="`watching`; `kept`: the time was over and no regression had been shown; `inconclusive`: it was over, and "
        "too few traces had come for one to show; `rolled_back`: one was shown and "
        "the system put everything back; `stopped`: somebody decided, or the system could not act any more."
    )
    evidence_level: EvidenceLevel = Field(description="`L4`: what the change does in production itself.", examples=["L4"])
    began_at: Time = Field(description="When the changeset was applied.")
    ends_at: Time = Field(description="Until when production is watched.")
    finished_at: Time | None = Field(description="When the watch ended; null = it has not.")
    checks: int = Field(description="How often production was looked at.")
    checked_at: Time | None = Field(description="When it was last; null = never.")
    evidence_needed: float = Field(description="A reading with so much evidence is a regression.")
    baseline: list[Reference] = Field(description="What production showed before the change, metric by metric.")
    readings: list[Reading] = Field(description="What it has shown since.")
    reason: str | None = Field(description="Why the watch ended as it did; null = it has not ended.")


class Changeset(ChangesetSummary):
    """A changeset with everything that explains it."""

    items: list[ChangesetItem] = Field(description="What is proposed, agent by agent.")
    explainability: Explainability = Field(description="Why it says what it says.")
    verdict: dict[str, JsonValue] = Field(description="The scan's verdict.")
    performance_cards: list[PerformanceCard] = Field(description="How each agent fared.")
    framework_snapshot: FrameworkSnapshot = Field(description="What the scan judged by, as it stood then.")
    superseded_by_id: UUID | None = Field(description="The changeset that took its place; null = none.")
    approvals: list[Approval] = Field(description="Who has approved, the first one first; the system needs no approval.")
    required_approvals: int = Field(description="How many people must approve, as the workspace asks today.")
    watch: Watch | None = Field(description="Production under watch; null = the system did not apply it.")
    history: list[ChangesetMove] = Field(description="Every move, the oldest first.")


class Reason(Input):
    """Why something is undone or refused."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "The new tone does not fit our customers."}]})

    reason: Words = Field(description="Why; it is kept in the history and in the decision log.")


class Comment(Input):
    """A remark on a changeset."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"comment": "Waiting for legal."}]})

    comment: Words = Field(description="The remark; it is kept in the decision log.")


class ExportedConfig(Output):
    """The proposed config of one agent."""

    agent_id: UUID = Field(description="The agent.")
    agent_name: str = Field(description="Its name when the scan ended.")
    base_version: int = Field(description="The config version that the proposal was made from.")
    config: AgentConfig = Field(description="The whole proposed config.", validation_alias="proposed_config")


class Export(Output):
    """A changeset's configs, to merge by hand."""

    changeset_id: UUID = Field(description="The changeset.")
    items: list[ExportedConfig] = Field(description="The proposed configs, agent by agent.")
