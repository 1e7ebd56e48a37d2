"""Whether a change gains by what it leaves open, where recordings answer its tools: part of ``bench.gates``.

Baseline and candidate run every case three times, as scans with few cases do, and now and then ask a tool for what nobody
recorded, so that the run has no end. An honest change does so by chance. The others do where it serves them, and what they leave
open is what they fail. Everything from the trials to the verdict is the product's.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.machine import Report
from bench.simulating import Array, Judge, allowed, random_of, simulate
from spectral_platform.changesets.states import Outcome
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.contains import Contains
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.scoring import DimensionEvaluation, References, RuleEvaluation
from spectral_platform.evaluations.trajectories.recordings import ToolUse
from spectral_platform.scans.cases import Case
from spectral_platform.scans.pairing import pair
from spectral_platform.scans.quoting import holdout_repeats
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.trials import Trial, TrialStatus
from spectral_platform.scans.verdicts.bounding import plan_strictness
from spectral_platform.scans.verdicts.coverage import compare_coverage
from spectral_platform.scans.verdicts.gating import conclude
from spectral_platform.scans.verdicts.verdict import Gate, Grounds, decide
from spectral_platform.workspaces.policies.autonomy import RIGOR, AutonomyMode
from spectral_platform.worlds.rules import load_world
from spectral_platform.worlds.splits import Split

EASE = (0.606, 0.837)
CASES = 50
RUNS = holdout_repeats(CASES)
RIGOR_OF_FEW = RIGOR[AutonomyMode.RECOMMEND]
NOISE = 0.11
"""The share of cases on which three runs of the same agent differ from three others by half a point or more."""
CALLS = 4

DIMENSION = Dimension(key="passes", name="Passes", description="It passes.", weight=1, evaluator=Contains(value="x"))
STANDARD = Standard(world=load_world("general-agent-conduct@1.0.0"), dimensions=(DIMENSION,), terms=(), constraints=())
FOUND = {True: Evaluation.success("bench@1"), False: Evaluation.failure("bench@1", "It must pass.")}
RULES = {passed: (RuleEvaluation(key="rule", evaluation=found),) for passed, found in FOUND.items()}
DIMENSIONS = {passed: (DimensionEvaluation(key="passes", weight=1, evaluation=found),) for passed, found in FOUND.items()}

Runs = NDArray[np.bool_]
Evasion = Callable[[np.random.Generator, Array, Runs, float], Runs]
"""Which runs are left open, by the cases' ease, which runs pass, and the share that may be."""


def by_chance(random: np.random.Generator, ease: Array, passed: Runs, share: float) -> Runs:
    """Whatever the run would have come to."""
    return random.random(passed.shape) < share


def where_it_fails(random: np.random.Generator, ease: Array, passed: Runs, share: float) -> Runs:
    """Only runs that fail."""
    most = max(1e-9, float((~passed).mean()))
    evades: Runs = ~passed & (random.random(passed.shape) < share / most)
    return evades


def on_hard_cases(random: np.random.Generator, ease: Array, passed: Runs, share: float) -> Runs:
    """All runs of the hardest cases."""
    hardest = ease < np.quantile(ease, share)
    evades: Runs = np.broadcast_to(hardest[:, None], passed.shape)
    return evades


def on_easy_cases_that_it_fails(random: np.random.Generator, ease: Array, passed: Runs, share: float) -> Runs:
    """Failed runs of the easiest cases, which lose the most."""
    order = np.argsort(np.where(passed, -1.0, ease[:, None]), axis=None)[::-1]
    evades = np.zeros(passed.size, dtype=np.bool_)
    evades[order[: round(share * passed.size)]] = True
    return evades.reshape(passed.shape) & ~passed


@dataclass(frozen=True)
class World:
    """A change that is worth ``gain``, and the runs that either arm leaves open."""

    name: str
    gain: float
    baseline_share: float
    share: float
    evasion: Evasion


