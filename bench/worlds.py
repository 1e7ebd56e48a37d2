"""Whole scans in worlds whose truth is known. Run it with: uv run python -m bench.worlds [--scans N]

Every scan goes through the product's own phases, from observing the baseline over clusters, search and race to the looks at the
holdout and the verdict; only agent and proposer are played (``bench.playing``), and nothing is stored. Beside each verdict stands
what peers would do with the same candidates: accept the best on dev, or let the holdout decide by its mean, by a t-test, or by
the bound alone. Truth is computed from the chances that the world gives each behaviour.
"""

import argparse
import asyncio
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from statistics import fmean
from uuid import UUID

import numpy as np

from bench.gates import t_accepts
from bench.machine import Report
from bench.playing import AGENT, BEHAVIOURS, PROPOSER, RUBRIC, RULES, TESTED, Player, World, edits_in
from bench.simulating import Judge, allowed, simulate
from spectral_platform.agents.configuration import AgentConfig, Hyperparameters, PromptTemplate
from spectral_platform.changesets.states import Outcome
from spectral_platform.core.database import Database, Question
from spectral_platform.core.randomness import derive
from spectral_platform.evaluations.dimensions import Dimension, normalize_weights
from spectral_platform.llm.calling import ModelCaller
from spectral_platform.llm.ledger import Ledger, Tenant
from spectral_platform.llm.providers.catalogue import Providers
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.purse import Purse
from spectral_platform.scans.cases import Case, CaseBook, fresh_stimuli
from spectral_platform.scans.pairing import pair
from spectral_platform.scans.phases.cluster import cluster
from spectral_platform.scans.phases.detect import find_failures
from spectral_platform.scans.phases.evaluate import race
from spectral_platform.scans.phases.generate import generate
from spectral_platform.scans.phases.observe import observe
from spectral_platform.scans.phases.safety import reach_verdict
from spectral_platform.scans.quoting import Quote, Readiness
from spectral_platform.scans.run import BASELINE, Contender, Material, Run
from spectral_platform.scans.settings import Budget, PinnedAgent, ResolvedSettings, SearchStrategy
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Bench, TrialPlan
from spectral_platform.scans.unsealing import judge_on_holdout
from spectral_platform.statistics.bounds import gaffke_lower_bound
from spectral_platform.workspaces.policies.autonomy import RIGOR, AutonomyMode
from spectral_platform.worlds.rules import (
    AppliesTo,
    Provenance,
    Rule,
    RuleStatus,
    Severity,
    SlotValue,
    StimulusGenerator,
    WorldModel,
)
from spectral_platform.worlds.splits import Split

CASES = {Split.TRAIN: 80, Split.DEV: 40, Split.HOLDOUT: 80}
CANDIDATES = 8
ALPHA = RIGOR[AutonomyMode.MANUAL].alpha
ANYTHING = 0.003
"""A true change of the composite below this is none."""
HARM = -0.03
"""A true change of the domain's authority below this is harm."""
STANDARD_WEIGHT = 10
NOBODY = UUID(int=0)
BASE = {**dict.fromkeys(RUBRIC, 0.45), **dict.fromkeys(RULES, 0.8), TESTED: 0.8}

WORLDS = (
    World("responsive: every edit helps", BASE, edit={**dict.fromkeys(RUBRIC, 0.5), **dict.fromkeys((*RULES, TESTED), 0.15)}),
    World("deaf: no edit does anything", BASE),
    World("weak: traps and crumbs, nothing on average", BASE, edit=dict.fromkeys(BEHAVIOURS, -0.002), spread=0.02),
    World(
        "goodhart: rubric +52 points, domain -17",
        {**BASE, **dict.fromkeys(RUBRIC, 0.4)},
        edit={**dict.fromkeys(RUBRIC, 0.52), **dict.fromkeys((*RULES, TESTED), -0.17)},
    ),
    World("memory, holdout sealed", BASE, remembered=0.4),
    World("memory, 10 % of the holdout leaked", BASE, remembered=0.4, leaked=0.10),
    World("memory, 25 % leaked", BASE, remembered=0.4, leaked=0.25),
    World("memory, 50 % leaked", BASE, remembered=0.4, leaked=0.50),
    World("memory, all of it leaked", BASE, remembered=0.4, leaked=1.0),
)


class UnstoredRun(Run):
    """A scan that keeps what it finds to itself."""

    def write(self, *questions: Question) -> None:
        """Nobody listens, and nobody reads it."""


