"""Endpoints that delete and restore a workspace."""

from typing import Annotated, Any

from fastapi import Security

from spectral_api.dependencies import Database
from spectral_api.routing import V1, Router
from spectral_api.security import authenticate_restorer
from spectral_api.v1.callers import Admin
from spectral_api.v1.refusals import workspace_problems
from spectral_api.v1.workspaces import schemas
from spectral_platform.core.access import Caller, Scope
from spectral_platform.portability import commands as portability
from spectral_platform.workspaces import commands

router = Router(prefix=V1 + "/workspaces", tags=["Workspaces"])
Restorer = Annotated[Caller, Security(authenticate_restorer, scopes=[Scope.ADMIN_WORKSPACE])]


@router.delete("/{workspace_id}", status_code=204, summary="Delete a workspace", responses=workspace_problems())
async def delete_workspace(caller: Admin, database: Database) -> None:
    """Take the workspace and everything under it away: from now on it answers 404 to everybody, its API keys included.

    Scans that run are cancelled. For 30 days it can be restored; then it is erased.
    """
    await portability.delete_workspace(database, caller)


@router.post(
    "/{workspace_id}/restore", response_model=schemas.Workspace, summary="Restore a workspace", responses=workspace_problems()
)
async def restore_workspace(caller: Restorer, database: Database) -> Any:
    """Give a workspace back within 30 days of its deletion, as it was. Scans that were cancelled stay cancelled.

    Owners and the workspace's administrators may do this; `GET /api/v1/workspaces?deleted=true` lists what they can restore.
    """
    return await commands.restore_workspace(database, caller)
