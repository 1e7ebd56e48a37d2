"""Generate: propose changes from the failures of training cases, and keep those that help where they were made.

The native reflective-Pareto search: a parent is drawn from the front of those that are best on some training case, a failure
cluster and a minibatch of its cases are shown to the proposer with the evaluators' feedback, and the child must beat its parent
on that minibatch to be run on the probe set and become a parent itself. Nothing here has seen a dev or holdout case.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.changesets.clusters.clustering import Cluster
from spectral_platform.core.randomness import derive, generator
from spectral_platform.evaluations.scoring import DimensionEvaluation, RuleEvaluation
from spectral_platform.llm.calling import CallLabel
from spectral_platform.llm.errors import BudgetExhausted, ProviderRejected, ProviderUnavailable
from spectral_platform.llm.providers.availability import is_simulated
from spectral_platform.llm.providers.simulator.models import MODELS, Role
from spectral_platform.llm.purposes import Purpose
from spectral_platform.optimizers.arms import propose_arms
from spectral_platform.optimizers.edits import Candidate, Component, Strategy, candidate_from, config_key, edit_problems
from spectral_platform.optimizers.errors import ProposalUnreadable
from spectral_platform.optimizers.few_shot import propose_examples
from spectral_platform.optimizers.pareto import sample_parent
from spectral_platform.optimizers.reflection import (
    ClusterCard,
    CriterionFeedback,
    ReflectionCase,
    TriedEdit,
    parse_proposal,
    reflection_request,
)
from spectral_platform.optimizers.rules import propose_rule
from spectral_platform.scans.cases import Case
from spectral_platform.scans.failures import case_of, failures_of
from spectral_platform.scans.pairing import pair, screen
from spectral_platform.scans.quoting import MINIBATCH, PROBE_CASES
from spectral_platform.scans.run import Contender, Run
from spectral_platform.scans.settings import PinnedAgent, SearchStrategy
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import SEED_BITS, OutOfTime, Trial, TrialPlan, TrialStatus
from spectral_platform.worlds.splits import Split

ROUNDS_PER_CANDIDATE = 2
STALLED_AFTER = 5
FAILING_IN_MINIBATCH = 6
ARMS = 2
FEEDBACK_LINES = 5


async def generate(run: Run) -> None:
    """Fill in the contenders of every agent, in the order in which they were proposed."""
    agents = run.settings.agents
    most = min(run.settings.max_candidates, max(1, run.readiness.quote.max_candidates))
    for index, agent in enumerate(agents):
        limit = most // len(agents) + (index < most % len(agents))
        if limit:
            await Search(run, agent, limit).run_rounds()
    alive = sum(contender.is_alive for contender in run.found.contenders)
    await run.emit(
        "candidates_generated",
        f"{len(run.found.contenders)} candidates were proposed; {alive} of them go on to the race.",
        candidates=len(run.found.contenders),
        alive=alive,
        proposer_errors=run.found.proposer_errors,
    )


class Search:
    """The search for one agent, for at most ``limit`` candidates."""

    def __init__(self, run: Run, agent: PinnedAgent, limit: int) -> None:
        self.run = run
        self.agent = agent
        self.base = run.material.configs[agent.agent_id]
        self.base_key = config_key(self.base)
        self.clusters = run.found.clusters[agent.agent_id]
        self.train = run.material.book.select(Split.TRAIN)
        baseline = run.baseline_trials(agent, self.train)
        self.trials: dict[str, dict[str, Trial]] = {self.base_key: {trial.case.key: trial for trial in baseline}}
        self.configs: dict[str, AgentConfig] = {self.base_key: self.base}
        self.probe = self._choose_probe()
        self.tried: list[TriedEdit] = []
        self.refused: set[str] = set()
        self.references = run.found.references[agent.agent_id]
        self.instructions = run.standard.instructions()
        self.limit = limit

    async def run_rounds(self) -> None:
        """Propose until there are enough candidates, the proposer stalls, or the budget for searching is spent."""
        strategies = self.run.settings.strategies
        ready = self._ready_made(strategies)[: self.limit - 1 if self._is_text_searched else self.limit]
        texts = self.limit - len(ready)
        stalled = proposed = 0
        try:
            for round_index in range(ROUNDS_PER_CANDIDATE * texts):
                if proposed >= texts or stalled >= STALLED_AFTER or not self.clusters or not self._is_text_searched:
                    break
                is_new = await self._round(round_index)
                proposed, stalled = proposed + is_new, 0 if is_new else stalled + 1
            for candidate in ready:
                await self._admit(candidate, (), screened=False)
        except (BudgetExhausted, OutOfTime) as limit:
            self.run.found.is_cut_short = True
            reason = "time" if isinstance(limit, OutOfTime) else "budget"
            await self.run.emit(
                "search_cut_short",
                f"The {reason} for searching is spent; what is left is kept for the holdout.",
                subject=str(self.agent.agent_id),
                level="warning",
            )

    @property
    def _is_text_searched(self) -> bool:
        strategies = self.run.settings.strategies
        return SearchStrategy.REFLECTIVE in strategies or SearchStrategy.RULES in strategies

    def _ready_made(self, strategies: Sequence[SearchStrategy]) -> tuple[Candidate, ...]:
        """The candidates that need no proposer."""
        arms = self._arms() if SearchStrategy.ARMS in strategies else ()
        examples = None
        if SearchStrategy.FEW_SHOT in strategies:
            shown = [self._shown(trial) for trial in self.trials[self.base_key].values() if trial.case.kind == "sample"]
            examples = propose_examples(self.base, shown, seed=self.run.seed)
        return (*arms, examples) if examples is not None else arms

    async def _round(self, round_index: int) -> bool:
        """One proposal; whether it became a candidate, dropped at once or not."""
        parent_key = sample_parent(self._pool_scores(), seed=self.run.seed, round_index=round_index)
        cluster = self._next_cluster(round_index)
        batch = await self._minibatch(parent_key, cluster, round_index)
        is_reflective = SearchStrategy.REFLECTIVE in self.run.settings.strategies
        if is_reflective:
            candidate = await self._reflect(parent_key, cluster, batch, round_index)
        elif SearchStrategy.RULES in self.run.settings.strategies:
            candidate = self._state_rule(parent_key, cluster, batch, round_index)
        else:
            candidate = None
        return candidate is not None and await self._admit(candidate, batch, screened=True)

    async def _reflect(self, parent_key: str, cluster: Cluster, batch: Sequence[Case], round_index: int) -> Candidate | None:
        run, parent = self.run, self.configs[parent_key]
        request = reflection_request(
            parent,
            component=Component.BASE_PROMPT,
            cluster=self._card(cluster),
            cases=[self._shown(self.trials[parent_key][case.key]) for case in batch],
            tried=self.tried,
            attempt=round_index,
            model=run.model(Purpose.REASONING),
            seed=derive(run.seed, "propose", self.agent.name, round_index) % 2**SEED_BITS,
        )
        label = CallLabel(Phase.GENERATE, Purpose.REASONING, candidate=parent_key[:12], repeat=round_index)
        try:
            paid = await run.caller.ask(request, label)
            edit = parse_proposal(paid.answer.text, parent)
        except (ProposalUnreadable, ProviderUnavailable, ProviderRejected) as error:
            run.found.proposer_errors += 1
            await run.emit(
                "proposal_failed",
                f"The proposer gave nothing usable: {error}",
                subject=f"{self.agent.agent_id}:{round_index}",
                level="warning",
            )
            return None
        answers = [trial.output for trial in self.trials[self.base_key].values()]
        answers += [case.expected_output for case in self.train if case.expected_output]
        problems = edit_problems(parent, edit, train_answers=answers, tried=self.configs.keys())
        candidate = candidate_from(parent, edit, strategy=Strategy.REFLECTIVE, cluster_signature=cluster.signature)
        if problems:
            if candidate.key not in self.configs and candidate.key not in self.refused:
                self.refused.add(candidate.key)
                await self._record(candidate, "invalid", " ".join(problems))
            self.tried.append(TriedEdit(rationale=edit.rationale, outcome=f"invalid: {' '.join(problems)}"))
            return None
        return candidate

    def _state_rule(self, parent_key: str, cluster: Cluster, batch: Sequence[Case], round_index: int) -> Candidate | None:
        feedback = [item for case in batch for item in self._shown(self.trials[parent_key][case.key]).criteria if not item.passed]
        stated = [key for key in self.instructions if any(f"[{key}]" in edit.rationale for edit in self.tried)]
        candidate = propose_rule(
            self.configs[parent_key],
            feedback,
            skip=stated,
            cluster_signature=cluster.signature,
        )
        return None if candidate is None or candidate.key in self.configs else candidate

    async def _admit(self, candidate: Candidate, batch: Sequence[Case], *, screened: bool) -> bool:
        """Screen a candidate on its minibatch and probe the survivor; whether it was new at all."""
        run = self.run
        if candidate.key in self.configs:
            return False
        contender = await self._record(candidate, "proposed", "Not raced yet.")
        self.configs[candidate.key] = candidate.config
        plan = TrialPlan(phase=Phase.GENERATE, candidate=candidate.key[:12])
        if screened:
            trials = await run.bench.run(candidate.config, batch, plan)
            parent = [self.trials[candidate.parent_key][case.key] for case in batch]
            before, after = screen(parent, trials, run.standard, self.references)
            if after <= before:
                detail = f"On its minibatch it scores {after:.2f}, its parent {before:.2f}."
                contender.drop("no_gain", detail)
                self.tried.append(TriedEdit(rationale=candidate.rationale, outcome="no gain on its minibatch"))
                await self._dropped(contender)
                return True
            contender.train.update({trial.case.key: trial for trial in trials})
        probed = await run.bench.run(candidate.config, self.probe, plan)
        contender.train.update({trial.case.key: trial for trial in probed})
        if self._breaks_critical_rules(contender.train):
            self.tried.append(TriedEdit(rationale=candidate.rationale, outcome="harm: it newly breaks critical rules"))
        else:
            self.tried.append(TriedEdit(rationale=candidate.rationale, outcome="kept"))
            self.trials[candidate.key] = dict(contender.train)
        return True

    def _breaks_critical_rules(self, trials: dict[str, Trial]) -> bool:
        """Whether training cases show harm; then it still races, but nothing is built on it."""
        baseline = [self.trials[self.base_key][key] for key in trials]
        pairs = pair(baseline, trials.values(), self.run.standard, self.references)
        return pairs.critical_worsened > pairs.critical_mended

    async def _record(self, candidate: Candidate, fate: str, detail: str) -> Contender:
        contender = Contender(
            agent=self.agent,
            candidate=candidate,
            position=len(self.run.found.contenders) + 1,
            fate=fate,
            fate_detail=detail,
        )
        self.run.found.contenders.append(contender)
        await self.run.emit(
            "candidate_proposed",
            f"Candidate {contender.position}: {candidate.rationale}",
            subject=f"{self.agent.agent_id}:{candidate.key}",
            candidate=candidate.key,
            strategy=candidate.strategy,
            component=candidate.component,
            cluster_signature=candidate.cluster_signature,
        )
        if not contender.is_alive:
            await self._dropped(contender)
        return contender

    async def _dropped(self, contender: Contender) -> None:
        await emit_dropped(self.run, contender)

    def _arms(self) -> tuple[Candidate, ...]:
        model = self.base.hyperparameters.model
        others = [name for name, known in MODELS.items() if known.role is Role.AGENT] if is_simulated(model) else []
        return propose_arms(self.base, models=others, temperatures=(0.0,))[:ARMS]

    def _choose_probe(self) -> tuple[Case, ...]:
        samples = [case for case in self.train if case.kind == "sample"]
        chosen = generator(self.run.seed, "probe", self.agent.name).sample(samples, min(PROBE_CASES, len(samples)))
        return (*chosen, *(case for case in self.train if case.kind == "stimulus"))

    def _pool_scores(self) -> dict[str, dict[str, float]]:
        return {key: {case.key: self._composite(trials[case.key]) for case in self.probe} for key, trials in self.trials.items()}

    def _composite(self, trial: Trial) -> float:
        return trial.composite(self.run.standard, self.references)

    def _next_cluster(self, round_index: int) -> Cluster:
        """Round-robin, in which a cluster comes as often as its size and severity deserve."""
        weights = [len(cluster.members) * max(cluster.severity, 0.05) for cluster in self.clusters]
        served = [0.0] * len(weights)
        pick = 0
        for _ in range(round_index + 1):
            pick = max(range(len(weights)), key=lambda index: (weights[index] / (served[index] + 1), -index))
            served[pick] += 1
        return self.clusters[pick]

    async def _minibatch(self, parent_key: str, cluster: Cluster, round_index: int) -> tuple[Case, ...]:
        """Cases of the cluster with guards that the parent passes; what the parent has not run yet is run now."""
        draw = generator(self.run.seed, "minibatch", self.agent.name, round_index)
        by_key = {case.key: case for case in self.train}
        members = sorted({case_of(key) for key in cluster.members} & by_key.keys())
        failing = draw.sample(members, min(FAILING_IN_MINIBATCH, len(members)))
        parent = self.trials[parent_key]
        passing = sorted(key for key, trial in parent.items() if not failures_of(trial) and key not in failing)
        guards = draw.sample(passing, min(MINIBATCH - len(failing), len(passing)))
        batch = tuple(by_key[key] for key in (*failing, *guards))
        missing = [case for case in batch if case.key not in parent]
        plan = TrialPlan(phase=Phase.GENERATE, candidate=parent_key[:12])
        for trial in await self.run.bench.run(self.configs[parent_key], missing, plan):
            parent[trial.case.key] = trial
        return batch

    def _card(self, cluster: Cluster) -> ClusterCard:
        members = set(cluster.members)
        failures = [failure for failure in self.run.found.failures[self.agent.agent_id] if failure.key in members]
        return ClusterCard(
            signature=cluster.signature,
            label=cluster.label,
            size=max(1, len({failure.case_key for failure in failures})),
            share=min(1.0, cluster.share),
            severity="critical" if cluster.severity >= 0.95 else "major" if cluster.severity >= 0.5 else "minor",
            criteria=_most_common(failure.criterion for failure in failures),
            feedback=_most_common(failure.feedback for failure in failures)[:FEEDBACK_LINES],
        )

    def _shown(self, trial: Trial) -> ReflectionCase:
        evaluated: list[RuleEvaluation | DimensionEvaluation] = [*trial.rules, *trial.dimensions]
        criteria = tuple(
            CriterionFeedback(
                criterion=item.key,
                passed=bool(item.evaluation.passed),
                requirement=self.instructions.get(item.key, ""),
                feedback=item.evaluation.feedback,
            )
            for item in evaluated
            if item.evaluation.passed is not None
        )
        return ReflectionCase(
            input=trial.case.text,
            context=trial.case.context,
            output=trial.output,
            expected_output=trial.case.expected_output,
            score=self._composite(trial),
            is_passing=trial.status is TrialStatus.ANSWERED and all(item.passed for item in criteria),
            criteria=criteria,
        )


async def emit_dropped(run: Run, contender: Contender) -> None:
    """Say that a candidate is out, and why."""
    await run.emit(
        "candidate_dropped",
        f"Candidate {contender.position} is out ({contender.fate}): {contender.fate_detail}",
        subject=f"{contender.agent.agent_id}:{contender.candidate.key}",
        candidate=contender.candidate.key,
        fate=contender.fate,
    )


def _most_common(items: Iterable[str]) -> tuple[str, ...]:
    counts = Counter(items)
    return tuple(sorted(counts, key=lambda item: (-counts[item], item)))
