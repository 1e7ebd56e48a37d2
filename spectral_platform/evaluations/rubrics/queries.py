"""Reading rubrics."""

from uuid import UUID

from sqlalchemy import Select, and_
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.evaluations.rubrics.errors import RubricNotFound
from spectral_platform.evaluations.rubrics.models import Rubric, RubricVersion

COLUMNS = {"created_at": RubricVersion.created_at, "name": RubricVersion.name}


def _newest_versions(workspace_id: UUID) -> Select[RubricVersion]:
    newest = and_(Rubric.id == RubricVersion.rubric_id, Rubric.version == RubricVersion.version)
    return RubricVersion.in_workspace(workspace_id).join(Rubric, newest)


async def list_rubrics(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[RubricVersion]:
    """The rubrics of the workspace, each in its newest version."""
    statement = _newest_versions(caller.workspace)
    return await paginate(session, statement, page, columns=COLUMNS, tiebreak=RubricVersion.rubric_id)


async def get_rubric(session: AsyncSession, caller: Caller, rubric_id: UUID, *, version: int | None = None) -> RubricVersion:
    """One rubric of the workspace, in its newest version or an older one."""
    newest = await get_rubric_version(session, caller.workspace, rubric_id)
    if version is None or version == newest.version:
        return newest
    return await get_rubric_version(session, caller.workspace, rubric_id, version)


async def hold_rubric(session: AsyncSession, caller: Caller, rubric_id: UUID) -> Rubric:
    """What names the rubric's newest version; nobody else can change it until the transaction ends."""
    statement = Rubric.in_workspace(caller.workspace).where(Rubric.id == rubric_id).with_for_update()
    rubric = await session.scalar(statement.execution_options(populate_existing=True))
    if rubric is None:
        raise RubricNotFound(rubric_id)
    return rubric


async def get_rubric_version(
    session: AsyncSession, workspace_id: UUID, rubric_id: UUID, version: int | None = None
) -> RubricVersion:
    """The newest version of a rubric, or a pinned one, which is there even when the rubric has been deleted."""
    if version is None:
        statement = _newest_versions(workspace_id)
    else:
        statement = RubricVersion.in_workspace(workspace_id).where(RubricVersion.version == version)
    found = await session.scalar(statement.where(RubricVersion.rubric_id == rubric_id))
    if found is None:
        raise RubricNotFound(rubric_id, version)
    return found


async def find_newest_rubric(session: AsyncSession, workspace_id: UUID) -> RubricVersion | None:
    """The rubric that was made last, in its newest version; None when the workspace has none."""
    newest_first = (RubricVersion.created_at.desc(), RubricVersion.rubric_id.desc())
    return await session.scalar(_newest_versions(workspace_id).order_by(*newest_first).limit(1))
