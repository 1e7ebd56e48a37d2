"""The search for one agent: what was tried, how it did on training cases, and the one way in which a candidate is let in."""

from collections import Counter
from collections.abc import Iterable, Sequence

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.changesets.clusters.clustering import Cluster
from spectral_platform.core.randomness import generator
from spectral_platform.evaluations.scoring import DimensionEvaluation, RuleEvaluation
from spectral_platform.optimizers.edits import Candidate, config_key
from spectral_platform.optimizers.reflection import ClusterCard, CriterionFeedback, ReflectionCase, TriedEdit
from spectral_platform.scans.cases import Case
from spectral_platform.scans.pairing import pair, screen
from spectral_platform.scans.quoting import PROBE_CASES
from spectral_platform.scans.run import Contender, Run, emit_dropped
from spectral_platform.scans.settings import PinnedAgent
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Trial, TrialPlan, TrialStatus
from spectral_platform.worlds.splits import Split

FEEDBACK_LINES = 5


class Search:
    """What is known of one agent and its candidates, from training cases alone."""

    def __init__(self, run: Run, agent: PinnedAgent, tried: Iterable[TriedEdit] = ()) -> None:
        self.run = run
        self.agent = agent
        self.base = run.material.configs[agent.agent_id]
        self.base_key = config_key(self.base)
        self.clusters = run.found.clusters[agent.agent_id]
        self.train = run.material.book.select(Split.TRAIN)
        baseline = run.baseline_trials(agent, self.train)
        self.trials: dict[str, dict[str, Trial]] = {self.base_key: {trial.case.key: trial for trial in baseline}}
        self.configs: dict[str, AgentConfig] = {self.base_key: self.base}
        self.tried = list(tried)
        self.references = run.found.references[agent.agent_id]
        self.instructions = run.standard.instructions()
        self.answers = [trial.output for trial in baseline]
        self.answers += [case.expected_output for case in self.train if case.expected_output]
        samples = [case for case in self.train if case.kind == "sample"]
        chosen = generator(run.seed, "probe", agent.name).sample(samples, min(PROBE_CASES, len(samples)))
        self.probe = (*chosen, *(case for case in self.train if case.kind == "stimulus"))
        self._refused: set[str] = set()

    def contender(self, key: str) -> Contender | None:
        """The contender with this config."""
        found = (entry for entry in self.run.found.contenders if entry.agent == self.agent and entry.candidate.key == key)
        return next(found, None)

    async def admit(self, candidate: Candidate, batch: Sequence[Case] = (), *, against: Sequence[str] = ()) -> bool:
        """Let a new candidate into the race, if on the batch it does better than its parent; without a batch there is no screen.

        ``against`` are the keys of the configs to do better than, where that is not the parent alone.
        """
        run = self.run
        if candidate.key in self.configs:
            return False
        contender = self.record(candidate, "proposed", "Not raced yet.")
        self.configs[candidate.key] = candidate.config
        plan = TrialPlan(phase=Phase.GENERATE, candidate=candidate.key[:12], agent_id=self.agent.agent_id)
        if batch:
            trials = await run.bench.run(candidate.config, batch, plan)
            for rival in against or (candidate.parent_key,):
                before, after = screen([self.trials[rival][case.key] for case in batch], trials, run.standard, self.references)
                if after <= before:
                    detail = f"On its minibatch it scores {after:.2f}, its parent {before:.2f}."
                    self._drop(contender, "no_gain", detail, outcome="no gain on its minibatch")
                    return False
            contender.train.update({trial.case.key: trial for trial in trials})
        probed = await run.bench.run(candidate.config, self.probe, plan)
        contender.train.update({trial.case.key: trial for trial in probed})
        if self._breaks_critical_rules(contender.train):
            self.tried.append(TriedEdit(rationale=candidate.rationale, outcome="harm: it newly breaks critical rules"))
        else:
            self.tried.append(TriedEdit(rationale=candidate.rationale, outcome="kept"))
            self.trials[candidate.key] = dict(contender.train)
        return True

    def refuse(self, candidate: Candidate, problems: Sequence[str]) -> None:
        """Note a proposal that is not worth a call; the same one is noted once."""
        reason = " ".join(problems)
        if candidate.key not in self.configs and candidate.key not in self._refused:
            self._refused.add(candidate.key)
            self.record(candidate, "invalid", reason)
        self.tried.append(TriedEdit(rationale=candidate.rationale, outcome=f"invalid: {reason}"))

    def record(self, candidate: Candidate, fate: str, detail: str) -> Contender:
        """Add a candidate to those that the scan tells of."""
        contender = Contender(
            agent=self.agent,
            candidate=candidate,
            position=len(self.run.found.contenders) + 1,
            fate=fate,
            fate_detail=detail,
        )
        self.run.found.contenders.append(contender)
        self.run.emit(
            "candidate_proposed",
            f"Candidate {contender.position}: {candidate.rationale}",
            subject=f"{self.agent.agent_id}:{candidate.key}",
            candidate=candidate.key,
            strategy=candidate.strategy,
            component=candidate.component,
            cluster_signature=candidate.cluster_signature,
        )
        if not contender.is_alive:
            emit_dropped(self.run, contender)
        return contender

    async def run_missing(self, key: str, cases: Iterable[Case]) -> dict[str, Trial]:
        """The trials of a config that is built upon, with the cases run that it has not been run on."""
        known = self.trials[key]
        missing = [case for case in cases if case.key not in known]
        plan = TrialPlan(phase=Phase.GENERATE, candidate=key[:12], agent_id=self.agent.agent_id)
        for trial in await self.run.bench.run(self.configs[key], missing, plan):
            known[trial.case.key] = trial
        return known

    def pool_scores(self) -> dict[str, dict[str, float]]:
        """The composite of every config that may be built upon, by probe case."""
        return {key: {case.key: self.composite(trials[case.key]) for case in self.probe} for key, trials in self.trials.items()}

    def composite(self, trial: Trial) -> float:
        """What a trial is worth."""
        return trial.composite(self.run.standard, self.references)

    def card(self, cluster: Cluster) -> ClusterCard:
        """A cluster as a proposer is told of it."""
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

    def shown(self, trial: Trial) -> ReflectionCase:
        """A trial as a proposer is shown it."""
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
            score=self.composite(trial),
            is_passing=trial.status is TrialStatus.ANSWERED and all(item.passed for item in criteria),
            criteria=criteria,
        )

    def _drop(self, contender: Contender, fate: str, detail: str, *, outcome: str) -> None:
        contender.drop(fate, detail)
        self.tried.append(TriedEdit(rationale=contender.candidate.rationale, outcome=outcome))
        emit_dropped(self.run, contender)

    def _breaks_critical_rules(self, trials: dict[str, Trial]) -> bool:
        """Whether training cases show harm; then it still races, but nothing is built on it."""
        baseline = [self.trials[self.base_key][key] for key in trials]
        pairs = pair(baseline, trials.values(), self.run.standard, self.references)
        return pairs.critical_worsened > pairs.critical_mended


def _most_common(items: Iterable[str]) -> tuple[str, ...]:
    counts = Counter(items)
    return tuple(sorted(counts, key=lambda item: (-counts[item], item)))
