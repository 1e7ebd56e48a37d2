"""Reading objectives."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.evaluations.objectives.errors import ObjectiveMetricUnknown, ObjectiveNotFound
from spectral_platform.evaluations.objectives.models import Objective
from spectral_platform.evaluations.objectives.previewing import Figures, ObjectivePreview, preview
from spectral_platform.evaluations.rubrics.queries import get_rubric
from spectral_platform.evaluations.scoring import References
from spectral_platform.evaluations.terms import DIMENSION_PREFIX

COLUMNS = {"created_at": Objective.created_at, "name": Objective.name}


async def list_objectives(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[Objective]:
    """The objectives of the workspace."""
    return await paginate(session, Objective.in_workspace(caller.workspace), page, columns=COLUMNS, tiebreak=Objective.id)


async def get_objective(session: AsyncSession, caller: Caller, objective_id: UUID, *, for_update: bool = False) -> Objective:
    """One objective of the workspace; ``for_update`` lets nobody else change it until the transaction ends."""
    statement = Objective.in_workspace(caller.workspace).where(Objective.id == objective_id)
    if for_update:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    objective = await session.scalar(statement)
    if objective is None:
        raise ObjectiveNotFound(objective_id)
    return objective


async def preview_objective(
    session: AsyncSession,
    caller: Caller,
    objective_id: UUID,
    *,
    baseline: Figures,
    candidate: Figures,
    references: References | None,
) -> ObjectivePreview:
    """What an objective says of given figures, by its rubric's newest version. Raises ``ObjectiveMetricUnknown``."""
    objective = await get_objective(session, caller, objective_id)
    rubric = await get_rubric(session, caller, objective.rubric_id)
    known = {dimension.key for dimension in rubric.dimensions}
    if unknown := sorted((baseline.dimensions.keys() | candidate.dimensions.keys()) - known):
        raise ObjectiveMetricUnknown([DIMENSION_PREFIX + key for key in unknown], objective.rubric_id)
    return preview(
        objective.terms,
        objective.constraints,
        rubric.dimensions,
        baseline=baseline,
        candidate=candidate,
        references=references,
    )


async def find_default_objective(session: AsyncSession, workspace_id: UUID) -> Objective | None:
    """The objective that a scan takes when its request names none: the default one, else the newest; None without any."""
    default_then_newest = (Objective.is_default.desc(), Objective.created_at.desc(), Objective.id.desc())
    return await session.scalar(Objective.in_workspace(workspace_id).order_by(*default_then_newest).limit(1))


async def list_named_dimensions(session: AsyncSession, caller: Caller, rubric_id: UUID) -> frozenset[str]:
    """Keys of the rubric's dimensions that a term or constraint of some objective names."""
    objectives = await session.scalars(Objective.in_workspace(caller.workspace).where(Objective.rubric_id == rubric_id))
    parts = [part for objective in objectives for part in (*objective.terms, *objective.constraints)]
    return frozenset(part.dimension for part in parts if part.dimension is not None)
