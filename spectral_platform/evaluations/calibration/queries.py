"""Reading calibrations, and what people should label next."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest
from spectral_platform.evaluations.calibration.certificates import CALIBRATED_LABELS, Calibration, Mark, calibrate
from spectral_platform.evaluations.calibration.errors import LabelRequestNotFound
from spectral_platform.evaluations.calibration.models import LabelPair, RequestReason
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.llm_judge import LlmJudge
from spectral_platform.evaluations.rubrics.models import RubricVersion
from spectral_platform.evaluations.rubrics.queries import get_rubric
from spectral_platform.evaluations.scores.models import TraceScore
from spectral_platform.traces.feedback import FeedbackSource
from spectral_platform.traces.models import Feedback, Trace

MOST_LABELS = 20_000
FEWEST_REQUESTS = 20


@dataclass(frozen=True, slots=True)
class DimensionCalibration:
    """One dimension's judge against people. ``undecided`` are answers on which people are neutral or at odds."""

    key: str
    kind: str
    evaluator: str | None
    judge_model: str | None
    simulated: bool | None
    scored: int
    undecided: int
    calibration: Calibration


@dataclass(frozen=True, slots=True)
class RubricCalibration:
    """A rubric's judge against people: all judged dimensions together, and each by itself."""

    rubric: RubricVersion
    overall: Calibration
    dimensions: Sequence[DimensionCalibration]


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """What somebody should label next: one answer of a trace, or two answers to one case."""

    id: str
    kind: str
    dimensions: Sequence[str]
    reason: RequestReason
    detail: str
    inclusion_probability: float
    input: str
    context: str | None
    answers: Sequence[str]
    trace_id: str | None
    scan_id: UUID | None
    simulated: bool | None


@dataclass(slots=True)
class _Collected:
    """What was found of one dimension; ``said`` holds what each person last said of each trace."""

    passed: dict[str, bool] = field(default_factory=dict)
    said: dict[str, dict[object, float]] = field(default_factory=lambda: defaultdict(dict))
    at: dict[str, datetime] = field(default_factory=dict)


async def get_calibration(
    session: AsyncSession, caller: Caller, rubric_id: UUID, *, version: int | None = None
) -> RubricCalibration:
    """How far the judge of a rubric's version agrees with people; of several judges the one that scored last."""
    rubric = await get_rubric(session, caller, rubric_id, version=version)
    return await calibrate_rubric(session, caller.workspace, rubric)


async def calibrate_rubric(session: AsyncSession, workspace_id: UUID, rubric: RubricVersion) -> RubricCalibration:
    """Compare the scores of traces by this version with what people said of the same traces."""
    judges = await _last_judges(session, workspace_id, rubric)
    collected = await _collect(session, workspace_id, rubric, judges)
    dimensions, marks = [], {}
    for dimension in rubric.dimensions:
        found, judge = collected[dimension.key], judges.get(dimension.key)
        marks[dimension.key] = _marks(found)
        dimensions.append(
            DimensionCalibration(
                key=dimension.key,
                kind=dimension.evaluator.kind,
                evaluator=judge.evaluator if judge else None,
                judge_model=judge.judge_model if judge else None,
                simulated=judge.simulated if judge else None,
                scored=judge.scored if judge else 0,
                undecided=len(found.said) - len(marks[dimension.key]),
                calibration=calibrate(marks[dimension.key]),
            )
        )
    keys = [dimension.key for dimension in _judged(rubric.dimensions) or rubric.dimensions]
    overall = calibrate([mark for key in keys for mark in marks[key]])
    weakest = min((each.calibration for each in dimensions if each.key in keys), key=_strength)
    if _strength(weakest) < _strength(overall):  # a rubric's judge is believed as far as its weakest dimension
        told = {"state": weakest.state, "reason": weakest.reason, "labels_needed": weakest.labels_needed}
        overall = overall.model_copy(update=told)
    return RubricCalibration(rubric=rubric, overall=overall, dimensions=dimensions)


def _strength(calibration: Calibration) -> int:
    return list(type(calibration.state)).index(calibration.state)


def _judged(dimensions: Sequence[Dimension]) -> list[Dimension]:
    return [dimension for dimension in dimensions if isinstance(dimension.evaluator, LlmJudge)]


@dataclass(frozen=True, slots=True)
class _LastJudge:
    evaluator: str
    judge_model: str | None
    simulated: bool | None
    scored: int


def _scores(workspace_id: UUID, rubric: RubricVersion) -> tuple[ColumnElement[bool], ...]:
    return (
        TraceScore.workspace_id == workspace_id,
        TraceScore.rubric_id == rubric.rubric_id,
        TraceScore.rubric_version == rubric.version,
    )


