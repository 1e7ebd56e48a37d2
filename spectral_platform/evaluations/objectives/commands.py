"""Writing objectives."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core.access import Caller
from spectral_platform.core.database import conflict_as
from spectral_platform.evaluations.objectives import queries
from spectral_platform.evaluations.objectives.errors import ObjectiveChanged, ObjectiveInUse, ObjectiveMetricUnknown
from spectral_platform.evaluations.objectives.models import Objective
from spectral_platform.evaluations.rubrics.errors import RubricNotFound
from spectral_platform.evaluations.rubrics.queries import get_rubric, hold_rubric
from spectral_platform.evaluations.terms import DIMENSION_PREFIX, Constraint, ObjectiveTerm
from spectral_platform.workspaces.commands import hold_workspace
from spectral_platform.workspaces.queries import get_workspace

RUBRIC_REFERENCE = "fk_objectives_rubric_id"
MEASURED_ON_RUBRIC = {"rubric_id", "terms", "constraints"}


async def create_objective(
    session: AsyncSession,
    caller: Caller,
    *,
    name: str,
    rubric_id: UUID,
    terms: tuple[ObjectiveTerm, ...],
    constraints: tuple[Constraint, ...] = (),
    is_default: bool = False,
) -> Objective:
    """A new objective. If it is the default one, no other is from now on."""
    objective = Objective(
        workspace_id=caller.workspace,
        name=name,
        rubric_id=rubric_id,
        terms=terms,
        constraints=constraints,
        is_default=is_default,
        version=1,
    )
    # The workspace before the rubric, as everybody takes them who needs both.
    if is_default:
        await _unset_default(session, caller)
    await _check_metrics(session, caller, rubric_id, [*terms, *constraints])
    session.add(objective)
    with conflict_as(RUBRIC_REFERENCE, RubricNotFound(rubric_id)):
        await session.flush()
    await record(session, caller, action="objective.created", resource="objective", resource_id=objective.id, name=name)
    return objective


async def update_objective(
    session: AsyncSession,
    caller: Caller,
    objective_id: UUID,
    *,
    changes: dict[str, Any],
    expected: Collection[str] | None = None,
) -> Objective:
    """Change the named fields. ``expected`` are fingerprints of which the objective must have one."""
    # Before the objective itself, in the order in which whoever sets another default takes them.
    if changes.get("is_default"):
        await hold_workspace(session, caller)
    is_measured_anew = not MEASURED_ON_RUBRIC.isdisjoint(changes)
    if is_measured_anew:
        # And the rubric before it, as whoever deletes that does.
        known = await queries.get_objective(session, caller, objective_id)
        await hold_rubric(session, caller, changes.get("rubric_id", known.rubric_id))
    objective = await _hold(session, caller, objective_id, expected)
    if changes.get("is_default") and not objective.is_default:
        await _unset_default(session, caller)
    rubric_id = changes.get("rubric_id", objective.rubric_id)
    if is_measured_anew:
        parts = [*changes.get("terms", objective.terms), *changes.get("constraints", objective.constraints)]
        await _check_metrics(session, caller, rubric_id, parts)
    for field, value in changes.items():
        setattr(objective, field, value)
    objective.version += 1
    with conflict_as(RUBRIC_REFERENCE, RubricNotFound(rubric_id)):
        await session.flush()
    await record(
        session,
        caller,
        action="objective.updated",
        resource="objective",
        resource_id=objective_id,
        version=objective.version,
        fields=sorted(changes),
    )
    return objective


async def delete_objective(
    session: AsyncSession, caller: Caller, objective_id: UUID, *, expected: Collection[str] | None = None
) -> None:
    """Delete an objective. Scans that used it keep what they resolved."""
    await hold_workspace(session, caller)  # so that nobody makes it what scans use by default meanwhile
    objective = await _hold(session, caller, objective_id, expected)
    if (await get_workspace(session, caller)).scan_defaults.get("objective_id") == str(objective_id):
        raise ObjectiveInUse(objective_id)
    await session.delete(objective)
    await session.flush()
    await record(session, caller, action="objective.deleted", resource="objective", resource_id=objective_id, name=objective.name)


async def _hold(session: AsyncSession, caller: Caller, objective_id: UUID, expected: Collection[str] | None) -> Objective:
    objective = await queries.get_objective(session, caller, objective_id, for_update=True)
    if expected is not None and objective.fingerprint not in expected:
        raise ObjectiveChanged(objective_id, objective.version)
    return objective


async def _unset_default(session: AsyncSession, caller: Caller) -> None:
    """Make no objective the default one; another caller who sets a default waits for this transaction."""
    await hold_workspace(session, caller)
    await session.execute(
        update(Objective)
        .where(Objective.workspace_id == caller.workspace, Objective.is_default)
        .values(is_default=False, version=Objective.version + 1)
        .execution_options(synchronize_session=False)
    )


async def _check_metrics(
    session: AsyncSession, caller: Caller, rubric_id: UUID, parts: Iterable[ObjectiveTerm | Constraint]
) -> None:
    """Raise unless the rubric's newest version has every dimension that is named. It stays the newest until the end."""
    await hold_rubric(session, caller, rubric_id)
    rubric = await get_rubric(session, caller, rubric_id)
    known = {dimension.key for dimension in rubric.dimensions}
    named = {part.dimension for part in parts if part.dimension is not None}
    if unknown := sorted(DIMENSION_PREFIX + key for key in named - known):
        raise ObjectiveMetricUnknown(unknown, rubric_id)
