"""Endpoints that score answers by a rubric without a scan."""

from uuid import UUID

from spectral_api.dependencies import CurrentSettings, Database, ReleasedDatabase
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Reader, Writer
from spectral_api.v1.evaluations.scores import schemas
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.changesets.states import EvidenceLevel
from spectral_platform.evaluations.rubrics.errors import RubricNotFound
from spectral_platform.evaluations.rubrics.queries import get_rubric
from spectral_platform.evaluations.scores import commands, queries
from spectral_platform.evaluations.scores.findings import Answer, quality_of
from spectral_platform.evaluations.scores.previewing import Looked, total_usd
from spectral_platform.llm.providers.availability import is_simulated
from spectral_platform.samples.errors import SampleNotFound
from spectral_platform.traces.errors import TraceNotFound

router = Router(prefix=IN_WORKSPACE + "/evaluations/rubrics", tags=["Rubrics"])


@router.post("/{rubric_id}/preview", summary="Preview a rubric", responses=workspace_problems(RubricNotFound))
async def preview_rubric(
    rubric_id: UUID, body: schemas.PreviewCreate, caller: Writer, settings: CurrentSettings, released: ReleasedDatabase
) -> schemas.Preview:
    """Score traces or samples by a rubric at once, without a scan, to see what it finds before anything rests on it.

    Programs evaluate for nothing. The judge is the one that a scan of this workspace would have, asked as it is for a verdict;
    its calls end at `max_usd`, at `max_model_calls`, or after a minute, and what it did not get to says so in `reason`. Scores
    of traces are kept and serve the rubric's calibration and suggestions, those of a judge that a cassette plays aside.
    """
    preview = await commands.preview_rubric(released, caller, settings, rubric_id=rubric_id, **body.model_dump())
    outcome, judge = preview.outcome, preview.judge.model
    return schemas.Preview(
        rubric_id=rubric_id,
        version=preview.rubric.version,
        judge_model=judge,
        simulated=judge is not None and is_simulated(judge),
        replayed=preview.judge.replayed,
        evidence_level=EvidenceLevel.L0,
        results=[_scored(each) for each in outcome.looked],
        missing=preview.missing,
        stopped_by=outcome.stopped_by,
        cost=schemas.PreviewCost(
            model_calls=outcome.purse.calls,
            unpriced_calls=outcome.purse.unpriced_calls,
            cost_usd=total_usd(outcome),
            max_usd=body.max_usd,
            max_model_calls=body.max_model_calls,
        ),
    )


@router.post(
    "/{rubric_id}/explain",
    summary="Explain a rubric on an answer",
    responses=workspace_problems(RubricNotFound, TraceNotFound, SampleNotFound),
)
async def explain_rubric(
    rubric_id: UUID, body: schemas.ExplainCreate, caller: Reader, database: Database, settings: CurrentSettings
) -> schemas.RubricExplanation:
    """Tell of every dimension whether it ran on a trace or sample, and why not: nothing to compare with, no judge, no answer.

    No model is asked: of a judged dimension it is told what the judge said last. Nothing is changed.
    """
    rubric = await get_rubric(database, caller, rubric_id, version=body.version)
    answer, findings = await queries.explain_rubric(
        database, caller, settings, rubric=rubric, trace_id=body.trace_id, sample_id=body.sample_id
    )
    return schemas.RubricExplanation(
        **_answered(answer),
        rubric_id=rubric_id,
        version=rubric.version,
        dimensions=[schemas.Explanation.model_validate(finding) for finding in findings],
    )


def _scored(looked: Looked) -> schemas.Scored:
    score = quality_of(looked.findings)
    return schemas.Scored(
        **_answered(looked.answer),
        score=score.quality,
        below_minimum=list(score.below_minimum),
        dimensions=[schemas.Finding.model_validate(finding) for finding in looked.findings],
    )


def _answered(answer: Answer) -> dict[str, object]:
    return {"kind": answer.kind, "id": answer.id, "answer_from": answer.source}
