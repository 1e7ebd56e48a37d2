"""Failures of the window's traces: errors, what detectors see, what people disliked, and what the rubric failed.

No model is asked here. A trace that became a sample is left out: it may be sealed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from spectral_platform.core.access import system_caller
from spectral_platform.evaluations.scores.queries import list_trace_scores
from spectral_platform.evaluations.trajectories.detectors import detect, learn_precedence
from spectral_platform.evaluations.trajectories.queries import list_traffic, list_trajectories
from spectral_platform.evaluations.trajectories.trajectory import Trajectory, error_class
from spectral_platform.scans.failures import TRACE_ERROR, TraceFailure, Traffic, tokens_of
from spectral_platform.scans.run import Run
from spectral_platform.traces.models import Feedback, Trace, TraceStatus
from spectral_platform.traces.queries import list_complaints
from spectral_platform.worlds.readings import keeping

MOST_TRACES = 10_000
"""So many traces of the window are looked at, the newest ones."""
_AT_ONCE = 200
ERROR_SEVERITY = 1.0


async def look_at_traffic(run: Run) -> dict[UUID, Traffic]:
    """What went wrong in the window's traces, by agent."""
    tenant, settings = run.tenant, run.settings
    caller = system_caller(tenant.account_id, tenant.workspace_id)
    async with run.transaction() as session:
        async with keeping(session):  # which traces became samples
            traces = await list_traffic(
                session,
                caller,
                agent_ids=[agent.agent_id for agent in settings.agents],
                since=settings.trace_since,
                until=settings.trace_until,
                limit=MOST_TRACES,
            )
        trace_ids = [trace.trace_id for trace in traces]
        complaints = await list_complaints(session, caller, trace_ids)
        scores = await list_trace_scores(
            session,
            caller,
            rubric_id=settings.rubric_id,
            rubric_version=settings.rubric_version,
            trace_ids=trace_ids,
        )
    trajectories: dict[str, Trajectory] = {}
    for first in range(0, len(traces), _AT_ONCE):
        async with run.transaction() as session:
            trajectories |= await list_trajectories(session, caller, traces[first : first + _AT_ONCE])
    failures: dict[str, list[TraceFailure]] = defaultdict(list)
    for trace_id, complaint in complaints:
        failures[trace_id].append(_disliked(trace_id, complaint, trajectories[trace_id].question))
    for score in scores:
        is_known = (
            score.scan_id == tenant.scan_id or not settings.is_seed_given
        )  # with a seed nothing is taken from earlier scans
        if score.passed is False and is_known:
            failures[score.trace_id].append(
                TraceFailure(
                    trace_id=score.trace_id,
                    criterion=score.dimension,
                    feedback=score.feedback,
                    question=trajectories[score.trace_id].question,
                    severity=1.0 - (score.score or 0.0),
                    evaluator=score.evaluator,
                )
            )
    return {
        agent.agent_id: await asyncio.to_thread(
            _of_agent, [trace for trace in traces if trace.agent_id == agent.agent_id], trajectories, failures
        )
        for agent in settings.agents
    }


def _of_agent(traces: Sequence[Trace], trajectories: dict[str, Trajectory], told: dict[str, list[TraceFailure]]) -> Traffic:
    rules = learn_precedence(trajectories[trace.trace_id] for trace in traces)
    failures: list[TraceFailure] = []
    for trace in sorted(traces, key=lambda trace: trace.trace_id):
        trajectory = trajectories[trace.trace_id]
        failures += sorted(told.get(trace.trace_id, ()), key=lambda failure: failure.criterion)
        failures += [
            TraceFailure(
                trace_id=trace.trace_id,
                criterion=f"detector:{found.detector}",
                feedback=f"{found.feedback} {found.evidence}",
                question=trajectory.question,
                severity=found.severity,
                tokens=tokens_of(found),
            )
            for found in detect(trajectory, rules)
        ]
        if trace.status is TraceStatus.ERROR:
            failures.append(_failed(trace.trace_id, trajectory))
    unique = {failure.key: failure for failure in failures}
    costs = {trace.trace_id: float(trace.cost_usd) for trace in traces if trace.cost_usd is not None}
    return Traffic(traces=len(traces), failures=tuple(unique.values()), costs=costs)


def _failed(trace_id: str, trajectory: Trajectory) -> TraceFailure:
    """That a trace ended in an error, told by the last of its steps that failed."""
    failed = next((step for step in reversed(trajectory.steps) if step.error is not None), None)
    told = failed.error if failed is not None and failed.error else "The run failed; no step says why."
    where = (f"tool:{failed.name}", f"step:{failed.kind}") if failed is not None else ()
    return TraceFailure(
        trace_id=trace_id,
        criterion=TRACE_ERROR,
        feedback=" ".join(told.split())[:400],
        question=trajectory.question,
        severity=ERROR_SEVERITY,
        tokens=(f"error:{error_class(told)}", *where),
    )


def _disliked(trace_id: str, complaint: Feedback, question: str) -> TraceFailure:
    about = f" in {complaint.dimension}" if complaint.dimension else ""
    return TraceFailure(
        trace_id=trace_id,
        criterion=f"feedback:{complaint.dimension or 'negative'}",
        feedback=f"A person judged the answer bad{about}.",
        comment=complaint.comment or "",
        question=question,
        severity=-complaint.score,
    )
