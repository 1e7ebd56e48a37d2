"""Writing calibration: pairs to ask people about, what they say, and what is then known of the judge."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.jobs import publish
from spectral_platform.core.randomness import derive, generator
from spectral_platform.evaluations.calibration import queries
from spectral_platform.evaluations.calibration.certificates import CalibrationState
from spectral_platform.evaluations.calibration.errors import DimensionsUnmarked
from spectral_platform.evaluations.calibration.models import ArmMarks, JudgeCertificate, LabelPair, RequestReason
from spectral_platform.evaluations.calibration.news import DriftReason, JudgeDrifted
from spectral_platform.evaluations.calibration.queries import DimensionCalibration, RubricCalibration
from spectral_platform.evaluations.rubrics.models import RubricVersion
from spectral_platform.evaluations.rubrics.queries import get_rubric_version
from spectral_platform.llm.messages import storable
from spectral_platform.traces.feedback import SCORES, FeedbackLabel

MOST_PAIRS = 60
UNIFORM_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """Two answers to one case and by how much they differ, candidate − baseline, by the judge's word."""

    case_key: str
    input: str
    context: str | None
    baseline_output: str
    candidate_output: str
    difference: float


def choose_pairs(
    pairs: Sequence[ComparedPair], *, seed: int, most: int = MOST_PAIRS
) -> list[tuple[ComparedPair, RequestReason, float]]:
    """Choose the pairs to ask people about: 70 % with the largest differences, the others at random, in a drawn order.

    With each goes the probability with which it was chosen: 1 for the largest, the same for all others.
    """
    ranked = sorted(pairs, key=lambda pair: (-abs(pair.difference), pair.case_key))
    asked = min(most, len(ranked))
    random = generator(seed, "label pairs")
    largest = asked - round(UNIFORM_SHARE * asked)
    others = random.sample(ranked[largest:], asked - largest)
    chosen = [(pair, RequestReason.LARGEST_DIFFERENCE, 1.0) for pair in ranked[:largest]]
    chosen += [(pair, RequestReason.UNIFORM, len(others) / (len(ranked) - largest)) for pair in others]
    random.shuffle(chosen)
    return chosen


async def request_labels(
    session: AsyncSession,
    workspace_id: UUID,
    rubric: RubricVersion,
    pairs: Sequence[ComparedPair],
    *,
    scan_id: UUID,
    simulated: bool,
    seed: int,
) -> int:
    """Ask people about a scan's finalist, once; returns of how many pairs."""
    rows = [
        {
            "id": clock.new_id(),
            "created_at": clock.now(),
            "workspace_id": workspace_id,
            "rubric_id": rubric.rubric_id,
            "rubric_version": rubric.version,
            "scan_id": scan_id,
            "case_key": pair.case_key,
            "simulated": simulated,
            "input": storable(pair.input),
            "context": storable(pair.context),
            "baseline_output": storable(pair.baseline_output),
            "candidate_output": storable(pair.candidate_output),
            "difference": pair.difference,
            "reason": reason,
            "inclusion_probability": probability,
            "is_swapped": bool(derive(seed, "label order", pair.case_key) % 2),
        }
        for pair, reason, probability in choose_pairs(pairs, seed=seed)
    ]
    if rows:
        await session.execute(insert(LabelPair).on_conflict_do_nothing(index_elements=["scan_id", "case_key"]), rows)
    return len(rows)


async def label_pair(
    session: AsyncSession,
    caller: Caller,
    rubric_id: UUID,
    label_request_id: UUID,
    *,
    first: Mapping[str, FeedbackLabel],
    second: Mapping[str, FeedbackLabel],
) -> LabelPair:
    """Say of both answers, in the order in which they were shown, how each dimension is met; the newest label counts."""
    pair = await queries.hold_label_pair(session, caller, rubric_id, label_request_id)
    rubric = await get_rubric_version(session, caller.workspace, rubric_id, pair.rubric_version)
    wanted = [dimension.key for dimension in rubric.dimensions if dimension.evaluator.kind == "llm_judge"]
    if not set(wanted) == first.keys() == second.keys():
        raise DimensionsUnmarked(wanted)
    baseline, candidate = (second, first) if pair.is_swapped else (first, second)
    pair.marks = {key: ArmMarks(baseline=_share(baseline[key]), candidate=_share(candidate[key])) for key in wanted}
    pair.labelled_at = clock.now()
    pair.labelled_by_kind, pair.labelled_by_id = caller.kind, caller.id
    await session.flush()
    await record(session, caller, action="label_pair.labelled", resource="label_pair", resource_id=pair.id)
    return pair


def _share(label: FeedbackLabel) -> float:
    return (SCORES[label] + 1) / 2


async def certify_judge(
    session: AsyncSession, workspace_id: UUID, rubric: RubricVersion, *, account_id: UUID
) -> RubricCalibration:
    """Compare the judge with people as of now and remember the result; tell when it is worse than what was remembered."""
    found = await queries.calibrate_rubric(session, workspace_id, rubric)
    known = {
        certificate.dimension: certificate
        for certificate in await session.scalars(
            JudgeCertificate.in_workspace(workspace_id)
            .where(JudgeCertificate.rubric_id == rubric.rubric_id)
            .order_by(JudgeCertificate.dimension)
            .with_for_update()
        )
    }
    judged = [each for each in found.dimensions if each.judge_model is not None]
    for each in judged:
        before = known.get(each.key)
        reason = _drift_reason(before, each, rubric) if before is not None else None
        if reason is not None:
            await publish(
                session,
                JudgeDrifted(
                    account_id=account_id,
                    workspace_id=workspace_id,
                    rubric_id=rubric.rubric_id,
                    rubric_version=rubric.version,
                    dimension=each.key,
                    reason=reason,
                    state=each.calibration.state,
                    judge_model=each.judge_model or "",
                ),
            )
    await _remember(session, workspace_id, rubric, judged)
    return found


def _drift_reason(before: JudgeCertificate, now: DimensionCalibration, rubric: RubricVersion) -> DriftReason | None:
    if now.calibration.drift is not None and now.calibration.drift.alarm and not before.is_drifting:
        return DriftReason.AGREEMENT_FELL
    states = list(CalibrationState)
    fell = states.index(now.calibration.state) < states.index(before.state)
    same = (before.judge_model, before.evaluator, before.rubric_version) == (now.judge_model, now.evaluator, rubric.version)
    return DriftReason.JUDGE_CHANGED if fell and not same else None


async def _remember(
    session: AsyncSession, workspace_id: UUID, rubric: RubricVersion, judged: Iterable[DimensionCalibration]
) -> None:
    moment = clock.now()
    rows = [
        {
            "workspace_id": workspace_id,
            "rubric_id": rubric.rubric_id,
            "dimension": each.key,
            "rubric_version": rubric.version,
            "judge_model": each.judge_model,
            "evaluator": each.evaluator,
            "state": each.calibration.state,
            "labels": each.calibration.n,
            "is_drifting": bool(each.calibration.drift and each.calibration.drift.alarm),
            "created_at": moment,
            "updated_at": moment,
        }
        for each in sorted(judged, key=lambda each: each.key)
    ]
    if not rows:
        return
    statement = insert(JudgeCertificate)
    key = ["workspace_id", "rubric_id", "dimension"]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in {*key, "created_at"}}
    await session.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), rows)
