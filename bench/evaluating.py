"""Asking, answering and evaluating alone, in memory: what of an evaluation is the simulator's own, and what the engine's."""

import asyncio
import functools
import math
import time
from dataclasses import dataclass
from decimal import Decimal

from spectral_platform.demo import content
from spectral_platform.demo.commands import MODELS
from spectral_platform.llm.calling import ModelCaller
from spectral_platform.llm.messages import ModelAnswer, ModelRequest
from spectral_platform.llm.providers.catalogue import Providers
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.purse import Purse
from spectral_platform.scans.cases import Case, fresh_stimuli
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Bench, TrialPlan
from spectral_platform.worlds.rules import DEFAULT_WORLD, load_world
from spectral_platform.worlds.splits import Split

REPEATS = 5
ASKED = {"input", "context", "expected_output"}


class TimedSimulator(SimulatorProvider):
    """The simulator, which notes how much of the processor it takes."""

    cpu_s = 0.0

    def answer(self, request: ModelRequest) -> ModelAnswer:
        """Answer as it does."""
        begun = time.process_time()
        try:
            return super().answer(request)
        finally:
            self.cpu_s += time.process_time() - begun


@dataclass(frozen=True)
class Evaluated:
    """Evaluations in memory: how many, with how many calls, and what of the processor they and the simulator alone took."""

    cpu_s: float
    simulated_s: float
    evaluations: int
    calls: int


@functools.cache
def evaluated_in_memory() -> Evaluated:
    """Asking, answering and evaluating alone, the quickest time of several: what of an evaluation is the simulator's own."""
    standard = Standard(load_world(DEFAULT_WORLD), content.rubric_dimensions(), content.objective_terms(), ())
    cases = [
        Case(key=str(number), kind="sample", split=Split.DEV, content_group=str(number), **sample.model_dump(include=ASKED))
        for number, sample in enumerate(content.load_samples())
    ] + list(fresh_stimuli(standard.world, 1, Split.DEV))
    measured = []
    for _ in range(REPEATS):
        simulator = TimedSimulator()
        purse = Purse(max_usd=Decimal(1000), max_calls=100_000)
        caller = ModelCaller(Providers(simulator, None), purse, known={}, concurrency=64)
        bench = Bench(caller, standard, judge_model=MODELS[Purpose.SCORING], seed=1, deadline=math.inf)
        begun = time.process_time()
        asyncio.run(bench.run(content.agent_config(), cases, TrialPlan(phase=Phase.EVALUATE, candidate="")))
        measured.append(Evaluated(time.process_time() - begun, simulator.cpu_s, len(cases), purse.calls))
    return min(measured, key=lambda each: each.cpu_s)
