"""gepa: the package's search on training cases, its every call made by this scan's caller, cache, budget and clock."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.changesets.clusters.clustering import Cluster
from spectral_platform.core.randomness import derive
from spectral_platform.optimizers.edits import (
    Candidate,
    Component,
    Edit,
    Strategy,
    apply_edit,
    component_text,
    config_key,
    text_components,
)
from spectral_platform.optimizers.errors import ProposalUnreadable
from spectral_platform.optimizers.gepa_engine import EngineStopped, Texts, run_gepa
from spectral_platform.optimizers.reflection import TriedEdit
from spectral_platform.scans.failures import case_of, failures_of
from spectral_platform.scans.quoting import MINIBATCH, proposals_for
from spectral_platform.scans.searching.search import Search
from spectral_platform.scans.searching.texts import propose_text
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import SEED_BITS, TrialPlan

T = TypeVar("T")


async def search_gepa(search: Search, slots: int) -> None:
    """Let the package search until so many candidates race or it has made as many proposals as the native search would."""
    engine = _Engine(search, slots)
    thread = asyncio.ensure_future(asyncio.to_thread(engine.run))
    try:
        await asyncio.shield(thread)
    except ProposalUnreadable as error:
        search.run.found.proposer_errors += 1
        search.run.emit("proposal_failed", str(error), subject=f"{search.agent.agent_id}:gepa", level="warning")
    finally:
        engine.stop()
        await asyncio.wait({thread})
    if engine.ending is not None:
        raise engine.ending
    engine.note_rejected()


class _Engine:
    """The library's thread on one side, this scan's event loop on the other."""

    def __init__(self, search: Search, slots: int) -> None:
        self.ending: BaseException | None = None
        """What ended the search from within: a spent budget, a lost scan."""
        self._search = search
        self._slots = slots
        self._loop = asyncio.get_running_loop()
        self._asked: concurrent.futures.Future[Any] | None = None
        self._stopped = threading.Event()
        self._cases = {case.key: case for case in search.train}
        baseline = search.trials[search.base_key]
        self._failing = [key for key in self._cases if failures_of(baseline[key])]
        """What there is something to learn from."""
        self._probe = [case.key for case in search.probe]
        self._proposed: dict[str, Candidate] = {}
        self._admitted = self._attempts = 0

    def run(self) -> None:
        """Search, in the thread."""
        base, proposals = self._search.base, proposals_for(self._slots)
        run_gepa(
            {component.value: component_text(base, component) for component in text_components(base)},
            learn_from=self._failing or list(self._cases),
            compare_on=self._probe,
            evaluate=lambda keys, texts: self._ask(self._evaluate(keys, texts)),
            propose=lambda texts, component, keys: self._ask(self._propose(texts, Component(component), keys)),
            minibatch=MINIBATCH,
            max_runs=(self._slots + 1) * len(self._probe) + 2 * proposals * MINIBATCH,
            max_iterations=proposals,
            seed=derive(self._search.run.seed, "gepa", self._search.agent.name) % 2**SEED_BITS,
        )

    def stop(self) -> None:
        """End the search, whatever it waits for."""
        self._stopped.set()
        if self._asked is not None:
            self._asked.cancel()

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Have the event loop answer, and wait for it in the thread."""
        if self._stopped.is_set() or self._admitted >= self._slots:
            question.close()
            raise EngineStopped
        self._asked = asyncio.run_coroutine_threadsafe(question, self._loop)
        if self._stopped.is_set():  # it was stopped just now
            self._asked.cancel()
        try:
            failure = self._asked.exception()
        except concurrent.futures.CancelledError as cancelled:
            raise EngineStopped from cancelled
        if failure is not None:  # the loop's own, to be raised there
            self.ending = failure
            raise EngineStopped from failure
        answer: T = self._asked.result()
        return answer

    def note_rejected(self) -> None:
        """Note what the library proposed and did not keep, so that it is told of, and not proposed again."""
        for candidate in self._proposed.values():
            self._search.configs[candidate.key] = candidate.config
            self._search.record(candidate, "no_gain", "On its minibatch it does no better than its parent.")
            self._search.tried.append(TriedEdit(rationale=candidate.rationale, outcome="no gain on its minibatch"))
        self._proposed.clear()

    async def _evaluate(self, keys: Sequence[str], texts: Texts) -> list[float]:
        search, config = self._search, _config(self._search.base, texts)
        key = config_key(config)
        if list(keys) == self._probe and key in self._proposed:
            self._admitted += await search.admit(self._proposed.pop(key))
        known = search.trials.get(key, {})
        missing = [self._cases[case] for case in keys if case not in known]
        plan = TrialPlan(phase=Phase.GENERATE, candidate=key[:12], agent_id=search.agent.agent_id)
        trials = await search.run.bench.run(config, missing, plan)
        by_case = {**known, **{trial.case.key: trial for trial in trials}}
        return [search.composite(by_case[case]) for case in keys]

    async def _propose(self, texts: Texts, component: Component, keys: Sequence[str]) -> str:
        search, parent = self._search, _config(self._search.base, texts)
        parent_key, attempt = config_key(parent), self._attempts
        self.note_rejected()
        self._attempts += 1
        if parent_key not in search.trials:  # it newly breaks critical rules, so nothing is built on it
            return texts[component.value]
        trials = await search.run_missing(parent_key, [self._cases[key] for key in keys])
        candidate = await propose_text(
            search,
            parent_key,
            component=component,
            cluster=self._cluster(keys),
            cases=[search.shown(trials[key]) for key in keys],
            attempt=attempt,
            strategy=Strategy.GEPA,
        )
        if candidate is None:
            return texts[component.value]
        if candidate.component is not component:  # the library would run the old text and take it for the new one
            search.refuse(candidate, [f"Not the {component} was written anew, but the {candidate.component}."])
            return texts[component.value]
        self._proposed[candidate.key] = candidate
        return component_text(candidate.config, component)

    def _cluster(self, keys: Sequence[str]) -> Cluster | None:
        """The failure cluster that most of these cases are of."""
        shared = {
            cluster.signature: len({case_of(member) for member in cluster.members} & set(keys))
            for cluster in self._search.clusters
        }
        best = max(self._search.clusters, key=lambda cluster: shared[cluster.signature], default=None)
        return best if best is not None and shared[best.signature] else None


def _config(base: AgentConfig, texts: Texts) -> AgentConfig:
    """The base with these texts."""
    config = base
    for component in text_components(base):
        text = texts[component.value]
        if text != component_text(config, component):
            config = apply_edit(config, Edit(component=component, text=text, rationale="gepa"))
    return config