def standard() -> Standard:
    """Both authorities, which look for the marks of a behaviour each."""
    provenance = Provenance(tier="distilled", source="bench", reference="bench.worlds")
    rules = [
        Rule(
            key=behaviour,
            text=f"Be {behaviour}.",
            status=RuleStatus.ENSHRINED,
            severity=Severity.MAJOR,
            provenance=provenance,
            applies_to=AppliesTo.OWN_STIMULI if behaviour == TESTED else AppliesTo.EVERY_ANSWER,
            evaluator={"kind": "contains", "value": f"{behaviour}:yes"},
            generator=_stimuli() if behaviour == TESTED else None,
        )
        for behaviour in (*RULES, TESTED)
    ]
    dimensions = [
        Dimension.model_validate(
            {
                "key": behaviour,
                "name": behaviour,
                "description": f"Be {behaviour}.",
                "weight": 1,
                "evaluator": {"kind": "contains", "value": f"{behaviour}:yes"},
            }
        )
        for behaviour in RUBRIC
    ]
    world = WorldModel(name="bench", version="1.0.0", title="Bench", domain="bench", description="Bench.", rules=tuple(rules))
    return Standard(world=world, dimensions=normalize_weights(tuple(dimensions)), terms=(), constraints=())


def _stimuli() -> StimulusGenerator:
    def values(of: str) -> tuple[SlotValue, ...]:
        return tuple(SlotValue(text=f"{of} {number}") for number in range(60))

    return StimulusGenerator(
        templates=("Tell {{person}} about {{matter}}.",), slots={"person": values("person"), "matter": values("matter")}
    )


def cases(seed: int, split: Split) -> tuple[Case, ...]:
    """The samples of a split, other ones for every scan."""
    word = "sealed" if split is Split.HOLDOUT else "open"
    found = [
        Case(
            key=f"{derive(seed, split, number):016x}",
            kind="sample",
            split=split,
            content_group=f"{split}-{number}",
            input=f"{word} question {derive(seed, split, number)}",
        )
        for number in range(CASES[split])
    ]
    return tuple(sorted(found, key=lambda case: case.key))


def sealed_stimuli(world: WorldModel, seed: int) -> tuple[Case, ...]:
    """The stimuli of the holdout; nobody can learn them by heart, because every seed makes others."""
    return fresh_stimuli(world, seed, Split.HOLDOUT)


def make_run(world: World, seed: int) -> UnstoredRun:
    """A scan in this world, before its first phase."""
    agent = PinnedAgent(agent_id=NOBODY, name="agent", base_version=1)
    held_to = standard()
    player = Player(world, seed)
    caller = ModelCaller(
        Providers(SimulatorProvider(), player), Purse(max_usd=Decimal(1_000), max_calls=1_000_000), known={}, concurrency=64
    )
    now = datetime.now(UTC)
    settings = ResolvedSettings(
        agents=(agent,),
        world_model=held_to.world.reference,
        rubric_id=NOBODY,
        rubric_version=1,
        objective_id=None,
        objective_version=None,
        terms=(),
        constraints=(),
        sample_set_id=None,
        sample_set_version_id=None,
        trace_since=now,
        trace_until=now,
        budget=Budget(),
        max_candidates=CANDIDATES,
        strategies=(SearchStrategy.REFLECTIVE,),
        explore=False,
        seed=seed,
        is_seed_given=True,
        models={Purpose.REASONING: PROPOSER},
    )
    book = (*cases(seed, Split.TRAIN), *cases(seed, Split.DEV))
    stimuli = (*fresh_stimuli(held_to.world, seed, Split.TRAIN), *fresh_stimuli(held_to.world, seed, Split.DEV))
    config = AgentConfig(
        template=PromptTemplate(base_prompt="You answer questions."),
        hyperparameters=Hyperparameters(model=AGENT, temperature=0.7, max_output_tokens=100),
    )
    database, tenant = Database("postgresql://nowhere/nothing"), Tenant(NOBODY, NOBODY, NOBODY, 1)  # neither is ever reached
    return UnstoredRun(
        database=database,
        tenant=tenant,
        settings=settings,
        readiness=Readiness(
            mode="full",
            curation_samples_count=sum(CASES.values()),
            evalset_available=True,
            minimum_detectable_effect=None,
            noise=None,
            quote=Quote(max_candidates=CANDIDATES, max_usd=None, model_calls=1),
            warnings=(),
        ),
        simulated=False,
        material=Material(
            standard=held_to, book=CaseBook(cases=(*book, *stimuli)), sealed_groups=CASES[Split.HOLDOUT], configs={NOBODY: config}
        ),
        ledger=Ledger(database, tenant),
        caller=caller,
        bench=Bench(caller, held_to, judge_model=None, seed=seed, deadline=float("inf")),
    )


@dataclass(frozen=True)
class Truth:
    """What a prompt really changes, over all cases that there could be."""

    composite: float
    domain: float

    @property
    def is_bad(self) -> bool:
        """Whether it should not be accepted."""
        return self.composite <= ANYTHING or self.domain < HARM


def truth_of(world: World, config: AgentConfig, seed: int) -> Truth:
    """The truth about a candidate. What it knows by heart is worth nothing: nobody asks that again."""
    edits = edits_in(config.template.base_prompt)
    change = {
        behaviour: world.chance(edits, behaviour, seed=seed) - world.chance((), behaviour, seed=seed) for behaviour in BEHAVIOURS
    }
    on_samples = fmean(change[rule] for rule in RULES)
    on_stimuli = (STANDARD_WEIGHT * change[TESTED] + sum(change[rule] for rule in RULES)) / (STANDARD_WEIGHT + len(RULES))
    rubric = fmean(change[dimension] for dimension in RUBRIC)
    return Truth(composite=(on_samples + rubric) / 2, domain=(on_samples + on_stimuli) / 2)


