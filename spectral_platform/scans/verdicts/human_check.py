"""What people say of the finalist: which pairs of answers they are asked about, and what they said where they have answered.

People label answers to dev cases, never to sealed ones. A label is on an answer: it counts in every later scan that compares the
very same two answers. Where enough pairs are labelled, those cases are judged once more as on the holdout, so that gate G8 can
correct the judge's differences by the people's. It happens before the holdout is opened, and on what is not kept for that.
"""

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from spectral_platform.evaluations.calibration.commands import ComparedPair, certify_judge, request_labels
from spectral_platform.evaluations.calibration.models import LabelPair
from spectral_platform.evaluations.calibration.queries import list_labelled_pairs
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.rubrics.queries import get_rubric_version
from spectral_platform.llm.errors import BudgetExhausted
from spectral_platform.scans.conversing import OutOfTime
from spectral_platform.scans.pairing import trial_composites
from spectral_platform.scans.run import Contender, Run
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Trial, TrialPlan, TrialStatus
from spectral_platform.scans.verdicts.labelled import FEWEST_LABELS, LabelledPairs
from spectral_platform.worlds.splits import Split

PEOPLE = "people@1"


async def recall_calibration(run: Run) -> None:
    """Fill in how far the judge of each judged dimension can be believed, and tell when that is less than before."""
    if not run.standard.judged:
        return
    settings, tenant = run.settings, run.tenant
    async with run.transaction() as session:
        rubric = await get_rubric_version(session, tenant.workspace_id, settings.rubric_id, settings.rubric_version)
        found = await certify_judge(session, tenant.workspace_id, rubric, account_id=tenant.account_id)
    keys = {dimension.key for dimension in run.standard.judged}
    run.found.calibrations = {each.key: each.calibration for each in found.dimensions if each.key in keys}


async def check_with_people(run: Run, finalist: Contender) -> None:
    """Fill in what people say of the finalist where they have labelled enough, and ask them about it otherwise."""
    if not run.standard.judged:
        return
    pairs = _answered_pairs(run, finalist)
    labels = await _find_labels(run, pairs)
    if len(labels) >= FEWEST_LABELS:
        try:
            run.found.labelled = await _compare(run, finalist, pairs, labels)
        except (BudgetExhausted, OutOfTime):
            run.found.lacks.append("The budget was spent before the verdict was checked with people's labels.")
    await _request_labels(run, finalist, pairs)


def _answered_pairs(run: Run, finalist: Contender) -> dict[str, tuple[Trial, Trial]]:
    """Both trials of every dev sample that both arms answered."""
    cases = run.material.book.select(Split.DEV, "sample")
    candidate = {trial.case.key: trial for trial in finalist.dev_trials}
    baseline = {trial.case.key: trial for trial in run.baseline_trials(finalist.agent, cases)}
    both = {key: (baseline[key], candidate[key]) for key in baseline if key in candidate}
    return {key: pair for key, pair in both.items() if all(trial.status is TrialStatus.ANSWERED for trial in pair)}


async def _find_labels(run: Run, pairs: Mapping[str, tuple[Trial, Trial]]) -> dict[str, LabelPair]:
    """The newest label of each pair whose answers are the very ones that people saw."""
    settings = run.settings
    async with run.transaction() as session:
        found = await list_labelled_pairs(
            session,
            run.tenant.workspace_id,
            rubric_id=settings.rubric_id,
            rubric_version=settings.rubric_version,
            case_keys=list(pairs),
            simulated=run.simulated,
        )
    labels: dict[str, LabelPair] = {}
    for label in found:
        baseline, candidate = pairs[label.case_key]
        if (label.baseline_output, label.candidate_output) == (baseline.output, candidate.output):
            labels.setdefault(label.case_key, label)
    return labels


async def _compare(
    run: Run, finalist: Contender, pairs: Mapping[str, tuple[Trial, Trial]], labels: Mapping[str, LabelPair]
) -> LabelledPairs | None:
    """Judge the labelled pairs as on the holdout, their answers coming from the cache, and put people's marks beside it."""
    cases = [pairs[key][0].case for key in sorted(labels)]
    references = run.found.references[finalist.agent.agent_id]
    base = run.material.configs[finalist.agent.agent_id]
    plans = [(base, "baseline"), (finalist.candidate.config, finalist.candidate.key[:12])]
    plan = TrialPlan(phase=Phase.EVALUATE, candidate="", is_verdict=True, agent_id=finalist.agent.agent_id)
    arms = [await run.bench.run(config, cases, plan.model_copy(update={"candidate": name})) for config, name in plans]
    rows: list[tuple[float, float, float]] = []
    for first, second in zip(*arms, strict=True):
        label = labels[first.case.key]
        marks = label.marks or {}
        by_judge = trial_composites(first, second, run.standard, references)
        by_people = trial_composites(
            _as_marked(first, {key: mark.baseline for key, mark in marks.items()}),
            _as_marked(second, {key: mark.candidate for key, mark in marks.items()}),
            run.standard,
            references,
        )
        if by_judge is not None and by_people is not None:
            rows.append((by_people[1] - by_people[0], by_judge[1] - by_judge[0], label.inclusion_probability))
    if len(rows) < FEWEST_LABELS:
        return None
    check = LabelledPairs(
        human=tuple(row[0] for row in rows), judged=tuple(row[1] for row in rows), inclusion=tuple(row[2] for row in rows)
    )
    run.emit(
        "checked_with_people",
        f"People labelled {len(rows)} pairs of answers: by their word the composite changes by {fmean(check.human):+.3f}, "
        f"by the judge's by {fmean(check.judged):+.3f}.",
        pairs=len(rows),
    )
    return check


def _as_marked(trial: Trial, marks: Mapping[str, float]) -> Trial:
    """The trial with people's marks in place of the judge's scores."""
    dimensions = tuple(
        replace(dimension, evaluation=_evaluation(marks[dimension.key])) if dimension.key in marks else dimension
        for dimension in trial.dimensions
    )
    return replace(trial, dimensions=dimensions)


def _evaluation(mark: float) -> Evaluation:
    if mark == 1:
        return Evaluation.success(PEOPLE)
    return Evaluation.failure(PEOPLE, "People marked it so.", score=mark)


async def _request_labels(run: Run, finalist: Contender, pairs: Mapping[str, tuple[Trial, Trial]]) -> None:
    references = run.found.references[finalist.agent.agent_id]
    compared: list[ComparedPair] = []
    for key in sorted(pairs):
        baseline, candidate = pairs[key]
        composites = trial_composites(baseline, candidate, run.standard, references)
        if composites is not None:
            compared.append(
                ComparedPair(
                    case_key=key,
                    input=baseline.case.text,
                    context=baseline.case.context,
                    baseline_output=baseline.output,
                    candidate_output=candidate.output,
                    difference=composites[1] - composites[0],
                )
            )
    settings, tenant = run.settings, run.tenant
    async with run.transaction() as session:
        rubric = await get_rubric_version(session, tenant.workspace_id, settings.rubric_id, settings.rubric_version)
        await request_labels(
            session,
            tenant.workspace_id,
            rubric,
            compared,
            scan_id=tenant.scan_id,
            simulated=run.simulated,
            seed=run.seed,
        )
