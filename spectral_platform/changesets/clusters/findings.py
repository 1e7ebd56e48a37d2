"""What a scan found about one failure cluster."""

from uuid import UUID

from pydantic import AwareDatetime, Field

from spectral_platform.core.values import Value


class ClusterFinding(Value):
    """A failure cluster as one scan saw it. The same ``signature`` is the same cluster in every scan of a workspace."""

    signature: str = Field(min_length=1, max_length=200)
    label: str = Field(min_length=1)
    description: str
    size: int = Field(ge=1, description="Failed cases in it.")
    share: float = Field(ge=0, le=1, description="Share of all failed cases.")
    severity: float = Field(ge=0, le=1, description="Mean loss of its cases.")
    exemplar_cases: tuple[str, ...] = Field(default=(), description="Keys of typical train and dev cases.")
    exemplar_trace_ids: tuple[str, ...] = Field(default=(), description="Traces behind typical cases.")


class TrendPoint(Value):
    """How large a cluster was in one scan."""

    scan_id: UUID = Field(description="The scan that saw it.")
    at: AwareDatetime = Field(description="When the scan had its findings.")
    size: int = Field(description="Failed cases in it.")
    share: float = Field(description="Share of all failed cases.")
