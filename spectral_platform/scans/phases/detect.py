"""Detect: what the baseline fails on training cases, and what goes wrong in the window's traces."""

from collections import Counter

from spectral_platform.scans.failures import FailedCriterion, detected_in, failures_of
from spectral_platform.scans.run import Run
from spectral_platform.scans.trace_scoring import score_traces
from spectral_platform.scans.traffic import look_at_traffic
from spectral_platform.scans.verdicts.human_check import recall_calibration
from spectral_platform.worlds.splits import Split


async def detect(run: Run) -> None:
    """Fill in what fails, and how far the judges that say so can be believed."""
    find_failures(run)
    await score_traces(run)
    await examine_traces(run)
    await recall_calibration(run)


def find_failures(run: Run) -> None:
    """Fill in the failures of each agent's baseline, on training cases only: dev and holdout stay unseen by the search."""
    train = run.material.book.select(Split.TRAIN)
    for agent in run.settings.agents:
        failures: list[FailedCriterion] = []
        for trial in run.baseline_trials(agent, train):
            failures += [*failures_of(trial), *detected_in(trial)]
        run.found.failures[agent.agent_id] = failures
        by_criterion = Counter(failure.criterion for failure in failures)
        failed_cases = len({failure.case_key for failure in failures})
        run.emit(
            "failures_detected",
            f"{agent.name} fails {failed_cases} of {len(train)} training cases.",
            subject=str(agent.agent_id),
            cases=len(train),
            failed_cases=failed_cases,
            by_criterion=dict(by_criterion.most_common()),
        )


async def examine_traces(run: Run) -> None:
    """Fill in what went wrong in the window's traces, by agent."""
    run.found.traffic = await look_at_traffic(run)
    for agent in run.settings.agents:
        traffic = run.found.traffic[agent.agent_id]
        seen = Counter(failure.criterion for failure in traffic.failures)
        failed_traces = len({failure.trace_id for failure in traffic.failures})
        run.emit(
            "traces_examined",
            f"{failed_traces} of {traffic.traces} traces of {agent.name} show a failure.",
            subject=str(agent.agent_id),
            traces=traffic.traces,
            failed_traces=failed_traces,
            by_criterion=dict(seen.most_common()),
        )
