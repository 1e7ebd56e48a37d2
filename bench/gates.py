"""How often the gates err, on worlds whose truth is known. Run it with: uv run python -m bench.gates [--scans N] [--only TABLE]

Every decision is made by the code that decides a scan, ``spectral_platform.statistics`` and ``scans.verdicts.gating``.
Beside it stands what peers do with the same figures: accept whatever has the better mean. Cases pass or fail with a difficulty
of their own, Beta(.606, .837), which fits 50 tasks × 4 trials of a tool-using agent (tau-bench airline, gpt-4o): mean .42, and
two runs of the same agent disagree on 29 % of the tasks.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import stats

from bench.evasions import report_evasions
from bench.limits import report_amounts, report_ceilings, report_percentiles
from bench.machine import Report
from bench.simulating import Array, Judge, allowed, random_of, simulate
from spectral_platform.changesets.states import Outcome
from spectral_platform.scans.pairing import Pairs
from spectral_platform.scans.quoting import Noise
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.verdicts.bounding import plan_strictness
from spectral_platform.scans.verdicts.gating import conclude
from spectral_platform.scans.verdicts.verdict import Grounds, decide
from spectral_platform.statistics.bounds import gaffke_lower_bound
from spectral_platform.statistics.sequential import plan_looks
from spectral_platform.worlds.rules import load_world

ALPHA = 0.05
EASE = (0.606, 0.837)
NOISE = Noise(cases=50, disagreement=0.29, icc=0.4, run_variance=0.147)
CANDIDATES = 8
WEEKS, WEEKLY_CASES, TRUE_SHARE = 52, 150, 0.15
REUSES, REUSED_CASES = 20, 100

World = Callable[[np.random.Generator, int], Array]


def runs(random: np.random.Generator, ease: Array, repeats: int) -> Array:
    """The mean of so many runs of every case."""
    passed: Array = random.binomial(repeats, ease) / repeats
    return passed


def shifted(ease: Array, gain: float) -> Array:
    """Each case's chance to pass after a change that is worth ``gain`` on average, up or down."""
    mean = EASE[0] / sum(EASE)
    return ease + gain * (1 - ease) / (1 - mean) if gain >= 0 else ease * (1 + gain / mean)


def pass_or_fail(random: np.random.Generator, cases: int, *, gain: float = 0.0, repeats: int = 1) -> Array:
    """Paired differences of an agent whose chance to pass rises by ``gain`` on average (falls, where it is below 0)."""
    ease = random.beta(*EASE, cases)
    return runs(random, shifted(ease, gain), repeats) - runs(random, ease, repeats)


def constant_ease(random: np.random.Generator, cases: int, *, ease: float) -> Array:
    """An agent that passes every case equally often, compared with itself."""
    fixed = np.full(cases, ease)
    return runs(random, fixed, 1) - runs(random, fixed, 1)


def graded(random: np.random.Generator, cases: int, *, gain: float, spread: float) -> Array:
    """Differences of a graded rubric score."""
    return random.normal(gain, spread, cases).clip(-1, 1)


def rare_loss(random: np.random.Generator, cases: int, *, gain: float, loss: float, share: float) -> Array:
    """Tiny gains nearly everywhere, a heavy loss on a few, and nothing in the mean."""
    return np.where(random.random(cases) < share, loss, gain)


@dataclass(frozen=True)
class Scenario:
    """A world, how many cases are drawn from it, and what the theory expects of the bound."""

    name: str
    cases: int
    world: World
    is_null: bool
    expected: float
    """Share accepted by the bound at .05 in the published prototype; for a null, what it may be at most."""


SCENARIOS = (
    Scenario("same agent, passes 42 %", 50, pass_or_fail, True, 0.034),
    Scenario("same agent, passes 95 %", 50, partial(constant_ease, ease=0.95), True, 0.006),
    Scenario("same agent, 4 runs of each case", 50, partial(pass_or_fail, repeats=4), True, 0.006),
    Scenario("+.05 on 90 %, -.45 on 10 %", 30, partial(rare_loss, gain=0.05, loss=-0.45, share=0.1), True, 0.0),
    Scenario("+.05 on 90 %, -.45 on 10 %", 100, partial(rare_loss, gain=0.05, loss=-0.45, share=0.1), True, 0.002),
    Scenario("+.02 on 98 %, -.98 on 2 %", 30, partial(rare_loss, gain=0.02, loss=-0.98, share=0.02), True, 0.0),
    Scenario("+.02 on 98 %, -.98 on 2 %", 50, partial(rare_loss, gain=0.02, loss=-0.98, share=0.02), True, 0.0),
    Scenario("+.02 on 98 %, -.98 on 2 %", 100, partial(rare_loss, gain=0.02, loss=-0.98, share=0.02), True, 0.0),
    Scenario("passes 10 points more often", 100, partial(pass_or_fail, gain=0.10), False, 0.47),
    Scenario("passes 10 points more often", 200, partial(pass_or_fail, gain=0.10), False, 0.78),
    Scenario("passes 10 points more often, 3 runs", 100, partial(pass_or_fail, gain=0.10, repeats=3), False, 0.80),
    Scenario("passes 15 points more often", 100, partial(pass_or_fail, gain=0.15), False, 0.76),
    Scenario("graded score +.05, spread .2", 100, partial(graded, gain=0.05, spread=0.2), False, 0.54),
    Scenario("graded score +.05, spread .2", 200, partial(graded, gain=0.05, spread=0.2), False, 0.92),
)


