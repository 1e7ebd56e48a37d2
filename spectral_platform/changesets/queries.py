"""Reading changesets."""

from uuid import UUID

from pydantic import Field
from sqlalchemy import literal, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload, with_expression

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.models import ConfigVersion
from spectral_platform.changesets.errors import ChangesetNotFound
from spectral_platform.changesets.models import Changeset, ChangesetApproval, ChangesetItem
from spectral_platform.changesets.states import ChangesetStatus
from spectral_platform.core.access import Caller, Scope
from spectral_platform.core.paging import Filter, Page, PageRequest, paginate
from spectral_platform.workspaces.policies.autonomy import Autonomy
from spectral_platform.workspaces.policies.queries import get_policy
from spectral_platform.workspaces.queries import holds_scope

COLUMNS = {"created_at": Changeset.created_at}


class ChangesetFilter(Filter):
    """Which changesets to list."""

    status: ChangesetStatus | None = Field(default=None, description="Only changesets with this status.")
    scan_id: UUID | None = Field(default=None, description="Only the changeset of this scan.")
    agent_id: UUID | None = Field(default=None, description="Only changesets that would change this agent.")


async def list_changesets(
    session: AsyncSession, caller: Caller, *, filter: ChangesetFilter, page: PageRequest
) -> Page[Changeset]:
    """The changesets of the workspace, with their items."""
    statement = Changeset.in_workspace(caller.workspace).options(selectinload(Changeset.items))
    statement = statement.where(*filter.equals(status=Changeset.status, scan_id=Changeset.scan_id))
    if filter.agent_id is not None:
        statement = statement.where(Changeset.items.any(ChangesetItem.agent_id == filter.agent_id))
    return await paginate(session, statement, page, columns=COLUMNS, tiebreak=Changeset.id)


async def get_changeset(session: AsyncSession, caller: Caller, changeset_id: UUID) -> Changeset:
    """One changeset of the workspace with its items, history, approvals and watch, as they are now."""
    required = (await get_policy(session, caller, Autonomy)).required_approvals
    counts = holds_scope(Scope.APPROVE_AGENTS, workspace_id=caller.workspace, user_id=ChangesetApproval.user_id)
    changeset = await session.scalar(
        Changeset.in_workspace(caller.workspace)
        .where(Changeset.id == changeset_id)
        .options(
            with_expression(Changeset.required_approvals, literal(required)),
            selectinload(Changeset.items),
            selectinload(Changeset.history),
            selectinload(Changeset.approvals).options(with_expression(ChangesetApproval.counts, counts)),
            selectinload(Changeset.watch),
        )
        .execution_options(populate_existing=True)
    )
    if changeset is None:
        raise ChangesetNotFound(changeset_id)
    return changeset


async def list_base_configs(session: AsyncSession, caller: Caller, changeset: Changeset) -> dict[UUID, AgentConfig]:
    """What the changeset's items were made from, by agent; agents that were deleted since are among them."""
    bases = [(item.agent_id, item.base_version) for item in changeset.items]
    versions = await session.scalars(
        ConfigVersion.in_workspace(caller.workspace).where(tuple_(ConfigVersion.agent_id, ConfigVersion.version).in_(bases))
    )
    return {version.agent_id: version.config for version in versions}
