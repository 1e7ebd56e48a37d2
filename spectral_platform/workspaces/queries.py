"""Reading workspaces."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, joinedload

from spectral_platform.accounts.models import Account, AccountMember, AccountStatus, User, UserStatus
from spectral_platform.core import clock
from spectral_platform.core.access import WORKSPACE_SCOPES, AccountRole, Caller, CallerKind, Scope, WorkspaceRole, resolve_scopes
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.workspaces.errors import WorkspaceMemberNotFound, WorkspaceNotFound
from spectral_platform.workspaces.models import RESTORABLE_FOR, Workspace, WorkspaceMember

COLUMNS = {"created_at": Workspace.created_at, "name": Workspace.name}
MEMBER_COLUMNS = {"created_at": WorkspaceMember.created_at}


@dataclass(frozen=True, slots=True)
class Membership:
    """A workspace that a person can reach, and the role there, if one was given."""

    workspace: Workspace
    role: WorkspaceRole | None


async def list_memberships(session: AsyncSession, *, user_id: UUID, account_role: AccountRole) -> list[Membership]:
    """The workspaces of the bound account that a person can reach, oldest first."""
    statement = (
        select(Workspace, WorkspaceMember.role)
        .outerjoin(WorkspaceMember, and_(WorkspaceMember.workspace_id == Workspace.id, WorkspaceMember.user_id == user_id))
        .where(Workspace.deleted_at.is_(None))
        .order_by(Workspace.created_at, Workspace.id)
    )
    if account_role is AccountRole.MEMBER:
        statement = statement.where(WorkspaceMember.user_id == user_id)
    return [Membership(workspace, role) for workspace, role in await session.execute(statement)]


async def find_owner(session: AsyncSession, workspace_id: UUID, *, even_deleted: bool = False) -> UUID | None:
    """The account that owns a workspace, whichever that is: for operations staff, before they are bound to it."""
    await session.execute(text("SELECT set_config('spectral.visited_workspace_id', :id, true)"), {"id": str(workspace_id)})
    named = select(Workspace.account_id).where(Workspace.id == workspace_id)
    return await session.scalar(named.where(_is_restorable() if even_deleted else Workspace.deleted_at.is_(None)))


def is_workspace_open(workspace_id: UUID) -> ColumnElement[bool]:
    """Whether the workspace is there and its account may be served: for whoever comes without a credential."""
    return exists().where(
        Workspace.id == workspace_id,
        Workspace.deleted_at.is_(None),
        Account.id == Workspace.account_id,
        Account.deleted_at.is_(None),
        Account.status == AccountStatus.ACTIVE,
    )


def holds_scope(scope: Scope, *, workspace_id: UUID, user_id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Whether a person of the workspace's own account may come in there with a scope, as the roles are now."""
    by_account = [role for role in AccountRole if scope in resolve_scopes(role, None)]
    by_workspace = [role for role in WorkspaceRole if scope in WORKSPACE_SCOPES[role]]
    membership = exists().where(
        WorkspaceMember.workspace_id == workspace_id,
        WorkspaceMember.user_id == user_id,
        WorkspaceMember.role.in_(by_workspace),
    )
    return exists().where(
        Workspace.id == workspace_id,
        AccountMember.account_id == Workspace.account_id,
        AccountMember.user_id == user_id,
        User.id == AccountMember.user_id,
        User.status == UserStatus.ACTIVE,
        or_(AccountMember.role.in_(by_account), membership),
    )


async def is_open(session: AsyncSession, workspace_id: UUID) -> bool:
    """Whether the workspace of the bound account is there and may be served."""
    return bool(await session.scalar(select(is_workspace_open(workspace_id))))


def _is_restorable() -> ColumnElement[bool]:
    return or_(Workspace.deleted_at.is_(None), Workspace.deleted_at > clock.now() - RESTORABLE_FOR)


async def list_workspaces(session: AsyncSession, caller: Caller, *, page: PageRequest, deleted: bool = False) -> Page[Workspace]:
    """The workspaces that the caller can reach, or of the deleted ones those that they may restore."""
    statement = select(Workspace).where(Workspace.account_id == caller.account_id)
    if deleted:
        statement = statement.where(Workspace.deleted_at.is_not(None), _is_restorable())
    else:
        statement = statement.where(Workspace.deleted_at.is_(None))
    if caller.kind is CallerKind.KEY:
        statement = statement.where(Workspace.id == caller.workspace_id)
    elif Scope.ADMIN_ACCOUNT not in caller.scopes:
        statement = statement.join(WorkspaceMember).where(WorkspaceMember.user_id == caller.id)
        if deleted:
            statement = statement.where(WorkspaceMember.role == WorkspaceRole.ADMIN)
    return await paginate(session, statement, page, columns=COLUMNS, tiebreak=Workspace.id)


async def get_workspace(session: AsyncSession, caller: Caller) -> Workspace:
    """The workspace that the call names."""
    workspace = await session.get(Workspace, caller.workspace)
    if workspace is None:
        raise WorkspaceNotFound(caller.workspace)
    return workspace


async def is_alive(session: AsyncSession, *, account_id: UUID, workspace_id: UUID) -> bool:
    """Whether anything may go on in a workspace of the bound account: neither of the two is deleted."""
    alive = (
        select(Workspace.id)
        .join(Account, Account.id == Workspace.account_id)
        .where(Workspace.id == workspace_id, Account.id == account_id)
        .where(Workspace.deleted_at.is_(None), Account.deleted_at.is_(None))
    )
    return await session.scalar(alive) is not None


async def find_existing(session: AsyncSession, caller: Caller, workspace_ids: Collection[UUID]) -> set[UUID]:
    """Those of the ids that are workspaces of the caller's account, deleted ones left out."""
    found = _standing(caller).where(Workspace.id.in_(workspace_ids))
    return set(await session.scalars(found))


async def find_first_workspace(session: AsyncSession, caller: Caller) -> UUID | None:
    """The oldest workspace of the caller's account."""
    return await session.scalar(_standing(caller).order_by(Workspace.created_at, Workspace.id).limit(1))


def _standing(caller: Caller) -> Select[UUID]:
    return select(Workspace.id).where(Workspace.account_id == caller.account_id, Workspace.deleted_at.is_(None))


async def list_workspace_members(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[WorkspaceMember]:
    """Who was given a role in the workspace."""
    return await paginate(session, _members(caller), page, columns=MEMBER_COLUMNS, tiebreak=WorkspaceMember.user_id)


async def get_workspace_member(session: AsyncSession, caller: Caller, user_id: UUID) -> WorkspaceMember:
    """One member of the workspace."""
    member = await session.scalar(_members(caller).where(WorkspaceMember.user_id == user_id))
    if member is None:
        raise WorkspaceMemberNotFound(user_id)
    return member


async def find_readers(session: AsyncSession, caller: Caller, emails: Collection[str]) -> dict[str, str]:
    """Those of the addresses whose owners may come into the workspace now: in lower case, each with the way its owner has it."""
    may_read = holds_scope(Scope.READ_WORKSPACE, workspace_id=caller.workspace, user_id=User.id)
    found = await session.scalars(
        select(User.email).where(func.lower(User.email).in_([email.lower() for email in emails]), may_read)
    )
    return {email.lower(): email for email in found}


def _members(caller: Caller) -> Select[WorkspaceMember]:
    people = joinedload(WorkspaceMember.person, innerjoin=True).joinedload(AccountMember.user, innerjoin=True)
    return select(WorkspaceMember).where(WorkspaceMember.workspace_id == caller.workspace).options(people)
