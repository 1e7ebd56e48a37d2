"""Deleting what is to be erased."""

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.scans.commands import stop_scans
from spectral_platform.workspaces import commands as workspaces


async def delete_workspace(session: AsyncSession, caller: Caller) -> None:
    """Take the workspace away from everybody and stop its scans; it is erased when it can no longer be restored."""
    await stop_scans(session, caller)
    await workspaces.delete_workspace(session, caller)
