"""Reading changesets."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.models import ConfigVersion
from spectral_platform.changesets.errors import ChangesetNotFound
from spectral_platform.changesets.models import Changeset, ChangesetItem
from spectral_platform.changesets.states import ChangesetStatus
from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate

COLUMNS = {"created_at": Changeset.created_at}


@dataclass(frozen=True, slots=True)
class ChangesetFilter:
    """Which changesets to list; None = any."""

    status: ChangesetStatus | None = None
    scan_id: UUID | None = None
    agent_id: UUID | None = None


async def list_changesets(
    session: AsyncSession, caller: Caller, *, filter: ChangesetFilter, page: PageRequest
) -> Page[Changeset]:
    """The changesets of the workspace, with their items."""
    statement = Changeset.in_workspace(caller.workspace).options(selectinload(Changeset.items))
    if filter.status is not None:
        statement = statement.where(Changeset.status == filter.status)
    if filter.scan_id is not None:
        statement = statement.where(Changeset.scan_id == filter.scan_id)
    if filter.agent_id is not None:
        statement = statement.where(Changeset.items.any(ChangesetItem.agent_id == filter.agent_id))
    return await paginate(session, statement, page, columns=COLUMNS, tiebreak=Changeset.id)


async def get_changeset(session: AsyncSession, caller: Caller, changeset_id: UUID) -> Changeset:
    """One changeset of the workspace with its items and history, as they are now."""
    changeset = await session.scalar(
        Changeset.in_workspace(caller.workspace)
        .where(Changeset.id == changeset_id)
        .options(selectinload(Changeset.items), selectinload(Changeset.history))
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
