"""Bodies of the failure clusters' endpoints."""

from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, computed_field, model_validator

from spectral_api.schemas import Input, Output, Time
from spectral_platform.changesets.clusters.findings import SeverityCard, TrendPoint
from spectral_platform.changesets.clusters.states import ClusterStatus

STATUS = "What has been decided about it; a resolved cluster that comes back opens again."
LABEL = "What the failures have in common, in a few words."
NOTE = "What somebody wrote about it; null = nothing."


class Cluster(Output):
    """Failures that share a cause."""

    cluster_id: UUID = Field(description="The cluster; the same in every scan that sees it.")
    agent_id: UUID | None = Field(description="The agent that fails so; null = it is gone, or was not kept then.")
    label: str = Field(description=LABEL, examples=["sources: Name the source of every answer."])
    description: str = Field(description="How many failures there are, and a typical one.")
    signature: str = Field(description="What makes it the same cluster in another scan.")
    size: int = Field(description="Failed training cases and traces in it.")
    share: float = Field(description="Its share of all failures, in [0, 1].")
    severity: float = Field(description="The mean loss of its failures, in [0, 1].")
    card: SeverityCard = Field(description="How bad it is, how sure that is, and who can do something about it.")
    status: ClusterStatus = Field(description=STATUS)
    note: str | None = Field(description=NOTE)
    reopened: bool = Field(description="Whether it came back after it had been resolved.")
    first_seen_at: Time = Field(description="When a scan first saw it.")
    last_seen_at: Time = Field(description="When a scan last saw it.")
    exemplar_cases: list[str] = Field(description="Typical training cases.")
    exemplar_trace_ids: list[str] = Field(description="Typical traces.")
    trend: list[TrendPoint] = Field(description="Its size in the last scans that saw it, the oldest first.")
    merged_into_id: UUID | None = Field(description="The cluster that stands for it now; null = it stands for itself.")

    @computed_field(description="The same id under its other name.")
    @property
    def id(self) -> UUID:
        """The cluster's id under its other name."""
        return self.cluster_id


class ClusterFailure(Output):
    """One failure in a cluster, as the last scan that saw it tells it."""

    failure_id: UUID = Field(description="The failure.")
    case_key: str | None = Field(description="The training case in which it happened; null = it happened in a trace.")
    trace_id: str | None = Field(description="The trace in which it happened; null = it happened in a training case.")
    criterion: str = Field(description="What was not met, or what a detector found.", examples=["detector:unchanged_retry"])
    feedback: str = Field(description="What was said of it.")
    severity: float = Field(description="The loss, in [0, 1].")
    is_pinned: bool = Field(description="Whether a person put it into this cluster.")
    scan_id: UUID = Field(description="The last scan that saw it.")
    seen_at: Time = Field(description="When that was.")

    @computed_field(description="The same id under its other name.")
    @property
    def id(self) -> UUID:
        """The failure's id under its other name."""
        return self.failure_id


class ClusterMerge(Input):
    """Which cluster is to stand for both."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "0199a3c1-5b7e-7c3e-9c3a-2f6f0c1d2e3f"}]})

    into: UUID = Field(description="A cluster of the same agent.")


class ClusterSplit(Input):
    """What is to be a cluster of its own: these failures, or all that fail one criterion."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"label": "Refunds without an order number", "criterion": "tool_arguments"}]}
    )

    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(description=LABEL)
    failure_ids: tuple[UUID, ...] = Field(default=(), max_length=1_000, description="Failures of the cluster to move.")
    criterion: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="Move every failure of this criterion, now and in later scans."
    )

    @model_validator(mode="after")
    def says_what_to_move(self) -> Self:
        """Refuse both ways at once, and neither."""
        if bool(self.failure_ids) == (self.criterion is not None):
            raise ValueError("give either failure_ids or criterion")
        return self


class ClusterSampling(Input):
    """Where the samples go, and how many."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"sample_set_id": "0199a3c1-5b7e-7c3e-9c3a-2f6f0c1d2e3f", "max": 50}]}
    )

    sample_set_id: UUID = Field(description="The set that they are added to; publish it to have scans use them.")
    dedupe: bool = Field(default=True, description="Leave out what is nearly the same as another sample.")
    max: int = Field(default=50, ge=1, le=1_000, description="Make at most so many samples.")


class ClusterUpdate(Input):
    """A decision about a cluster; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "acknowledged", "note": "The article is missing."}]})

    status: ClusterStatus = Field(default=ClusterStatus.OPEN, description=STATUS)
    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        default="", description=LABEL
    )
    note: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(default=None, description=NOTE)
