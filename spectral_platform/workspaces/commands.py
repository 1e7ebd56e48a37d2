"""Making and changing workspaces."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core.access import Caller
from spectral_platform.workspaces import queries
from spectral_platform.workspaces.models import DEFAULT_WORLD_MODEL, Workspace


async def create_workspace(
    session: AsyncSession, caller: Caller, *, name: str, world_model: str = DEFAULT_WORLD_MODEL
) -> Workspace:
    """A new workspace in the caller's account."""
    workspace = await add_workspace(session, caller, name=name, world_model=world_model)
    await record(session, caller, action="workspace.created", resource="workspace", resource_id=workspace.id, name=name)
    return workspace


async def add_workspace(session: AsyncSession, caller: Caller, *, name: str, world_model: str = DEFAULT_WORLD_MODEL) -> Workspace:
    """A new workspace as a part of something larger, whose entry in the audit log tells of it."""
    workspace = Workspace(account_id=caller.account_id, name=name, world_model=world_model, scan_defaults={})
    session.add(workspace)
    await session.flush()
    return workspace


async def update_workspace(session: AsyncSession, caller: Caller, *, changes: dict[str, Any]) -> Workspace:
    """Change the named fields of the workspace."""
    workspace = await queries.get_workspace(session, caller)
    for field, value in changes.items():
        setattr(workspace, field, value)
    await session.flush()
    await record(
        session,
        caller,
        action="workspace.updated",
        resource="workspace",
        resource_id=workspace.id,
        fields=sorted(changes),
    )
    return workspace


async def hold_workspace(session: AsyncSession, caller: Caller) -> None:
    """Let one transaction at a time past this point in a workspace, until it ends."""
    await session.get_one(Workspace, caller.workspace, with_for_update={"key_share": True})
