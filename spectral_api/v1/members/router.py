"""Endpoints of the people of the account, and of those of a workspace."""

from typing import Any
from uuid import UUID

from fastapi import Response

from spectral_api.dependencies import Database
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, V1, Router
from spectral_api.security import PeopleOnly, person
from spectral_api.v1.callers import AccountAdmin, Admin, AnyCaller, Reader
from spectral_api.v1.members import schemas
from spectral_api.v1.refusals import account_problems, workspace_problems
from spectral_platform.accounts import queries
from spectral_platform.accounts.errors import LastOwner, MemberNotFound, OperationsReserved
from spectral_platform.members import commands
from spectral_platform.workspaces import commands as workspaces
from spectral_platform.workspaces.errors import AlreadyMember, PersonUnknown, WorkspaceMemberNotFound
from spectral_platform.workspaces.queries import list_workspace_members as list_people

router = Router(prefix=V1 + "/account/members", tags=["Members"])
workspace_router = Router(prefix=IN_WORKSPACE + "/members", tags=["Members"])


@router.get(
    "", response_model=Results[schemas.Member], summary="List the account's members", responses=account_problems(PeopleOnly)
)
async def list_members(caller: AnyCaller, database: Database, page: PageByTime) -> Any:
    """List the people of the account; every member may see them."""
    return envelope(await queries.list_members(database, person(caller), page=page))


@router.patch(
    "/{user_id}",
    response_model=schemas.Member,
    summary="Change a member of the account",
    responses=account_problems(MemberNotFound, LastOwner, OperationsReserved),
)
async def update_member(user_id: UUID, body: schemas.MemberUpdate, caller: AccountAdmin, database: Database) -> Any:
    """Change somebody's role, or shut them out (`revoked`) and let them in again (`active`), from their next request on.

    The account keeps an owner who can come in. The API keys that a person made belong to their workspaces and keep working.
    """
    return await commands.update_member(database, caller, user_id, **body.model_dump(exclude_unset=True))


@router.delete(
    "/{user_id}",
    status_code=204,
    summary="Remove a member from the account",
    responses=account_problems(MemberNotFound, LastOwner, OperationsReserved),
)
async def remove_member(user_id: UUID, caller: AccountAdmin, database: Database) -> None:
    """Erase somebody from the account: their login, their sessions and their roles end at once, and what they made stays.

    They may register again, or be invited again. The API keys that they made keep working until they are revoked.
    """
    await commands.remove_member(database, caller, user_id)


@workspace_router.get(
    "", response_model=Results[schemas.WorkspaceMember], summary="List the workspace's members", responses=workspace_problems()
)
async def list_workspace_members(caller: Reader, database: Database, page: PageByTime) -> Any:
    """List who was given a role in the workspace. The account's owners reach it without one."""
    return envelope(await list_people(database, caller, page=page))


@workspace_router.post(
    "",
    status_code=201,
    response_model=schemas.WorkspaceMember,
    summary="Add a member to the workspace",
    responses=workspace_problems(PersonUnknown, AlreadyMember),
)
async def add_workspace_member(body: schemas.WorkspaceMemberCreate, caller: Admin, database: Database, response: Response) -> Any:
    """Give somebody of the account a role in the workspace. Whoever is not in the account is invited into it first."""
    member = await workspaces.add_workspace_member(database, caller, **body.model_dump())
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/members/{member.user_id}"
    return member


@workspace_router.patch(
    "/{user_id}",
    response_model=schemas.WorkspaceMember,
    summary="Change a member of the workspace",
    responses=workspace_problems(WorkspaceMemberNotFound),
)
async def update_workspace_member(user_id: UUID, body: schemas.WorkspaceMemberUpdate, caller: Admin, database: Database) -> Any:
    """Give somebody another role in the workspace, from their next request on."""
    return await workspaces.update_workspace_member(database, caller, user_id, role=body.role)


@workspace_router.delete(
    "/{user_id}",
    status_code=204,
    summary="Remove a member from the workspace",
    responses=workspace_problems(WorkspaceMemberNotFound),
)
async def remove_workspace_member(user_id: UUID, caller: Admin, database: Database) -> None:
    """Take somebody's role in the workspace away; they stay in the account."""
    await workspaces.remove_workspace_member(database, caller, user_id)
