"""How often the search finds a gain that is there. Run it with: uv run python -m bench.search [--seeds N] [--world NAME]

The scan's own phases run in memory on the simulator: the baseline, the failures, the clusters, ``generate`` and the race. Then
baseline and finalist run on fresh repeats of the sealed cases, which the search has not seen: what the finalist is really worth.
No gate decides here; the gates' own bench is ``bench.gates``.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean
from uuid import UUID

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.core.database import Database, Question
from spectral_platform.demo import content
from spectral_platform.evaluations.scoring import reference_measures
from spectral_platform.llm.calling import ModelCaller
from spectral_platform.llm.ledger import Ledger, Tenant
from spectral_platform.llm.providers.catalogue import Providers
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.purse import Purse
from spectral_platform.scans.cases import Case, CaseBook, fresh_stimuli
from spectral_platform.scans.failures import failures_of
from spectral_platform.scans.pairing import pair
from spectral_platform.scans.phases.cluster import cluster
from spectral_platform.scans.phases.generate import generate
from spectral_platform.scans.quoting import Quote, Readiness
from spectral_platform.scans.racing import Race
from spectral_platform.scans.run import BASELINE, Contender, Material, Run
from spectral_platform.scans.settings import Budget, PinnedAgent, ResolvedSettings, SearchStrategy
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Bench, TrialPlan
from spectral_platform.worlds.rules import load_world
from spectral_platform.worlds.splits import Split, choose_split

WORLD_MODEL = "customer-support@1.0.0"
FIRST_SEED = 20251101
CALLS = 20_000
TRUTH_REPEATS = 2
FOUND = 0.05
"""A gain of so much is one worth finding."""
AGENT = PinnedAgent(agent_id=UUID(int=1), name="agent", base_version=1)
SAID_ALREADY = (
    "Name the source of every answer: the id of the article, in square brackets.",
    "Close with the next step that the customer can take, introduced by these very words.",
    "Answer the customer's question directly and completely, with all amounts, deadlines and conditions.",
)


@dataclass(frozen=True)
class Setting:
    """An agent with a gain that can be found, and how it is searched for."""

    name: str
    config: AgentConfig
    strategies: tuple[SearchStrategy, ...]
    candidates: int


@dataclass(frozen=True)
class Found:
    """What one search came to."""

    gain: float
    """The finalist's true gain; 0 without a finalist."""
    calls: int
    seconds: float
    fates: Counter[str]
    strategy: str


class MemoryRun(Run):
    """A run of the phases whose events and documents nobody keeps."""

    def write(self, *questions: Question) -> None:
        """Nobody follows, and nobody reads."""


def settings() -> tuple[Setting, ...]:
    """The agents that are searched."""
    plain = content.agent_config()
    prompt = "\n".join((plain.template.base_prompt, *(f"- {line}" for line in SAID_ALREADY)))
    advanced = plain.model_copy(update={"template": plain.template.model_copy(update={"base_prompt": prompt})})
    hot = advanced.model_copy(update={"hyperparameters": advanced.hyperparameters.model_copy(update={"temperature": 1.6})})
    text = (SearchStrategy.REFLECTIVE,)
    both = (SearchStrategy.REFLECTIVE, SearchStrategy.ARMS)
    return (
        Setting("a bare prompt", plain, text, 8),
        Setting("a bare prompt, 4 candidates", plain, text, 4),
        Setting("a good prompt", advanced, text, 8),
        Setting("a good prompt, run too hot", hot, both, 8),
    )


def make_cases(seed: int) -> CaseBook:
    """The demo's samples under splits of this seed's own, and fresh stimuli."""
    key = seed.to_bytes(32)
    samples = tuple(
        Case(
            key=f"{index:04}",
            kind="sample",
            split=choose_split(key, str(index)),
            content_group=str(index),
            input=sample.input_text,
            context=sample.context,
            expected_output=sample.expected_output,
            metadata=sample.metadata,
            tags=tuple(sample.tags),
        )
        for index, sample in enumerate(content.load_samples())
    )
    stimuli = [case for split in Split for case in fresh_stimuli(load_world(WORLD_MODEL), seed, split)]
    return CaseBook(cases=(*samples, *stimuli))


