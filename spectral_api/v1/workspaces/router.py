"""Endpoints of workspaces."""

from typing import Annotated, Any

from fastapi import Query, Response

from spectral_api.dependencies import CurrentSettings, Database
from spectral_api.paging import PageByName, Results, envelope
from spectral_api.routing import V1, Router
from spectral_api.v1.callers import AccountAdmin, Admin, AnyCaller, Reader
from spectral_api.v1.refusals import account_problems, workspace_problems
from spectral_api.v1.workspaces import schemas
from spectral_platform.mail.errors import MailUnconfigured
from spectral_platform.scans.errors import ScanNotPossible
from spectral_platform.scans.notices.recipients import check_notify
from spectral_platform.scans.preflight import check_named
from spectral_platform.workspaces import commands, queries

router = Router(prefix=V1 + "/workspaces", tags=["Workspaces"])


@router.get("", response_model=Results[schemas.Workspace], summary="List workspaces", responses=account_problems())
async def list_workspaces(
    caller: AnyCaller,
    database: Database,
    page: PageByName,
    deleted: Annotated[
        bool, Query(description="List the deleted workspaces instead, as far as the caller may restore them.")
    ] = False,
) -> Any:
    """List the workspaces that the caller can reach."""
    return envelope(await queries.list_workspaces(database, caller, page=page, deleted=deleted))


@router.post("", status_code=201, response_model=schemas.Workspace, summary="Create a workspace", responses=account_problems())
async def create_workspace(body: schemas.WorkspaceCreate, caller: AccountAdmin, database: Database, response: Response) -> Any:
    """Make a workspace in the caller's account."""
    workspace = await commands.create_workspace(database, caller, name=body.name, world_model=body.world_model)
    response.headers["Location"] = f"/api/v1/workspaces/{workspace.id}"
    return workspace


@router.get("/{workspace_id}", response_model=schemas.Workspace, summary="Get a workspace", responses=workspace_problems())
async def get_workspace(caller: Reader, database: Database) -> Any:
    """Show one workspace."""
    return await queries.get_workspace(database, caller)


@router.patch(
    "/{workspace_id}",
    response_model=schemas.Workspace,
    summary="Change a workspace",
    responses=workspace_problems(ScanNotPossible, MailUnconfigured),
)
async def update_workspace(body: schemas.WorkspaceUpdate, caller: Admin, database: Database, settings: CurrentSettings) -> Any:
    """Change the named fields; the others stay as they are. What `scan_defaults` name must be there."""
    await check_named(database, caller, body.scan_defaults)
    await check_notify(database, caller, settings, body.scan_defaults.notify)
    return await commands.update_workspace(database, caller, changes=body.model_dump(mode="json", exclude_unset=True))
