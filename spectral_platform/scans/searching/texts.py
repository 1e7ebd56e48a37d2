"""Texts: the native reflective-Pareto search, and the rules that need no model.

A parent is drawn from the front of those that are best on some training case (GEPA, arXiv 2507.19457), a failure cluster and a
minibatch of its cases are shown to the proposer with the evaluators' feedback, and the child must beat its parent on that
minibatch to be run on the probe set and become a parent itself. Every edit is of one component.
"""

from collections import Counter
from collections.abc import Sequence

from spectral_platform.changesets.clusters.clustering import Cluster
from spectral_platform.core.randomness import derive, generator
from spectral_platform.llm.calling import CallLabel
from spectral_platform.llm.errors import ProviderRejected, ProviderUnavailable
from spectral_platform.llm.purposes import Purpose
from spectral_platform.optimizers.edits import Candidate, Component, Strategy, candidate_from, edit_problems, text_components
from spectral_platform.optimizers.errors import ProposalUnreadable
from spectral_platform.optimizers.pareto import sample_parent
from spectral_platform.optimizers.reflection import ReflectionCase, parse_proposal, reflection_request
from spectral_platform.optimizers.rules import propose_rule
from spectral_platform.scans.cases import Case
from spectral_platform.scans.failures import case_of, failures_of
from spectral_platform.scans.quoting import FAILING_IN_MINIBATCH, MINIBATCH, proposals_for
from spectral_platform.scans.searching.search import Search
from spectral_platform.scans.settings import SearchStrategy
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import SEED_BITS

STALLED_AFTER = 5
TOP_CLUSTERS = 3
LEAST_SEVERITY = 0.05


async def search_texts(search: Search, slots: int) -> None:
    """Propose until so many candidates race, so many proposals were made for that, or nothing came of the last few."""
    served: Counter[str] = Counter()
    admitted = stalled = 0
    for round_index in range(proposals_for(slots)):
        if admitted >= slots or stalled >= STALLED_AFTER or not search.clusters:
            return
        cluster = _next_cluster(search, served)
        served[cluster.signature] += 1
        parent_key = sample_parent(search.pool_scores(), seed=search.run.seed, round_index=round_index)
        batch = await _minibatch(search, parent_key, cluster, round_index)
        if _is_reflective(search, round_index):
            candidate = await _reflect(search, parent_key, cluster, batch, round_index)
        else:
            candidate = _state_rule(search, parent_key, cluster, batch)
        is_admitted = candidate is not None and await search.admit(candidate, batch)
        admitted, stalled = admitted + is_admitted, 0 if is_admitted else stalled + 1


def _is_reflective(search: Search, round_index: int) -> bool:
    """Whether a round asks a model; where rules are wanted too, the two take turns."""
    strategies = search.run.settings.strategies
    if SearchStrategy.REFLECTIVE not in strategies:
        return False
    return SearchStrategy.RULES not in strategies or round_index % 2 == 0


def _next_cluster(search: Search, served: Counter[str]) -> Cluster:
    """Each of the largest clusters until it has a candidate of its own; then round-robin by size and severity."""
    answered = {
        contender.candidate.cluster_signature
        for contender in search.run.found.contenders
        if contender.agent == search.agent and contender.fate != "invalid"
    }
    if waiting := [cluster for cluster in search.clusters[:TOP_CLUSTERS] if cluster.signature not in answered]:
        return min(waiting, key=lambda cluster: served[cluster.signature])
    return max(search.clusters, key=lambda cluster: _weight(cluster) / (served[cluster.signature] + 1))


def _weight(cluster: Cluster) -> float:
    return len(cluster.members) * max(cluster.severity, LEAST_SEVERITY)


async def _minibatch(search: Search, parent_key: str, cluster: Cluster, round_index: int) -> tuple[Case, ...]:
    """Cases of the cluster with guards that the parent passes; what the parent has not run yet is run now."""
    draw = generator(search.run.seed, "minibatch", search.agent.name, round_index)
    by_key = {case.key: case for case in search.train}
    members = sorted({case_of(key) for key in cluster.members} & by_key.keys())
    failing = draw.sample(members, min(FAILING_IN_MINIBATCH, len(members)))
    parent = search.trials[parent_key]
    passing = sorted(key for key, trial in parent.items() if not failures_of(trial) and key not in failing)
    guards = draw.sample(passing, min(MINIBATCH - len(failing), len(passing)))
    batch = tuple(by_key[key] for key in (*failing, *guards))
    await search.run_missing(parent_key, batch)
    return batch


async def _reflect(
    search: Search, parent_key: str, cluster: Cluster, batch: Sequence[Case], round_index: int
) -> Candidate | None:
    components = text_components(search.configs[parent_key])
    cases = [search.shown(search.trials[parent_key][case.key]) for case in batch]
    return await propose_text(
        search,
        parent_key,
        component=components[round_index % len(components)],
        cluster=cluster,
        cases=cases,
        attempt=round_index,
    )


async def propose_text(
    search: Search,
    parent_key: str,
    *,
    component: Component,
    cluster: Cluster | None,
    cases: Sequence[ReflectionCase],
    attempt: int,
    strategy: Strategy = Strategy.REFLECTIVE,
) -> Candidate | None:
    """The candidate that a model proposes; None, and noted, when it said nothing usable or nothing that may be tried."""
    run, parent = search.run, search.configs[parent_key]
    request = reflection_request(
        parent,
        component=component,
        cluster=search.card(cluster) if cluster else None,
        cases=cases,
        tried=search.tried,
        attempt=attempt,
        model=run.model(Purpose.REASONING),
        seed=derive(run.seed, "propose", search.agent.name, attempt) % 2**SEED_BITS,
    )
    label = CallLabel(Phase.GENERATE, Purpose.REASONING, candidate=parent_key[:12], repeat=attempt)
    try:
        paid = await run.caller.ask(request, label)
        edit = parse_proposal(paid.answer.text, parent)
    except (ProposalUnreadable, ProviderUnavailable, ProviderRejected) as error:
        run.found.proposer_errors += 1
        run.emit(
            "proposal_failed",
            f"The proposer gave nothing usable: {error}",
            subject=f"{search.agent.agent_id}:{strategy}:{attempt}",
            level="warning",
        )
        return None
    problems = edit_problems(parent, edit, train_answers=search.answers, tried=search.configs.keys())
    signature = cluster.signature if cluster else None
    candidate = candidate_from(parent, edit, strategy=strategy, cluster_signature=signature)
    if problems:
        search.refuse(candidate, problems)
        return None
    return candidate


def _state_rule(search: Search, parent_key: str, cluster: Cluster, batch: Sequence[Case]) -> Candidate | None:
    trials = search.trials[parent_key]
    feedback = [item for case in batch for item in search.shown(trials[case.key]).criteria if not item.passed]
    stated = [key for key in search.instructions if any(f"[{key}]" in edit.rationale for edit in search.tried)]
    candidate = propose_rule(search.configs[parent_key], feedback, skip=stated, cluster_signature=cluster.signature)
    return None if candidate is None or candidate.key in search.configs else candidate