async def _last_judges(session: AsyncSession, workspace_id: UUID, rubric: RubricVersion) -> dict[str, _LastJudge]:
    """Who scored last in each dimension, and how many traces."""
    judge = (TraceScore.dimension, TraceScore.evaluator, TraceScore.judge_model, TraceScore.simulated)
    rows = await session.execute(
        select(*judge, func.count().label("scored"))
        .where(*_scores(workspace_id, rubric))
        .group_by(*judge)
        .order_by(func.max(TraceScore.created_at), TraceScore.judge_model)
    )
    return {row.dimension: _LastJudge(row.evaluator, row.judge_model, row.simulated, row.scored) for row in rows}


def _by_people(rubric: RubricVersion) -> tuple[ColumnElement[bool], ...]:
    """Feedback of people on the whole trace in the score's dimension; where there is but one, it need not be named."""
    named = Feedback.dimension == TraceScore.dimension
    return (
        Feedback.workspace_id == TraceScore.workspace_id,
        Feedback.trace_id == TraceScore.trace_id,
        Feedback.span_id.is_(None),
        Feedback.source == FeedbackSource.HUMAN,
        or_(named, Feedback.dimension.is_(None)) if len(rubric.dimensions) == 1 else named,
    )


async def _collect(
    session: AsyncSession, workspace_id: UUID, rubric: RubricVersion, judges: dict[str, _LastJudge]
) -> dict[str, _Collected]:
    rows = await session.execute(
        select(TraceScore, Feedback)
        .join(Feedback, onclause=and_(*_by_people(rubric)))
        .where(*_scores(workspace_id, rubric), TraceScore.passed.is_not(None))
        .order_by(Feedback.created_at.desc(), Feedback.id.desc())
        .limit(MOST_LABELS)
    )
    collected: dict[str, _Collected] = defaultdict(_Collected)
    for score, feedback in rows:
        judge = judges[score.dimension]
        if (score.evaluator, score.judge_model) != (judge.evaluator, judge.judge_model):
            continue
        found = collected[score.dimension]
        found.passed[score.trace_id] = bool(score.passed)
        person = (feedback.author_kind, feedback.author_id) if feedback.author_id else feedback.id
        found.said[score.trace_id].setdefault(person, feedback.score)  # the newest comes first
        found.at.setdefault(score.trace_id, feedback.created_at)
    return collected


def _marks(found: _Collected) -> list[Mark]:
    """What people say on average; where that is neither good nor bad it is no mark."""
    means = {trace_id: fmean(said.values()) for trace_id, said in found.said.items()}
    return [
        Mark(judge_passed=found.passed[trace_id], people_passed=mean > 0, at=found.at[trace_id])
        for trace_id, mean in means.items()
        if mean != 0
    ]


async def list_label_requests(session: AsyncSession, caller: Caller, rubric_id: UUID, *, page: PageRequest) -> Page[LabelRequest]:
    """What people should label next: pairs of the last scan first, then traces drawn at random.

    Both in an order that is drawn at random, so that whoever stops early has still labelled a fair share.
    """
    rubric = await get_rubric(session, caller, rubric_id)
    open_pairs = _open_pairs(caller.workspace, rubric)
    pairs = await session.scalar(select(func.count()).select_from(open_pairs.subquery())) or 0
    rows = await session.scalars(open_pairs.order_by(LabelPair.id).limit(page.limit).offset(page.offset))
    results = [_of_pair(pair, rubric) for pair in rows]
    population, wanted = await _traces_wanted(session, caller.workspace, rubric)
    if len(results) < page.limit and wanted:
        start = max(0, page.offset - pairs)
        limit = min(page.limit - len(results), max(0, wanted - start))
        results += await _trace_requests(session, caller.workspace, rubric, limit, start, wanted / population)
    return Page(results=results, total=pairs + wanted, limit=page.limit, offset=page.offset)


def _open_pairs(workspace_id: UUID, rubric: RubricVersion) -> Select[LabelPair]:
    """The unlabelled pairs of the last scan by this version of the rubric; those of former finalists help nobody any more."""
    own = (LabelPair.rubric_id == rubric.rubric_id, LabelPair.rubric_version == rubric.version)
    last = select(LabelPair.scan_id).where(LabelPair.workspace_id == workspace_id, *own).order_by(LabelPair.created_at.desc())
    return LabelPair.in_workspace(workspace_id).where(
        *own, LabelPair.marks.is_(None), LabelPair.scan_id == last.limit(1).scalar_subquery()
    )