def t_accepts(differences: Array, alpha: float) -> bool:
    """Student's one-sided test that the mean is above 0."""
    spread = float(differences.std(ddof=1))
    if spread == 0:
        return bool(differences.mean() > 0)
    t = float(differences.mean()) / (spread / math.sqrt(len(differences)))
    return bool(stats.t.sf(t, len(differences) - 1) < alpha)


def compare_rules(scenario: Scenario, scan: int) -> tuple[float, ...]:
    """What the better mean, the t-test and the bound say of one scan."""
    differences = scenario.world(random_of(scenario.name, scenario.cases, scan), scenario.cases)
    bound = gaffke_lower_bound(differences, ALPHA)
    return float(differences.mean() > 0), float(t_accepts(differences, ALPHA)), float(bound > 0)


def pairs_of(differences: Sequence[float]) -> Pairs:
    """Pairs of a change that both authorities see as the composite does, and that costs nothing."""
    return Pairs(
        composites=tuple((max(0.0, -difference), max(0.0, difference)) for difference in differences),
        authority_a=tuple(differences),
        authority_b=tuple(differences),
        unscored=0,
        stimuli=0,
        unscored_stimuli=0,
        critical_worsened=0,
        critical_mended=0,
        baseline_means={},
        candidate_means={},
        baseline_costs=(),
        candidate_costs=(),
    )


STANDARD = Standard(world=load_world("general-agent-conduct@1.0.0"), dimensions=(), terms=(), constraints=())


def whole_verdict(world: World, cases: int, noise: float, scan: int) -> tuple[float, ...]:
    """One scan's holdout through looks, gates and verdict: improve, no change, insufficient, and the share of cases run."""
    differences = world(random_of("verdict", cases, scan), cases)
    for strictness in plan_strictness(cases):
        seen = [float(difference) for difference in differences[: strictness.cases]]
        concluded = conclude(pairs_of(seen), STANDARD, strictness=strictness, noise=noise)
        if concluded.stops or strictness.is_last:
            break
    outcome, _ = decide(
        Grounds(
            lacks_coverage=(),
            gates=concluded.gates,
            finalist_upper_bound=concluded.effect.upper_bound,
            is_search_adequate=True,
            baseline_failures=1,
            observed_cases=cases,
        )
    )
    return (
        float(outcome is Outcome.IMPROVE),
        float(outcome is Outcome.VALIDATED_NO_CHANGE),
        float(outcome is Outcome.REJECTED_TRADEOFF),
        float(outcome is Outcome.INSUFFICIENT_EVIDENCE),
        strictness.cases / cases,
    )


def select(gains: Sequence[float], dev: int, holdout: int, scan: int) -> tuple[float, ...]:
    """Eight candidates on the same cases; of the best one its mean there, its mean on the holdout, and the bound there."""
    random = random_of("select", str(gains), dev, scan)
    ease = random.beta(*EASE, dev)
    baseline = runs(random, ease, 1)
    means = [float((runs(random, shifted(ease, gain), 1) - baseline).mean()) for gain in gains]
    best = int(np.argmax(means))
    sealed = pass_or_fail(random, holdout, gain=gains[best])
    bound = gaffke_lower_bound(sealed, ALPHA)
    return float(means[best] > 0), float(sealed.mean() > 0), float(bound > 0), float(bound > 0 and gains[best] <= 0)


def look_by_look(gain: float, cases: int, scan: int) -> tuple[float, ...]:
    """The bound at the end against the bound at three looks: accepted by each, and the cases that the looks took."""
    differences = pass_or_fail(random_of("looks", str(gain), cases, scan), cases, gain=gain)
    fixed = gaffke_lower_bound(differences, ALPHA) > 0
    for look in plan_looks(cases, ALPHA):
        accepted = gaffke_lower_bound(differences[: look.cases], look.alpha) > 0
        if accepted or differences[: look.cases].mean() < 0:
            break
    return float(fixed), float(accepted), float(look.cases)