def scan(world: World, number: int) -> tuple[float, ...]:
    """One scan: for every rule whether it accepts something, whether that is bad, and the verdict's four outcomes."""
    return asyncio.run(_scan(world, derive(world.name, number) % 2**31))


async def _scan(world: World, seed: int) -> tuple[float, ...]:
    run = make_run(world, seed)
    sealed = CaseBook(cases=(*cases(seed, Split.HOLDOUT), *sealed_stimuli(run.standard.world, seed)))
    run.enter(Phase.OBSERVE)
    await observe(run)
    run.enter(Phase.DETECT)
    find_failures(run)
    run.enter(Phase.CLUSTER)
    await cluster(run)
    run.enter(Phase.GENERATE)
    await generate(run)
    run.enter(Phase.EVALUATE)
    survivors = [contender for contender in run.found.contenders if contender.is_alive]
    await race(run)
    if run.found.finalist is not None:
        await judge_on_holdout(run, run.found.finalist, sealed)
    verdict = reach_verdict(run)
    ours = verdict.outcome is Outcome.IMPROVE
    finalist = run.found.finalist
    bad = ours and finalist is not None and truth_of(world, finalist.candidate.config, seed).is_bad
    outcomes = [float(verdict.outcome is outcome) for outcome in Outcome]
    peers = await _peers(run, survivors, sealed, world, seed)
    return (*peers, float(ours), float(bad), *outcomes)


async def _peers(run: Run, survivors: list[Contender], sealed: CaseBook, world: World, seed: int) -> tuple[float, ...]:
    """Accepted, and accepted though bad, by: best on dev; on the holdout the better mean, a t-test, the bound by itself."""
    dev = run.material.book.select(Split.DEV)
    best, gain = None, 0.0
    for contender in survivors:
        differences = await _differences(run, contender, dev, BASELINE, contender.candidate.key[:12])
        if fmean(differences) > gain:
            best, gain = contender, fmean(differences)
    if best is None:
        return (0.0,) * 8
    bad = truth_of(world, best.candidate.config, seed).is_bad
    found = np.array(await _differences(run, best, sealed.cases, BASELINE, best.candidate.key[:12], is_verdict=True))
    lower = gaffke_lower_bound(found.tolist(), ALPHA)
    accepts = (True, bool(found.mean() > 0), t_accepts(found, ALPHA), lower > 0)
    return tuple(float(value) for accepted in accepts for value in (accepted, accepted and bad))


async def _differences(
    run: Run, contender: Contender, on: Iterable[Case], baseline: str, candidate: str, *, is_verdict: bool = False
) -> list[float]:
    """Paired differences of the composite on these cases; what was asked before is not asked again."""
    arms = [
        await run.bench.run(config, tuple(on), TrialPlan(phase=Phase.EVALUATE, candidate=name, is_verdict=is_verdict))
        for config, name in ((run.material.configs[NOBODY], baseline), (contender.candidate.config, candidate))
    ]
    return list(pair(arms[0], arms[1], run.standard, run.found.references[NOBODY]).composite)


def main() -> None:
    """Print the tables; exit with 1 when a figure is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=200, help="scans in each world")
    parser.add_argument("--processes", type=int, default=None, help="how many scans run at a time; by default one a processor")
    options = parser.parse_args()
    judge = Judge()
    report = Report(
        "accepted / accepted though bad", "best on dev", "better mean on holdout", "t-test", "bound alone", "Spectral", "holds"
    )
    verdicts = Report("verdicts", *(outcome.value for outcome in Outcome))
    with ProcessPoolExecutor(options.processes) as pool:
        for world in WORLDS:
            found = simulate(pool, partial(scan, world), options.scans)
            rules = [f"{found[index]:.2f} / {found[index + 1]:.2f}" for index in range(0, 10, 2)]
            is_sealed = world.leaked == 0
            is_right = found[9] <= allowed(ALPHA, options.scans) if is_sealed else True
            if world is WORLDS[0]:
                is_right = bool(is_right and found[8] >= 0.9)
            report.add(world.name, *rules, judge.check(world.name, bool(is_right)) if is_sealed else "what the seal is for")
            verdicts.add(world.name, *(f"{share:.2f}" for share in found[10:]))
    report.print()
    verdicts.print()
    sizes = ", ".join(f"{count} {split}" for split, count in CASES.items())
    print(
        f"{options.scans} scans of each world; {sizes} cases and the stimuli of a scan; {CANDIDATES} candidates; level {ALPHA}."
    )
    for failure in judge.failures:
        print(f"not as it must be: {failure}")
    raise SystemExit(1 if judge.failures else 0)


if __name__ == "__main__":
    main()
