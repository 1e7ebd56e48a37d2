"""Scoring traces of the window by the scan's rubric, so that the judge can be compared with people and rubrics with traffic.

It takes a small share of the budget and no more traces than that, those first that people gave feedback on. The judge is asked
as on the holdout, because it is that judge's word which decides; nothing found here enters the verdict.
"""

from collections import Counter
from decimal import Decimal

from spectral_platform.core.access import system_caller
from spectral_platform.core.randomness import derive
from spectral_platform.evaluations.asking import Judge, votes_of
from spectral_platform.evaluations.evaluators.subjects import Subject
from spectral_platform.evaluations.judging import JudgePrompt, UnreadableJudgement
from spectral_platform.evaluations.rubrics.queries import get_rubric_version
from spectral_platform.evaluations.scores.commands import NewScore, record_scores
from spectral_platform.evaluations.scores.queries import ScoredBy, list_subjects, list_traces_to_score
from spectral_platform.llm.calling import CallLabel, settle
from spectral_platform.llm.errors import BudgetExhausted, ProviderRejected, ProviderUnavailable
from spectral_platform.llm.purposes import Purpose
from spectral_platform.scans.queries import is_replayed
from spectral_platform.scans.run import Run
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import SEED_BITS
from spectral_platform.worlds.readings import keeping

MOST_TRACES = 100
SHARE = Decimal("0.05")
"""Of the scan's calls, and of its money where prices are known."""


async def score_traces(run: Run) -> None:
    """Score traces of the scan's agents in every dimension of its rubric, and store what was found."""
    settings, tenant = run.settings, run.tenant
    caller = system_caller(tenant.account_id, tenant.workspace_id)
    judge_model = settings.models.get(Purpose.SCORING) if run.standard.judged else None
    scored = ScoredBy(settings.rubric_id, settings.rubric_version, judge_model, tenant.scan_id)
    async with run.transaction() as session:
        async with keeping(session):  # which traces became samples
            trace_ids = await list_traces_to_score(
                session,
                caller,
                agent_ids=[agent.agent_id for agent in settings.agents],
                since=settings.trace_since,
                until=settings.trace_until,
                limit=MOST_TRACES,
                unless=None if settings.is_seed_given else scored,  # with a seed nothing is taken from earlier scans
            )
        subjects = await list_subjects(session, caller, trace_ids)
    if not subjects:
        return
    judged = list(subjects)[: _affordable(run)] if judge_model is not None and not run.found.judge_untrusted else []
    alike = await settle(_compared(run, trace_id, subject) for trace_id, subject in subjects.items())
    scores = [score for trace_id, subject in zip(subjects, alike, strict=True) for score in _by_code(run, trace_id, subject)]
    found = await settle(_by_judge(run, trace_id, subjects[trace_id]) for trace_id in judged)
    scores += [score for some in found for score in some]
    async with run.transaction() as session:
        if await is_replayed(session, tenant.workspace_id, tenant.scan_id):  # a file is no judge to compare with people
            scores = [score for score in scores if score.judge_model is None]
        rubric = await get_rubric_version(session, tenant.workspace_id, settings.rubric_id, settings.rubric_version)
        await record_scores(session, tenant.workspace_id, rubric, scores, scan_id=tenant.scan_id)
    failed = Counter(score.dimension for score in scores if score.evaluation.passed is False)
    run.emit(
        "traces_scored",
        f"{len(subjects)} traces of the window were scored, {len(judged)} of them by the judge too.",
        traces=len(subjects),
        judged=len(judged),
        failed_by_dimension=dict(failed.most_common()),
    )


def _affordable(run: Run) -> int:
    """Traces that the judge may look at: each takes the verdict's votes in every judged dimension."""
    quote, budget = run.readiness.quote, run.settings.budget
    calls = int(budget.max_model_calls * SHARE)
    if quote.max_usd is not None and Decimal(quote.max_usd) > 0:
        calls = min(calls, int(budget.max_usd * SHARE * quote.model_calls / Decimal(quote.max_usd)))
    return calls // sum(votes_of(dimension, JudgePrompt.VERDICT) for dimension in run.standard.judged)


async def _compared(run: Run, trace_id: str, subject: Subject) -> Subject:
    """The trace with its similarity by embeddings; only those that somebody corrected have anything to be compared with."""
    label = CallLabel(Phase.DETECT, Purpose.EMBEDDING, candidate="trace", case_key=trace_id)
    try:
        return await run.bench.compare(subject, label)
    except (BudgetExhausted, ProviderRejected, ProviderUnavailable):
        return subject


def _by_code(run: Run, trace_id: str, subject: Subject) -> list[NewScore]:
    return [
        NewScore(trace_id=trace_id, dimension=found.key, evaluation=found.evaluation)
        for found in run.standard.evaluate_code(subject)
    ]


async def _by_judge(run: Run, trace_id: str, subject: Subject) -> list[NewScore]:
    """The judged dimensions of one trace; those that could not be judged are missing."""
    label = CallLabel(Phase.DETECT, Purpose.DETECTION, candidate="trace", case_key=trace_id)
    judge = Judge(
        model=run.model(Purpose.SCORING),
        ask=lambda request: run.caller.ask(request, label),
        seed=lambda vote, reading: derive(run.seed, "trace", trace_id, vote, reading) % 2**SEED_BITS,
        prompt=JudgePrompt.VERDICT,
    )
    scores: list[NewScore] = []
    for dimension in run.standard.judged:
        if run.bench.is_out_of_time:
            break
        try:
            found = await judge.judge(dimension, subject)
        except BudgetExhausted:
            break
        except (ProviderUnavailable, ProviderRejected, UnreadableJudgement):
            continue
        scores.append(
            NewScore(
                trace_id=trace_id,
                dimension=dimension.key,
                evaluation=found.evaluation,
                judge_model=judge.model,
                simulated=run.simulated,
                cost_usd=found.cost_usd,
            )
        )
    return scores