def year(alpha: float | None, scan: int) -> tuple[float, ...]:
    """A year of weekly scans, some with a true gain of 15 points: false accepts, accepts, true gains, and those found."""
    random = random_of("year", scan)
    false = found = true = 0
    for _ in range(WEEKS):
        is_true = random.random() < TRUE_SHARE
        differences = pass_or_fail(random, WEEKLY_CASES, gain=0.15 if is_true else 0.0)
        accepted = bool(differences.mean() > 0) if alpha is None else gaffke_lower_bound(differences, alpha) > 0
        true += is_true
        found += is_true and accepted
        false += accepted and not is_true
    return float(false), float(false + found), float(true), float(found)


def reuse(scan: int, *, candidates: int = 1, reruns_baseline: bool = True) -> tuple[float, ...]:
    """Scan after scan on one holdout, none of whose candidates is worth anything: the share that is accepted.

    A scan takes the best of its ``candidates`` on that holdout. What is accepted becomes the next scan's baseline.
    """
    random = random_of("reuse", candidates, int(reruns_baseline), scan)
    ease = random.beta(*EASE, REUSED_CASES)
    baseline = runs(random, ease, 1)
    accepted = 0
    for _ in range(REUSES):
        if reruns_baseline:
            baseline = runs(random, ease, 1)
        tried = [runs(random, ease, 1) for _ in range(candidates)]
        best = max(tried, key=lambda scores: float(scores.mean()))
        if gaffke_lower_bound(best - baseline, ALPHA) > 0:
            accepted += 1
            baseline = best
    return (accepted / REUSES,)


def report_rules(pool: ProcessPoolExecutor, scans: int, judge: Judge) -> None:
    """One candidate, each rule at .05."""
    report = Report("one candidate, one look, level .05", "cases", "better mean", "t-test", "the bound", "expected", "holds")
    for scenario in SCENARIOS:
        better, t, bound = simulate(pool, partial(compare_rules, scenario), scans)
        if scenario.is_null:
            is_right, expected = bound <= allowed(ALPHA, scans), f"<= {ALPHA} ({scenario.expected:.3f})"
        else:
            is_right, expected = bound >= scenario.expected - 0.05, f"{scenario.expected:.2f}"
        name = f"{scenario.name}, {scenario.cases}"
        report.add(
            scenario.name,
            str(scenario.cases),
            f"{better:.3f}",
            f"{t:.3f}",
            f"{bound:.3f}",
            expected,
            judge.check(name, bool(is_right)),
        )
    report.print()


def report_selection(pool: ProcessPoolExecutor, scans: int, judge: Judge) -> None:
    """Eight candidates, one of which is chosen."""
    report = Report(
        "eight candidates, dev 50, holdout 100", "best on dev", "better mean on holdout", "the bound", "of it bad", "holds"
    )
    worlds = {
        "all worth nothing": (0.0,) * CANDIDATES,
        "all 5 points worse": (-0.05,) * CANDIDATES,
        "two are 10 points better": (0.1, 0.1) + (0.0,) * (CANDIDATES - 2),
        "two are 15 points better": (0.15, 0.15) + (0.0,) * (CANDIDATES - 2),
    }
    least = {"two are 10 points better": 0.43 - 0.05, "two are 15 points better": 0.72 - 0.05}
    for name, gains in worlds.items():
        dev, holdout, bound, bad = simulate(pool, partial(select, gains, 50, 100), scans)
        is_right = bound >= least[name] if name in least else bound <= allowed(ALPHA, scans)
        report.add(name, f"{dev:.3f}", f"{holdout:.3f}", f"{bound:.3f}", f"{bad:.3f}", judge.check(name, bool(is_right)))
    report.print()


def report_looks(pool: ProcessPoolExecutor, scans: int, judge: Judge) -> None:
    """What stopping early costs and saves."""
    report = Report("three looks, level .05", "cases", "at the end", "by looks", "cases used", "holds")
    expected = {(0.0, 100): 0.05, (0.15, 100): 0.76, (0.2, 100): 0.93, (0.0, 200): 0.05, (0.15, 200): 0.96, (0.2, 200): 1.0}
    for (gain, cases), share in expected.items():
        fixed, looks, used = simulate(pool, partial(look_by_look, gain, cases), scans)
        is_right = looks >= share - 0.05 if gain else looks <= allowed(ALPHA, scans)
        name = f"{gain:+.0%} of passes" if gain else "same agent"
        verdict = judge.check(f"looks, {name}, {cases}", bool(is_right))
        report.add(name, str(cases), f"{fixed:.3f}", f"{looks:.3f}", f"{used:.0f}", verdict)
    report.print()


