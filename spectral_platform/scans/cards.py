"""Severity cards: what a scan says of each failure cluster, from its failures, the baseline's scores and the costs."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.changesets.clusters.categories import Category, guess_category
from spectral_platform.changesets.clusters.clustering import Cluster
from spectral_platform.changesets.clusters.findings import (
    LONGEST_FEEDBACK,
    Addressable,
    ClusterFinding,
    FailureFinding,
    SeverityCard,
)
from spectral_platform.scans.cases import Case
from spectral_platform.scans.failures import FailedCriterion, TraceFailure, likeness
from spectral_platform.scans.run import Run
from spectral_platform.scans.settings import PinnedAgent
from spectral_platform.scans.trials import Trial
from spectral_platform.worlds.splits import Split

MOST_EXEMPLARS = 3
LEAST_MENTIONED = 0.6
"""From such a share of an instruction's words in the prompt on, the prompt asks for it already."""
_WORD = re.compile(r"[^\W\d_]{4,}")
_BY_CATEGORY = {
    Category.SYSTEM_FAILURE: Addressable.TOOL,
    Category.WRONG_TOOL_CALL: Addressable.TOOL,
    Category.STEP_REPEATED: Addressable.PROMPT,
    Category.STOPPED_EARLY: Addressable.PROMPT,
    Category.HANDOFF_FAILURE: Addressable.PROMPT,
    Category.NOT_VERIFIED: Addressable.PROMPT,
}


def describe_clusters(run: Run, agent: PinnedAgent, clusters: Sequence[Cluster]) -> tuple[ClusterFinding, ...]:
    """The clusters of an agent as they are recorded, each with its card and its failures."""
    cases = {failure.key: failure for failure in run.found.failures[agent.agent_id]}
    traffic = {failure.key: failure for failure in run.found.traffic_of(agent).failures}
    return tuple(_describe(run, agent, cluster, cases, traffic) for cluster in clusters)


def _describe(
    run: Run,
    agent: PinnedAgent,
    cluster: Cluster,
    cases: Mapping[str, FailedCriterion],
    traffic: Mapping[str, TraceFailure],
) -> ClusterFinding:
    in_cases = [cases[key] for key in cluster.members if key in cases]
    in_traces = [traffic[key] for key in cluster.members if key in traffic]
    trials = {failure.case_key: run.found.baseline[agent.agent_id][failure.case_key] for failure in in_cases}
    failed: list[FailedCriterion | TraceFailure] = [*in_cases, *in_traces]
    category = guess_category(
        cluster.fingerprint, [failure.evaluator for failure in failed], [failure.feedback for failure in failed]
    )
    traces = dict.fromkeys(failure.trace_id for failure in in_traces)
    typical = [traffic[key].trace_id for key in cluster.medoids if key in traffic]
    told = [_of_case(trials[failure.case_key].case, failure) for failure in in_cases]
    told += [_of_trace(failure) for failure in in_traces]
    return ClusterFinding(
        agent_id=agent.agent_id,
        signature=cluster.signature,
        label=cluster.label,
        description=cluster.description,
        fingerprint=cluster.fingerprint,
        size=len(trials) + len(traces),
        share=cluster.share,
        severity=min(1.0, max(0.0, cluster.severity)),
        exemplar_cases=_first(cases[key].case_key for key in cluster.medoids if key in cases),
        exemplar_trace_ids=_first((*typical, *traces)),
        failures=tuple(told),
        card=SeverityCard(
            failures=len(cluster.members),
            train_cases=len(trials),
            traces=len(traces),
            share_interval=cluster.share_interval,
            authority_a_loss=_loss(run, agent, trials.values(), "authority_a"),
            authority_b_loss=_loss(run, agent, trials.values(), "authority_b"),
            cost_share=_cost_share(run, agent, trials, traces),
            addressable=addressable(
                category,
                Counter(failure.criterion for failure in failed).most_common(1)[0][0],
                run.material.configs[agent.agent_id],
                run.standard.instructions(),
            ),
            category=category,
            stability=cluster.stability,
            criteria=cluster.fingerprint,
            terms=cluster.terms,
        ),
    )


def _first(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(keys))[:MOST_EXEMPLARS]


def _of_case(case: Case, failure: FailedCriterion) -> FailureFinding:
    # Stimuli are fresh in every scan, and their rules are not.
    asked = f"rule:{case.stimulus.rule_key}" if case.stimulus else case.text
    return FailureFinding(
        key=failure.key,
        likeness=likeness(asked, failure.criterion),
        case_key=failure.case_key,
        criterion=failure.criterion,
        feedback=failure.feedback[:LONGEST_FEEDBACK],
        severity=min(1.0, max(0.0, failure.severity)),
    )


def _of_trace(failure: TraceFailure) -> FailureFinding:
    return FailureFinding(
        key=failure.key,
        likeness=likeness(failure.question, failure.criterion),
        trace_id=failure.trace_id,
        criterion=failure.criterion,
        feedback=failure.feedback[:LONGEST_FEEDBACK],
        severity=min(1.0, max(0.0, failure.severity)),
    )


def _loss(run: Run, agent: PinnedAgent, trials: Iterable[Trial], authority: str) -> float | None:
    references = run.found.references[agent.agent_id]
    scores = [trial.score(run.standard, references) for trial in trials]
    known = [value for score in scores if score is not None and (value := getattr(score, authority)) is not None]
    return 1.0 - fmean(known) if known else None


def _cost_share(run: Run, agent: PinnedAgent, trials: Mapping[str, Trial], traces: Mapping[str, None]) -> float | None:
    train = [run.found.baseline[agent.agent_id][case.key] for case in run.material.book.select(Split.TRAIN)]
    costs = run.found.traffic_of(agent).costs
    total = sum(trial.measures.cost_usd or 0.0 for trial in train) + sum(costs.values())
    own = sum(trial.measures.cost_usd or 0.0 for trial in trials.values()) + sum(costs.get(trace, 0.0) for trace in traces)
    return min(1.0, own / total) if total > 0 else None


def addressable(category: Category, criterion: str, config: AgentConfig, instructions: Mapping[str, str]) -> Addressable:
    """What would have to change. Where the criterion says what it asks for, it counts whether the prompt asks for it already."""
    if criterion == "detector:empty_retrieval":
        return Addressable.DATA
    if category in _BY_CATEGORY:
        return _BY_CATEGORY[category]
    asked = set(_WORD.findall(instructions.get(criterion, "").casefold()))
    if not asked:
        return Addressable.PROMPT
    prompt = config.template.base_prompt.casefold()
    mentioned = sum(word in prompt for word in asked) / len(asked)
    return Addressable.MODEL if mentioned >= LEAST_MENTIONED else Addressable.PROMPT
