"""Endpoints of objectives."""

from typing import Any
from uuid import UUID

from fastapi import Response

from spectral_api.dependencies import Database
from spectral_api.etags import ConditionalRead, ConditionalWrite, etag
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Reader, Writer
from spectral_api.v1.evaluations.objectives import schemas
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.evaluations.objectives import commands, queries
from spectral_platform.evaluations.objectives.errors import (
    ObjectiveChanged,
    ObjectiveInUse,
    ObjectiveMetricUnknown,
    ObjectiveNotFound,
)
from spectral_platform.evaluations.rubrics.errors import RubricNotFound

router = Router(prefix=IN_WORKSPACE + "/evaluations/objectives", tags=["Objectives"])


@router.get("", response_model=Results[schemas.Objective], summary="List objectives", responses=workspace_problems())
async def list_objectives(caller: Reader, database: Database, page: PageByTime) -> Any:
    """List the objectives of the workspace."""
    return envelope(await queries.list_objectives(database, caller, page=page))


@router.post(
    "",
    status_code=201,
    response_model=schemas.Objective,
    summary="Create an objective",
    responses=workspace_problems(RubricNotFound, ObjectiveMetricUnknown),
)
async def create_objective(body: schemas.ObjectiveCreate, caller: Writer, database: Database, response: Response) -> Any:
    """Say what scans improve, in what proportion, and within which limits. A new default one takes the place of the old."""
    objective = await commands.create_objective(database, caller, **dict(body))
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/evaluations/objectives/{objective.id}"
    response.headers["ETag"] = etag(objective.fingerprint)
    return objective


@router.get(
    "/{objective_id}",
    response_model=schemas.Objective,
    summary="Get an objective",
    responses=workspace_problems(ObjectiveNotFound) | {304: {"description": "The caller holds it already."}},
)
async def get_objective(objective_id: UUID, caller: Reader, database: Database, conditional: ConditionalRead) -> Any:
    """Show one objective."""
    return conditional.show(await queries.get_objective(database, caller, objective_id))


@router.post(
    "/{objective_id}/preview",
    response_model=schemas.ObjectivePreview,
    summary="Try an objective on figures",
    responses=workspace_problems(ObjectiveNotFound, ObjectiveMetricUnknown),
)
async def preview_objective(objective_id: UUID, body: schemas.ObjectiveTry, caller: Writer, database: Database) -> Any:
    """Show what a scan would make of two arms with these figures: utilities, composites, and which hard limits they keep.

    The arithmetic is that of the scan itself, by the newest version of the objective's rubric. Nothing is stored. In a scan the
    composite is taken case by case and then compared; figures that are means of many cases give the same only nearly.
    """
    return schemas.ObjectivePreview.of(
        await queries.preview_objective(
            database,
            caller,
            objective_id,
            baseline=body.baseline,
            candidate=body.candidate,
            references=body.references.references if body.references else None,
        )
    )


@router.patch(
    "/{objective_id}",
    response_model=schemas.Objective,
    summary="Change an objective",
    responses=workspace_problems(ObjectiveNotFound, RubricNotFound, ObjectiveMetricUnknown, ObjectiveChanged),
)
async def update_objective(
    objective_id: UUID, body: schemas.ObjectiveUpdate, caller: Writer, database: Database, conditional: ConditionalWrite
) -> Any:
    """Change the named fields; absent ones stay as they are. Making it the default one unsets the other."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    return conditional.show(
        await commands.update_objective(database, caller, objective_id, changes=changes, expected=conditional.expected)
    )


@router.put(
    "/{objective_id}",
    response_model=schemas.Objective,
    summary="Replace an objective",
    responses=workspace_problems(ObjectiveNotFound, RubricNotFound, ObjectiveMetricUnknown, ObjectiveChanged),
)
async def replace_objective(
    objective_id: UUID, body: schemas.ObjectiveCreate, caller: Writer, database: Database, conditional: ConditionalWrite
) -> Any:
    """Make the objective say this and nothing else. Making it the default one unsets the other."""
    return conditional.show(
        await commands.update_objective(database, caller, objective_id, changes=dict(body), expected=conditional.expected)
    )


@router.delete(
    "/{objective_id}",
    status_code=204,
    summary="Delete an objective",
    responses=workspace_problems(ObjectiveNotFound, ObjectiveInUse, ObjectiveChanged),
)
async def delete_objective(objective_id: UUID, caller: Writer, database: Database, conditional: ConditionalWrite) -> None:
    """Delete the objective. Scans that used it keep what they resolved. One that `scan_defaults` name is refused."""
    await commands.delete_objective(database, caller, objective_id, expected=conditional.expected)
