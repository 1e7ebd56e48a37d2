"""Endpoints of rubrics."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from spectral_api.dependencies import Database
from spectral_api.etags import ConditionalRead, ConditionalWrite, etag
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Reader, Writer
from spectral_api.v1.evaluations.rubrics import schemas
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.agents.errors import AgentNotFound
from spectral_platform.evaluations.rubrics import commands, queries
from spectral_platform.evaluations.rubrics.errors import DimensionInUse, RubricChanged, RubricInUse, RubricNotFound

LARGEST_VERSION = 2**31 - 1

router = Router(prefix=IN_WORKSPACE + "/evaluations/rubrics", tags=["Rubrics"])


@router.get("", response_model=Results[schemas.Rubric], summary="List rubrics", responses=workspace_problems())
async def list_rubrics(caller: Reader, database: Database, page: PageByTime) -> Any:
    """List the rubrics of the workspace, each in its newest version."""
    return envelope(await queries.list_rubrics(database, caller, page=page))


@router.post(
    "", status_code=201, response_model=schemas.Rubric, summary="Create a rubric", responses=workspace_problems(AgentNotFound)
)
async def create_rubric(body: schemas.RubricCreate, caller: Writer, database: Database, response: Response) -> Any:
    """Say what a good answer is: weighted dimensions, each with the evaluator that measures it."""
    rubric = await commands.create_rubric(database, caller, **dict(body))
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/evaluations/rubrics/{rubric.rubric_id}"
    response.headers["ETag"] = etag(rubric.fingerprint)
    return rubric


@router.get(
    "/{rubric_id}",
    response_model=schemas.Rubric,
    summary="Get a rubric",
    responses=workspace_problems(RubricNotFound) | {304: {"description": "The caller holds this version already."}},
)
async def get_rubric(
    rubric_id: UUID,
    caller: Reader,
    database: Database,
    conditional: ConditionalRead,
    version: Annotated[int | None, Query(ge=1, le=LARGEST_VERSION, description="Which version; without it, the newest.")] = None,
) -> Any:
    """Show a rubric in its newest version or an older one. Scans pin the version that they judge by."""
    return conditional.show(await queries.get_rubric(database, caller, rubric_id, version=version))


@router.patch(
    "/{rubric_id}",
    response_model=schemas.Rubric,
    summary="Change a rubric",
    responses=workspace_problems(RubricNotFound, AgentNotFound, DimensionInUse, RubricChanged),
)
async def update_rubric(
    rubric_id: UUID, body: schemas.RubricUpdate, caller: Writer, database: Database, conditional: ConditionalWrite
) -> Any:
    """Write a new version in which the named fields differ; older versions stay as they are."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    return conditional.show(
        await commands.update_rubric(database, caller, rubric_id, changes=changes, expected=conditional.expected)
    )


@router.put(
    "/{rubric_id}",
    response_model=schemas.Rubric,
    summary="Replace a rubric",
    responses=workspace_problems(RubricNotFound, AgentNotFound, DimensionInUse, RubricChanged),
)
async def replace_rubric(
    rubric_id: UUID, body: schemas.RubricCreate, caller: Writer, database: Database, conditional: ConditionalWrite
) -> Any:
    """Write a new version that says this and nothing else; older versions stay as they are."""
    return conditional.show(
        await commands.update_rubric(database, caller, rubric_id, changes=dict(body), expected=conditional.expected)
    )


@router.delete(
    "/{rubric_id}",
    status_code=204,
    summary="Delete a rubric",
    responses=workspace_problems(RubricNotFound, RubricInUse, RubricChanged),
)
async def delete_rubric(rubric_id: UUID, caller: Writer, database: Database, conditional: ConditionalWrite) -> None:
    """Delete the rubric. Scans that pinned a version of it keep that version.

    One that an objective or the workspace's `scan_defaults` name is refused.
    """
    await commands.delete_rubric(database, caller, rubric_id, expected=conditional.expected)
