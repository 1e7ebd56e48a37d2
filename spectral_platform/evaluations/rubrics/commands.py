"""Writing rubrics: each write makes a version."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.queries import get_agent
from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import conflict_as
from spectral_platform.evaluations.dimensions import Dimension, normalize_weights
from spectral_platform.evaluations.objectives.queries import list_named_dimensions
from spectral_platform.evaluations.rubrics import queries
from spectral_platform.evaluations.rubrics.errors import DimensionInUse, RubricChanged, RubricInUse
from spectral_platform.evaluations.rubrics.models import Rubric, RubricVersion
from spectral_platform.workspaces.commands import hold_workspace
from spectral_platform.workspaces.queries import get_workspace


async def create_rubric(
    session: AsyncSession,
    caller: Caller,
    *,
    name: str,
    description: str | None = None,
    agent_id: UUID | None = None,
    dimensions: tuple[Dimension, ...],
) -> RubricVersion:
    """A new rubric in its first version, with weights that sum to 1."""
    if agent_id is not None:
        await get_agent(session, caller, agent_id)
    rubric = Rubric(workspace_id=caller.workspace, version=1)
    session.add(rubric)
    await session.flush()
    moment = clock.now()
    version = RubricVersion(
        workspace_id=caller.workspace,
        rubric_id=rubric.id,
        version=rubric.version,
        name=name,
        description=description,
        agent_id=agent_id,
        dimensions=normalize_weights(dimensions),
        created_at=moment,
        updated_at=moment,
    )
    session.add(version)
    await session.flush()
    await record(session, caller, action="rubric.created", resource="rubric", resource_id=rubric.id, name=name)
    return version


async def update_rubric(
    session: AsyncSession, caller: Caller, rubric_id: UUID, *, changes: dict[str, Any], expected: Collection[str] | None = None
) -> RubricVersion:
    """A version in which the named fields differ. ``expected`` are fingerprints of which the newest version must have one."""
    rubric = await queries.hold_rubric(session, caller, rubric_id)
    newest = await _expect(session, caller, rubric, expected)
    if changes.get("agent_id") is not None:
        await get_agent(session, caller, changes["agent_id"])
    if "dimensions" in changes:
        await _keep_named(session, caller, rubric_id, changes["dimensions"])
        changes = {**changes, "dimensions": normalize_weights(changes["dimensions"])}
    unchanged = {field: getattr(newest, field) for field in ("name", "description", "agent_id", "dimensions")}
    rubric.version += 1
    version = RubricVersion(
        workspace_id=caller.workspace,
        rubric_id=rubric_id,
        version=rubric.version,
        created_at=newest.created_at,
        **{**unchanged, **changes},
    )
    session.add(version)
    await session.flush()
    await record(
        session,
        caller,
        action="rubric.updated",
        resource="rubric",
        resource_id=rubric_id,
        version=version.version,
        fields=sorted(changes),
    )
    return version


async def delete_rubric(
    session: AsyncSession, caller: Caller, rubric_id: UUID, *, expected: Collection[str] | None = None
) -> None:
    """Delete a rubric. Its versions stay for the scans that pinned them."""
    await hold_workspace(session, caller)  # so that nobody makes it what scans use by default meanwhile
    rubric = await queries.hold_rubric(session, caller, rubric_id)
    newest = await _expect(session, caller, rubric, expected)
    if (await get_workspace(session, caller)).scan_defaults.get("rubric_id") == str(rubric_id):
        raise RubricInUse(rubric_id, by="the workspace's scan_defaults")
    await session.delete(rubric)
    with conflict_as("fk_objectives_rubric_id", RubricInUse(rubric_id)):
        await session.flush()
    await record(session, caller, action="rubric.deleted", resource="rubric", resource_id=rubric_id, name=newest.name)


async def _keep_named(session: AsyncSession, caller: Caller, rubric_id: UUID, dimensions: tuple[Dimension, ...]) -> None:
    """Raise ``DimensionInUse`` if a dimension that an objective names is not among these: its term would measure nothing."""
    named = await list_named_dimensions(session, caller, rubric_id)
    if gone := sorted(named - {dimension.key for dimension in dimensions}):
        raise DimensionInUse(rubric_id, gone)


async def _expect(session: AsyncSession, caller: Caller, rubric: Rubric, expected: Collection[str] | None) -> RubricVersion:
    newest = await queries.get_rubric_version(session, caller.workspace, rubric.id)
    if expected is not None and newest.fingerprint not in expected:
        raise RubricChanged(rubric.id, newest.version)
    return newest