def _of_pair(pair: LabelPair, rubric: RubricVersion) -> LabelRequest:
    why = (
        "By the judge's word these two answers differ much; if it is wrong here, that weighs most."
        if pair.reason is RequestReason.LARGEST_DIFFERENCE
        else "Drawn at random, so that the labels speak for all cases."
    )
    return LabelRequest(
        id=str(pair.id),
        kind="pair",
        dimensions=[dimension.key for dimension in _judged(rubric.dimensions)],
        reason=pair.reason,
        detail=why,
        inclusion_probability=pair.inclusion_probability,
        input=pair.input,
        context=pair.context,
        answers=pair.answers,
        trace_id=None,
        scan_id=pair.scan_id,
        simulated=pair.simulated,
    )


def _unmarked(workspace_id: UUID, rubric: RubricVersion) -> tuple[ColumnElement[bool], ...]:
    return (
        *_scores(workspace_id, rubric),
        TraceScore.judge_model.is_not(None),
        TraceScore.passed.is_not(None),
        ~exists().where(*_by_people(rubric)),
    )


async def _traces_wanted(session: AsyncSession, workspace_id: UUID, rubric: RubricVersion) -> tuple[int, int]:
    """Judged traces that nobody has marked, and how many of them should be."""
    counted = select(func.count(TraceScore.trace_id.distinct())).where(*_unmarked(workspace_id, rubric))
    population = await session.scalar(counted) or 0
    if not population:
        return 0, 0
    found = await calibrate_rubric(session, workspace_id, rubric)
    fewest = min(each.calibration.n for each in found.dimensions if each.judge_model is not None)
    return population, min(population, max(FEWEST_REQUESTS, CALIBRATED_LABELS - fewest))


async def _trace_requests(
    session: AsyncSession, workspace_id: UUID, rubric: RubricVersion, limit: int, offset: int, probability: float
) -> list[LabelRequest]:
    drawn = func.md5(func.concat(TraceScore.trace_id, str(rubric.rubric_id)))  # at random, and the same every time
    rows = await session.execute(
        select(
            TraceScore.trace_id,
            func.array_agg(TraceScore.dimension).label("dimensions"),
            func.bool_or(TraceScore.simulated).label("simulated"),
            Trace.input,
            Trace.output,
        )
        .join(Trace, (Trace.workspace_id == TraceScore.workspace_id) & (Trace.trace_id == TraceScore.trace_id))
        .where(*_unmarked(workspace_id, rubric))
        .group_by(TraceScore.trace_id, Trace.input, Trace.output)
        .order_by(drawn, TraceScore.trace_id)
        .limit(limit)
        .offset(offset)
    )
    return [
        LabelRequest(
            id=row.trace_id,
            kind="trace",
            dimensions=sorted(row.dimensions),
            reason=RequestReason.UNIFORM,
            detail="The judge has scored it and nobody has marked it; drawn at random, so that the labels speak for all traces.",
            inclusion_probability=probability,
            input=row.input or "",
            context=None,
            answers=(row.output or "",),
            trace_id=row.trace_id,
            scan_id=None,
            simulated=row.simulated,
        )
        for row in rows
    ]


async def hold_label_pair(session: AsyncSession, caller: Caller, rubric_id: UUID, label_request_id: UUID) -> LabelPair:
    """One pair that people are asked about; nobody else can label it until the transaction ends."""
    statement = LabelPair.in_workspace(caller.workspace).where(LabelPair.id == label_request_id, LabelPair.rubric_id == rubric_id)
    pair = await session.scalar(statement.with_for_update().execution_options(populate_existing=True))
    if pair is None:
        raise LabelRequestNotFound(label_request_id)
    return pair


async def list_labelled_pairs(
    session: AsyncSession,
    workspace_id: UUID,
    *,
    rubric_id: UUID,
    rubric_version: int,
    case_keys: Collection[str],
    simulated: bool,
) -> Sequence[LabelPair]:
    """Pairs that people have labelled, on these cases, by this version of the rubric, the newest label first."""
    statement = LabelPair.in_workspace(workspace_id).where(
        LabelPair.rubric_id == rubric_id,
        LabelPair.rubric_version == rubric_version,
        LabelPair.case_key.in_(case_keys),
        LabelPair.simulated.is_(simulated),
        LabelPair.marks.is_not(None),
    )
    return (await session.scalars(statement.order_by(LabelPair.labelled_at.desc(), LabelPair.id))).all()


async def has_labelled_pairs(session: AsyncSession, workspace_id: UUID, *, rubric_id: UUID, rubric_version: int) -> bool:
    """Whether people have labelled any pair by this version of the rubric."""
    statement = LabelPair.in_workspace(workspace_id).where(
        LabelPair.rubric_id == rubric_id, LabelPair.rubric_version == rubric_version, LabelPair.marks.is_not(None)
    )
    return (await session.scalars(statement.limit(1))).first() is not None
