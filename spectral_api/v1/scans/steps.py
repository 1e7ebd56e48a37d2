"""Endpoints of the steps of a scan."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from spectral_api.dependencies import Database
from spectral_api.paging import Limit, Offset, Results
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Reader
from spectral_api.v1.refusals import workspace_problems
from spectral_api.v1.scans import schemas
from spectral_api.v1.scans.streaming import LARGEST_SEQUENCE
from spectral_platform.scans import queries
from spectral_platform.scans.errors import ScanNotFound, StepNotFound
from spectral_platform.scans.steps import Step

router = Router(prefix=IN_WORKSPACE + "/scans/{scan_id}/steps", tags=["Scans"])


@router.get("", response_model=Results[Step], summary="List a scan's steps", responses=workspace_problems(ScanNotFound))
async def list_scan_steps(scan_id: UUID, caller: Reader, database: Database, limit: Limit = 20, offset: Offset = 0) -> Any:
    """List the steps of a scan, each phase for each agent, in the order in which they come: how far it is, and its figures."""
    steps = await queries.list_scan_steps(database, caller, scan_id)
    return {
        "results": steps[offset : offset + limit],
        "pagination": {"total": len(steps), "limit": limit, "offset": offset},
    }


@router.get("/{step_id}", summary="Get a scan's step", responses=workspace_problems(ScanNotFound, StepNotFound))
async def get_scan_step(scan_id: UUID, step_id: UUID, caller: Reader, database: Database) -> Step:
    """Show one step."""
    return await queries.get_scan_step(database, caller, scan_id, step_id)


@router.get(
    "/{step_id}/logs",
    response_model=schemas.StepLog,
    summary="Read a step's log",
    responses=workspace_problems(ScanNotFound, StepNotFound),
)
async def list_step_logs(
    scan_id: UUID,
    step_id: UUID,
    caller: Reader,
    database: Database,
    cursor: Annotated[
        int, Query(ge=0, le=LARGEST_SEQUENCE, description="`next_cursor` of the page before; 0 = from the start.")
    ] = 0,
    limit: Limit = 20,
    offset: Offset = 0,
) -> Any:
    """Read what a step has said. Ask again with `next_cursor` for what came since; a page without results is the end so far."""
    events = await queries.list_step_logs(database, caller, scan_id, step_id, after=cursor)
    shown = events[offset : offset + limit]
    pagination = {"total": len(events), "limit": limit, "offset": offset, "next_cursor": shown[-1].sequence if shown else cursor}
    return {"results": shown, "pagination": pagination}
