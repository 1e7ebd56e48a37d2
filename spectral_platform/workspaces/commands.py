"""Making and changing workspaces."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.queries import find_member
from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller, WorkspaceRole
from spectral_platform.core.database import conflict_as
from spectral_platform.workspaces import queries
from spectral_platform.workspaces.errors import AlreadyMember, PersonUnknown
from spectral_platform.workspaces.models import DEFAULT_WORLD_MODEL, Workspace, WorkspaceMember


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


async def delete_workspace(session: AsyncSession, caller: Caller) -> None:
    """Take the workspace and everything under it away from everybody; it can be restored for ``RESTORABLE_FOR``."""
    workspace = await queries.get_workspace(session, caller)
    workspace.deleted_at = clock.now()
    await session.flush()
    await record(session, caller, action="workspace.deleted", resource="workspace", resource_id=workspace.id, name=workspace.name)


async def restore_workspace(session: AsyncSession, caller: Caller) -> Workspace:
    """Give a deleted workspace back, with everything in it. One that is not deleted stays as it is."""
    workspace = await queries.get_workspace(session, caller)
    if workspace.deleted_at is not None:
        workspace.deleted_at = None
        await session.flush()
        await record(
            session, caller, action="workspace.restored", resource="workspace", resource_id=workspace.id, name=workspace.name
        )
    return workspace


async def hold_workspace(session: AsyncSession, caller: Caller) -> None:
    """Let one transaction at a time past this point in a workspace, until it ends."""
    await session.get_one(Workspace, caller.workspace, with_for_update={"key_share": True})


async def add_workspace_member(
    session: AsyncSession, caller: Caller, *, user_id: UUID | None, email: str | None, role: WorkspaceRole
) -> WorkspaceMember:
    """Give a person of the account, named by id or email address, a role in the workspace.

    Raises ``PersonUnknown``, in the same words for somebody of another account and for nobody, or ``AlreadyMember``.
    """
    person = await find_member(session, caller, user_id=user_id, email=email)
    if person is None:
        raise PersonUnknown
    member = WorkspaceMember(account_id=caller.account_id, workspace_id=caller.workspace, user_id=person.user_id, role=role)
    session.add(member)
    with (
        conflict_as("pk_workspace_members", AlreadyMember()),
        conflict_as("fk_workspace_members_user_id", PersonUnknown()),  # removed from the account at this moment
    ):
        await session.flush()
    await record(session, caller, action="workspace_member.added", resource="user", resource_id=person.user_id, role=role)
    return await queries.get_workspace_member(session, caller, person.user_id)


async def give_roles(session: AsyncSession, caller: Caller, *, user_id: UUID, roles: Mapping[UUID, WorkspaceRole]) -> set[UUID]:
    """Give a new person of the account roles in those of its workspaces that exist, as a part of something larger: which ones."""
    existing = await queries.find_existing(session, caller, roles.keys())
    session.add_all(
        WorkspaceMember(account_id=caller.account_id, workspace_id=workspace_id, user_id=user_id, role=roles[workspace_id])
        for workspace_id in existing
    )
    await session.flush()
    return existing


async def update_workspace_member(
    session: AsyncSession, caller: Caller, user_id: UUID, *, role: WorkspaceRole
) -> WorkspaceMember:
    """Give a member another role in the workspace; it holds from the next request on."""
    member = await _hold_member(session, caller, user_id)
    member.role = role
    await session.flush()
    await record(session, caller, action="workspace_member.updated", resource="user", resource_id=user_id, role=role)
    return member


async def remove_workspace_member(session: AsyncSession, caller: Caller, user_id: UUID) -> None:
    """Take a person out of the workspace; they stay in the account."""
    member = await _hold_member(session, caller, user_id)
    await session.delete(member)
    await session.flush()
    await record(session, caller, action="workspace_member.removed", resource="user", resource_id=user_id)


async def _hold_member(session: AsyncSession, caller: Caller, user_id: UUID) -> WorkspaceMember:
    own = (WorkspaceMember.workspace_id == caller.workspace, WorkspaceMember.user_id == user_id)
    await session.execute(select(WorkspaceMember.role).where(*own).with_for_update())
    return await queries.get_workspace_member(session, caller, user_id)
