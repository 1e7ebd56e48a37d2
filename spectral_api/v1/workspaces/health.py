"""Endpoint that tells how a workspace is doing."""

from typing import Any
from uuid import UUID

from pydantic import Field

from spectral_api.dependencies import Database
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.schemas import Output, Time
from spectral_api.v1.callers import Reader
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.dashboard import queries
from spectral_platform.scans.states import ScanStatus

router = Router(prefix=IN_WORKSPACE, tags=["Workspaces"])


class Ingestion(Output):
    """What arrives."""

    last_span_at: Time | None = Field(description="When a span was last stored; null = none ever was.")
    spans_24h: int = Field(description="Spans that were stored within the last 24 hours.", examples=[120_431])
    rejected_24h: int = Field(description="Spans that were refused within the last 24 hours.", examples=[3])


class LastScan(Output):
    """The newest scan."""

    scan_id: UUID = Field(description="The scan.")
    status: ScanStatus = Field(description="Where it stands.")
    outcome: str | None = Field(description="The outcome of its verdict; null = it has none.", examples=["improve"])
    created_at: Time = Field(description="When it was asked for.")
    finished_at: Time | None = Field(description="When it ended; null = it has not.")


class Worker(Output):
    """Whether any worker is alive."""

    status: queries.Condition = Field(description="How it is doing.")
    detail: str = Field(description="What was seen.", examples=["last heartbeat 1 s ago"])


class WorkspaceHealth(Output):
    """How a workspace is doing."""

    status: queries.Condition = Field(
        description="`degraded` without a living worker, after a failed scan, or when more spans are refused than stored."
    )
    ingestion: Ingestion = Field(description="What arrives.")
    agents: int = Field(description="How many agents there are.", examples=[4])
    last_scan: LastScan | None = Field(description="The newest scan; null = there was none.")
    open_clusters: int = Field(description="Clusters of failures that nobody has dealt with.", examples=[2])
    worker: Worker = Field(description="Who carries out scans.")


@router.get("/health", response_model=WorkspaceHealth, summary="Workspace health", responses=workspace_problems())
async def get_workspace_health(caller: Reader, database: Database) -> Any:
    """Tell at a glance whether traces arrive, scans run, and what waits for somebody."""
    return await queries.get_workspace_health(database, caller)