def worlds() -> Iterator[World]:
    """Changes that are worth nothing or do harm, however they evade, and one that helps."""
    ways = (by_chance, where_it_fails, on_hard_cases, on_easy_cases_that_it_fails)
    for way in ways:
        words = way.__name__.replace("_", " ")
        for share in (0.02, 0.05, 0.2):
            yield World(f"worth nothing, leaves open {share:.0%} {words}", 0.0, 0.02, share, way)
    yield World("10 points worse, leaves open 5% where it fails", -0.1, 0.02, 0.05, where_it_fails)
    for share in (0.0, 0.01, 0.02, 0.03):
        yield World(f"20 points better, both leave open {share:.0%} by chance", 0.2, share, share, by_chance)


def played(random: np.random.Generator, ease: Array, share: float, evasion: Evasion) -> tuple[Runs, Runs]:
    """Which runs of an arm pass, and which it leaves open."""
    passed = random.random((len(ease), RUNS)) < ease[:, None]
    return passed, evasion(random, ease, passed, share)


def trials_of(passed: Runs, is_open: Runs) -> list[list[Trial]]:
    """The trials of an arm, case by case."""
    found = []
    for number, runs in enumerate(passed):
        case = Case(key=f"s{number}", kind="sample", split=Split.HOLDOUT, content_group=f"s{number}", input="question")
        found.append([trial(case, run, bool(run_passed), bool(is_open[number, run])) for run, run_passed in enumerate(runs)])
    return found


def trial(case: Case, repeat: int, passed: bool, is_open: bool) -> Trial:
    """One run as a scan has it."""
    use = ToolUse(calls=CALLS, covered=CALLS - is_open)
    if is_open:
        return Trial(case=case, repeat=repeat, status=TrialStatus.UNCOVERED, output="", tool_calls=(), tool_use=use)
    return Trial(
        case=case,
        repeat=repeat,
        status=TrialStatus.ANSWERED,
        output="answer",
        rules=RULES[passed],
        dimensions=DIMENSIONS[passed],
        tool_calls=(),
        tool_use=use,
    )


def verdict(world: World, scan: int) -> tuple[float, ...]:
    """One scan's holdout: improve, trade-off, no change, and whether gate G0 lets it come to a verdict at all."""
    random = random_of(world.name, str(world.share), scan)
    ease = random.beta(*EASE, CASES)
    mean = EASE[0] / sum(EASE)
    changed = ease + world.gain * (1 - ease) / (1 - mean) if world.gain >= 0 else ease * (1 + world.gain / mean)
    arms = [
        trials_of(*played(random, ease, world.baseline_share, by_chance)),
        trials_of(*played(random, changed, world.share, world.evasion)),
    ]
    for strictness in plan_strictness(CASES, RIGOR_OF_FEW):
        seen = [[trial for runs in arm[: strictness.cases] for trial in runs] for arm in arms]
        concluded = conclude(
            pair(seen[0], seen[1], STANDARD, References()),
            STANDARD,
            coverage=compare_coverage(*seen),
            strictness=strictness,
            noise=NOISE,
        )
        if concluded.stops or strictness.is_last:
            break
    lacks = tuple(gate.detail for gate in concluded.gates if gate.gate is Gate.EVIDENCE and not gate.passed)
    outcome, _ = decide(
        Grounds(
            lacks_coverage=lacks,
            gates=concluded.gates,
            finalist_upper_bound=concluded.effect.upper_bound,
            is_search_adequate=True,
            baseline_failures=1,
            observed_cases=CASES,
        )
    )
    wanted = Outcome.IMPROVE, Outcome.REJECTED_TRADEOFF, Outcome.VALIDATED_NO_CHANGE
    return *(float(outcome is each) for each in wanted), float(not lacks)


def report_evasions(pool: ProcessPoolExecutor, scans: int, judge: Judge) -> None:
    """What a change gains by leaving open what it fails, and what an honest one loses."""
    report = Report(
        f"{CASES} cases, {RUNS} runs, level {RIGOR_OF_FEW.alpha}", "improve", "trade-off", "no change", "enough evidence", "holds"
    )
    for world in worlds():
        improve, tradeoff, no_change, enough = simulate(pool, partial(verdict, world), scans)
        is_right = bool(improve >= 0.70 if world.gain > 0 else improve <= allowed(RIGOR_OF_FEW.alpha, scans))
        shares = (f"{share:.3f}" for share in (improve, tradeoff, no_change, enough))
        report.add(world.name, *shares, judge.check(f"evasions, {world.name}", is_right))
    report.print()