def report_years(pool: ProcessPoolExecutor, scans: int, judge: Judge) -> None:
    """A year of scans, by the level of each."""
    report = Report("52 scans a year, 15 % with a true +15 points", "false accepts", "of accepted", "found", "holds")
    years = max(10, scans // 40)
    most: dict[float | None, float] = {None: 25.0, 0.05: 2.6, 0.025: 1.5, 0.01: 0.8}
    for alpha, limit in most.items():
        false, accepted, true, found = simulate(pool, partial(year, alpha), years)
        name = "better mean" if alpha is None else f"the bound at {alpha}"
        report.add(
            name,
            f"{false:.2f}",
            f"{false / max(accepted, 1e-9):.0%}",
            f"{found / max(true, 1e-9):.2f}",
            judge.check(f"year, {name}", bool(false <= limit)),
        )
    report.print()


def report_reuse(pool: ProcessPoolExecutor, scans: int, judge: Judge) -> None:
    """What serves in verdict after verdict: why the baseline is run again, and why nothing is chosen by the holdout."""
    report = Report(f"{REUSES} scans on the same {REUSED_CASES} cases, all worth nothing", "accepted by a scan", "holds")
    histories = max(20, scans // 4)
    for name, history, least, most in (
        ("one finalist, the baseline run again", partial(reuse), 0.0, allowed(ALPHA, histories)),
        ("one finalist, the baseline's old scores", partial(reuse, reruns_baseline=False), 0.0, ALPHA),
        ("the best of eight by the holdout", partial(reuse, candidates=8), 2 * ALPHA, 1.0),  # what it must not be done by
    ):
        (share,) = simulate(pool, history, histories)
        report.add(name, f"{share:.3f}", judge.check(f"reuse, {name}", least <= share <= most))
    report.print()


def verdict_worlds() -> Iterator[tuple[str, World, int, float]]:
    """Worlds of the whole verdict: name, world, cases and the agent's own noise."""
    for cases, repeats in ((60, 3), (100, 3), (200, 1), (200, 3)):
        for gain in (-0.05, 0.0, 0.05, 0.10):
            name = f"{gain:+.0%}, {repeats} run{'s' if repeats > 1 else ''}" if gain else f"same agent, {repeats} runs"
            yield name, partial(pass_or_fail, gain=gain, repeats=repeats), cases, NOISE.disagreement_of(repeats)


def report_verdicts(pool: ProcessPoolExecutor, scans: int, judge: Judge) -> None:
    """All gates and the verdict, as a scan that people decide on has them (level .025)."""
    report = Report(
        "the whole verdict, level .025", "cases", "improve", "no change", "trade-off", "insufficient", "cases run", "holds"
    )
    for name, world, cases, noise in verdict_worlds():
        improve, no_change, tradeoff, insufficient, used = simulate(
            pool, partial(whole_verdict, world, cases, noise), max(100, scans // 4)
        )
        is_null = name.startswith(("same", "-"))
        is_right = not is_null or improve <= allowed(0.025, max(100, scans // 4))
        report.add(
            name,
            str(cases),
            f"{improve:.3f}",
            f"{no_change:.3f}",
            f"{tradeoff:.3f}",
            f"{insufficient:.3f}",
            f"{used:.0%}",
            judge.check(f"verdict, {name}, {cases}", bool(is_right)),
        )
    report.print()


def main() -> None:
    """Print every table; exit with 1 when a figure is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    tables = {
        "rules": report_rules,
        "selection": report_selection,
        "looks": report_looks,
        "years": report_years,
        "reuse": report_reuse,
        "verdicts": report_verdicts,
        "evasions": report_evasions,
        "amounts": report_amounts,
        "ceilings": report_ceilings,
        "percentiles": report_percentiles,
    }
    parser.add_argument("--scans", type=int, default=1_000, help="simulated scans of each scenario")
    parser.add_argument("--only", choices=tables, help="one table instead of all")
    parser.add_argument("--processes", type=int, default=None, help="how many scans run at a time; by default one a processor")
    asked = parser.parse_args()
    scans, judge = asked.scans, Judge()
    with ProcessPoolExecutor(asked.processes) as pool:
        for name, table in tables.items():
            if asked.only in (None, name):
                table(pool, scans, judge)
    print(f"{scans} scans of each scenario.")
    for failure in judge.failures:
        print(f"not as it must be: {failure}")
    raise SystemExit(1 if judge.failures else 0)


if __name__ == "__main__":
    main()
