"""Endpoints of calibration."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query

from spectral_api.dependencies import Database
from spectral_api.paging import Limit, Offset, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Reader, Writer
from spectral_api.v1.evaluations.calibration import schemas
from spectral_api.v1.evaluations.rubrics.router import LARGEST_VERSION
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.core.paging import Page, PageRequest
from spectral_platform.evaluations.calibration import commands, queries
from spectral_platform.evaluations.calibration.certificates import CalibrationState
from spectral_platform.evaluations.calibration.errors import DimensionsUnmarked, LabelRequestNotFound
from spectral_platform.evaluations.calibration.queries import LabelRequest
from spectral_platform.evaluations.rubrics.errors import RubricNotFound

router = Router(prefix=IN_WORKSPACE + "/evaluations/rubrics", tags=["Rubrics"])


@router.get(
    "/{rubric_id}/calibration",
    response_model=schemas.Calibration,
    summary="Compare a rubric's judge with people",
    responses=workspace_problems(RubricNotFound),
)
async def get_calibration(
    rubric_id: UUID,
    caller: Reader,
    database: Database,
    version: Annotated[int | None, Query(ge=1, le=LARGEST_VERSION, description="Which version; without it, the newest.")] = None,
) -> Any:
    """Hold the scores of traces against what people said of the same traces: feedback with `source: human` on a whole trace
    that names the dimension (where a rubric has one dimension, it need not be named). An answer counts as passed by people when
    their mean score is above 0 and as failed below; the judge's word is `passed`.

    The outer figures are over all judged dimensions, the `state` is that of the weakest. Labels, scores and state are those of
    one version of the rubric and of the judge that scored last: whoever changes either begins anew.
    """
    found = await queries.get_calibration(database, caller, rubric_id, version=version)
    return {
        **dict(found.overall),
        "rubric_id": found.rubric.rubric_id,
        "rubric_version": found.rubric.version,
        "opinion_only": found.overall.state is CalibrationState.UNCALIBRATED,
        "dimensions": [
            {
                **dict(each.calibration),
                **{name: getattr(each, name) for name in schemas.DimensionCalibration.model_fields if hasattr(each, name)},
            }
            for each in found.dimensions
        ],
    }


@router.get(
    "/{rubric_id}/label-requests",
    response_model=Results[schemas.LabelRequest],
    summary="List what to label next",
    responses=workspace_problems(RubricNotFound),
)
async def list_label_requests(rubric_id: UUID, caller: Reader, database: Database, limit: Limit = 20, offset: Offset = 0) -> Any:
    """Say which labels would tell most about the judge, in the order in which to give them.

    **Pairs** come first: the answers of the last scan's baseline and finalist to cases of its dev split, of which 70 % are those
    that the judge tells apart most and 30 % are drawn at random. Thirty labelled pairs let the next scan that compares the same
    answers check its verdict against people (gate G8). **Traces** are drawn at random from those that the judge has scored and
    nobody has marked; they calibrate the judge. `label_with` is the request to send.
    """
    page = await queries.list_label_requests(database, caller, rubric_id, page=PageRequest(limit=limit, offset=offset))
    results = [_shown(caller.workspace, rubric_id, request) for request in page.results]
    return envelope(Page(results=results, total=page.total, limit=page.limit, offset=page.offset))


def _shown(workspace_id: UUID, rubric_id: UUID, request: LabelRequest) -> dict[str, Any]:
    base = f"/api/v1/workspaces/{workspace_id}"
    marks: dict[str, str] = dict.fromkeys(request.dimensions, "positive")
    label_with: dict[str, Any]
    if request.kind == "pair":
        path = f"{base}/evaluations/rubrics/{rubric_id}/label-requests/{request.id}/label"
        label_with = {"method": "POST", "path": path, "body": {"first": marks, "second": marks}}
    else:
        body = {"dimension": request.dimensions[0], "label": "positive", "source": "human"}
        label_with = {"method": "POST", "path": f"{base}/traces/{request.trace_id}/feedback", "body": body}
    return {**{name: getattr(request, name) for name in LabelRequest.__slots__}, "label_with": label_with}


@router.post(
    "/{rubric_id}/label-requests/{label_request_id}/label",
    response_model=schemas.LabelledPair,
    summary="Label a pair of answers",
    responses=workspace_problems(RubricNotFound, LabelRequestNotFound, DimensionsUnmarked),
)
async def label_pair(rubric_id: UUID, label_request_id: UUID, body: schemas.PairLabel, caller: Writer, database: Database) -> Any:
    """Say how both answers of a pair meet each dimension asked for: `positive`, `neutral` or `negative`, in the order in which
    the answers were shown. To label it again replaces what was said. Traces are labelled by feedback on them.
    """
    return await commands.label_pair(database, caller, rubric_id, label_request_id, first=body.first, second=body.second)
