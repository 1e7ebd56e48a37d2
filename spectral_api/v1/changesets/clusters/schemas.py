"""Bodies of the failure clusters' endpoints."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, computed_field

from spectral_api.schemas import Input, Output, Time
from spectral_platform.changesets.clusters.findings import TrendPoint
from spectral_platform.changesets.clusters.states import ClusterStatus

STATUS = "What has been decided about it; a resolved cluster that comes back opens again."
LABEL = "What the failures have in common, in a few words."
NOTE = "What somebody wrote about it; null = nothing."


class Cluster(Output):
    """Failures that share a cause."""

    cluster_id: UUID = Field(description="The cluster; the same in every scan that sees it.")
    label: str = Field(description=LABEL, examples=["cites_source: refund, article"])
    description: str = Field(description="How many failures there are, and a typical one.")
    signature: str = Field(description="What makes it the same cluster in another scan.")
    size: int = Field(description="Failed cases in it.")
    share: float = Field(description="Its share of all failed cases, in [0, 1].")
    severity: float = Field(description="The mean loss of its cases, in [0, 1].")
    status: ClusterStatus = Field(description=STATUS)
    note: str | None = Field(description=NOTE)
    reopened: bool = Field(description="Whether it came back after it had been resolved.")
    first_seen_at: Time = Field(description="When a scan first saw it.")
    last_seen_at: Time = Field(description="When a scan last saw it.")
    exemplar_cases: list[str] = Field(description="Typical train and dev cases.")
    exemplar_trace_ids: list[str] = Field(description="Traces behind typical cases.")
    trend: list[TrendPoint] = Field(description="Its size in the last scans that saw it, the oldest first.")

    @computed_field(description="The same id under its other name.")
    @property
    def id(self) -> UUID:
        """The cluster's id under its other name."""
        return self.cluster_id


class ClusterUpdate(Input):
    """A decision about a cluster; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "acknowledged", "note": "The article is missing."}]})

    status: ClusterStatus = Field(default=ClusterStatus.OPEN, description=STATUS)
    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        default="", description=LABEL
    )
    note: Annotated[str, StringConstraints(max_length=2_000)] | None = Field(default=None, description=NOTE)
