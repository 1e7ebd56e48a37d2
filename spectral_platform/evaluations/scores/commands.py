"""Writing scores of traces: the newest evaluation replaces the one before."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.rubrics.models import RubricVersion
from spectral_platform.evaluations.scores.models import TraceScore
from spectral_platform.llm.messages import storable
from spectral_platform.traces.models import Trace

ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class NewScore:
    """One evaluation of a trace. ``judge_model`` and ``simulated`` are given when a model judged."""

    trace_id: str
    dimension: str
    evaluation: Evaluation
    judge_model: str | None = None
    simulated: bool | None = None
    cost_usd: Decimal | None = None


async def record_scores(
    session: AsyncSession,
    workspace_id: UUID,
    rubric: RubricVersion,
    scores: Iterable[NewScore],
    *,
    scan_id: UUID | None = None,
) -> int:
    """Store evaluations by a rubric's version; returns how many. Of a trace that has been erased meanwhile none is kept.

    A judge's are those under the verdict's prompt: they are what the judge is calibrated by.
    """
    wanted = {(score.trace_id, score.dimension): score for score in scores}
    trace_ids = sorted({trace_id for trace_id, _ in wanted})
    # Held, so that none of them is erased before this transaction ends.
    held = select(Trace.trace_id).where(Trace.workspace_id == workspace_id, Trace.trace_id.in_(trace_ids))
    present = set(await session.scalars(held.order_by(Trace.trace_id).with_for_update(read=True, key_share=True)))
    moment = clock.now()
    rows = [
        {
            "workspace_id": workspace_id,
            "rubric_id": rubric.rubric_id,
            "rubric_version": rubric.version,
            "dimension": score.dimension,
            "trace_id": score.trace_id,
            "score": score.evaluation.score,
            "passed": score.evaluation.passed,
            "feedback": storable(score.evaluation.feedback),
            "evidence": [storable(piece) for piece in score.evaluation.evidence],
            "evaluator": score.evaluation.evaluator,
            "judge_model": score.judge_model,
            "simulated": score.simulated,
            "cost_usd": score.cost_usd,
            "scan_id": scan_id,
            "created_at": moment,
        }
        for _, score in sorted(wanted.items())  # always in this order, so that two writers cannot hold each other up
        if score.trace_id in present
    ]
    key = ("workspace_id", "rubric_id", "rubric_version", "dimension", "trace_id")
    for start in range(0, len(rows), ROWS_AT_ONCE):
        statement = insert(TraceScore)
        replaced = {
            column.name: statement.excluded[column.name] for column in TraceScore.__table__.columns if column.name not in key
        }
        await session.execute(
            statement.on_conflict_do_update(index_elements=list(key), set_=replaced), rows[start : start + ROWS_AT_ONCE]
        )
    return len(rows)