def open_run(setting: Setting, seed: int) -> tuple[MemoryRun, Purse]:
    """A scan of the setting that is about to begin."""
    purse = Purse(max_usd=Decimal(1_000), max_calls=CALLS)
    caller = ModelCaller(Providers(SimulatorProvider(), None), purse, known={}, concurrency=64)
    terms = tuple(content.objective_terms())
    standard = Standard(world=load_world(WORLD_MODEL), dimensions=tuple(content.rubric_dimensions()), terms=terms, constraints=())
    nobody = Tenant(UUID(int=0), UUID(int=0), UUID(int=0), 1)
    database: Database = None  # type: ignore[assignment]  # nothing is kept
    resolved = ResolvedSettings.model_validate(
        {
            "agents": (AGENT,),
            "world_model": WORLD_MODEL,
            "rubric_id": UUID(int=2),
            "rubric_version": 1,
            "objective_id": None,
            "objective_version": None,
            "terms": terms,
            "constraints": (),
            "sample_set_id": None,
            "sample_set_version_id": None,
            "trace_since": "2026-01-01T00:00:00Z",
            "trace_until": "2026-01-02T00:00:00Z",
            "budget": Budget(max_usd=Decimal(1_000), max_model_calls=CALLS),
            "max_candidates": setting.candidates,
            "strategies": setting.strategies,
            "explore": False,
            "seed": seed,
            "is_seed_given": True,
            "models": {Purpose.SCORING: "sim/judge", Purpose.REASONING: "sim/proposer"},
        }
    )
    run = MemoryRun(
        database=database,
        tenant=nobody,
        settings=resolved,
        readiness=Readiness(
            mode="full",
            curation_samples_count=0,
            evalset_available=True,
            minimum_detectable_effect=None,
            noise=None,
            quote=Quote(max_candidates=setting.candidates, max_usd=None, model_calls=0),
            warnings=(),
        ),
        simulated=True,
        material=Material(standard=standard, book=make_cases(seed), sealed_groups=0, configs={AGENT.agent_id: setting.config}),
        ledger=Ledger(database, nobody),
        caller=caller,
        bench=Bench(caller, standard, judge_model="sim/judge", seed=seed, deadline=time.monotonic() + 3_600),
    )
    return run, purse


async def search(setting: Setting, seed: int) -> Found:
    """One search, and what its finalist is worth."""
    began = time.perf_counter()
    run, purse = open_run(setting, seed)
    book, found = run.material.book, run.found
    cases = (*book.select(Split.TRAIN), *book.select(Split.DEV))
    trials = await run.bench.run(setting.config, cases, TrialPlan(phase=Phase.OBSERVE, candidate=BASELINE))
    found.baseline[AGENT.agent_id] = {trial.case.key: trial for trial in trials}
    found.references[AGENT.agent_id] = reference_measures(trial.measures for trial in trials)
    train = run.baseline_trials(AGENT, book.select(Split.TRAIN))
    found.failures[AGENT.agent_id] = [failure for trial in train for failure in failures_of(trial)]
    await cluster(run)
    before = purse.calls
    await generate(run)
    race = Race(run)
    await race.run_blocks()
    race.choose()
    calls = purse.calls - before
    gain = await true_gain(run, found.finalist) if found.finalist else 0.0
    fates = Counter(contender.fate for contender in found.contenders)
    strategy = found.finalist.candidate.strategy.value if found.finalist else "-"
    return Found(gain, calls, time.perf_counter() - began, fates, strategy)


async def true_gain(run: Run, finalist: Contender) -> float:
    """The mean change of the composite on the sealed samples, in runs that nothing was chosen by."""
    cases = run.material.book.select(Split.HOLDOUT, "sample")
    before, after = [
        await run.bench.run(
            config, cases, TrialPlan(phase=Phase.EVALUATE, candidate=name, first_repeat=10, repeats=TRUTH_REPEATS)
        )
        for name, config in ((BASELINE, run.material.configs[AGENT.agent_id]), ("finalist", finalist.candidate.config))
    ]
    return fmean(pair(before, after, run.standard, run.found.references[AGENT.agent_id]).composite)


def describe(setting: Setting, found: Sequence[Found]) -> str:
    """A line of the table."""
    fates = sum((each.fates for each in found), Counter[str]())
    gains = [each.gain for each in found]
    return (
        f"{setting.name:28} found {sum(gain >= FOUND for gain in gains):3}/{len(found)}"
        f"  gain {fmean(gains):+.3f} (least {min(gains):+.3f})"
        f"  worse {sum(gain < 0 for gain in gains):2}"
        f"  calls {fmean(each.calls for each in found):6.0f}  s {fmean(each.seconds for each in found):5.1f}"
        f"  {dict(fates.most_common())} by {dict(Counter(each.strategy for each in found))}"
    )


def main() -> None:
    """Search every setting with so many seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--world", default="")
    asked = parser.parse_args()
    for setting in settings():
        if asked.world in setting.name:
            found = [asyncio.run(search(setting, FIRST_SEED + number)) for number in range(asked.seeds)]
            print(describe(setting, found), flush=True)


if __name__ == "__main__":
    main()
