"""Writing scores of traces: the newest evaluation replaces the one before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.rubrics.models import RubricVersion
from spectral_platform.evaluations.rubrics.queries import get_rubric
from spectral_platform.evaluations.scores.models import TraceScore
from spectral_platform.evaluations.scores.previewing import Outcome, look
from spectral_platform.evaluations.scores.queries import JudgeChoice, choose_judge, find_embedding_model, list_answers
from spectral_platform.llm.messages import storable
from spectral_platform.llm.purse import Purse
from spectral_platform.traces.models import Trace
from spectral_platform.workspaces.policies.prices import Prices
from spectral_platform.workspaces.policies.queries import find_policy

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


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rubric's version finds in answers, and what it took to find out. ``missing`` are ids of nothing that is there."""

    rubric: RubricVersion
    judge: JudgeChoice
    outcome: Outcome
    missing: list[str]


async def preview_rubric(
    database: Database,
    caller: Caller,
    server: Settings,
    *,
    rubric_id: UUID,
    version: int | None,
    trace_ids: Sequence[str],
    sample_ids: Sequence[UUID],
    max_usd: Decimal,
    max_model_calls: int,
) -> Preview:
    """Score traces or samples by a rubric without a scan; scores of traces are stored as those of scans are.

    Raises ``RubricNotFound``. What the judge could not do within the budget is told with the reason, and what does not apply too.
    """
    async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
        rubric = await get_rubric(session, caller, rubric_id, version=version)
        answers = await list_answers(session, caller, trace_ids=trace_ids, sample_ids=sample_ids)
        judge = await choose_judge(session, caller, server)
        embedding_model = await find_embedding_model(session, caller, server)
        prices = await find_policy(session, caller.workspace, Prices)
    purse = Purse(max_usd=max_usd, max_calls=max_model_calls)
    outcome = await look(
        answers,
        rubric.dimensions,
        server=server,
        judge=judge,
        embedding_model=embedding_model,
        purse=purse,
        prices=prices,
    )
    scores = [
        NewScore(looked.answer.id, finding.key, finding.evaluation, finding.judge_model, finding.simulated, finding.cost_usd)
        for looked in outcome.looked
        for finding in looked.findings
        if looked.answer.kind == "trace" and finding.evaluation is not None
        if finding.judge_model is None or not judge.replayed  # a file is no judge to compare with people
    ]
    async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
        await record_scores(session, caller.workspace, rubric, scores)
        await record(
            session,
            caller,
            action="rubric.previewed",
            resource="rubric",
            resource_id=rubric_id,
            version=rubric.version,
            answers=len(answers),
            model_calls=purse.calls,
            cost_usd=str(purse.spent_usd),
        )
    present = {answer.id for answer in answers}
    return Preview(rubric, judge, outcome, [each for each in map(str, [*trace_ids, *sample_ids]) if each not in present])
