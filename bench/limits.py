"""How often gate G5 takes a limit for kept that is not, by how the amounts of an answer are distributed: part of ``bench.gates``.

The candidate's mean, or its 95th percentile, lies exactly on the limit, so that to pass is to err. Beside the gate's bound stand
the usual ones on the same cases. Where rare large amounts make the mean, no bound can do better than to err as often as none of
them is among the cases.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
from scipy import stats

from bench.machine import Report
from bench.simulating import Array, Judge, allowed, random_of, simulate
from spectral_platform.evaluations.terms import Constraint, Statistic
from spectral_platform.scans.pairing import Pairs
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.verdicts.bounding import only_look
from spectral_platform.scans.verdicts.limiting import limit_gates
from spectral_platform.scans.verdicts.verdict import GateResult
from spectral_platform.statistics.bounds import ratio_upper_bound
from spectral_platform.workspaces.policies.autonomy import RIGOR, AutonomyMode
from spectral_platform.worlds.rules import load_world

CASES = (30, 60, 90, 200)
LENIENT, USUAL = RIGOR[AutonomyMode.RECOMMEND], RIGOR[AutonomyMode.MANUAL]
UNLIMITED = Standard(world=load_world("general-agent-conduct@1.0.0"), dimensions=(), terms=(), constraints=())
CEILINGS = (5, 10, 20)
DRAWS = 2_000
CAPPED_FROM = 200_000
NEARER, FARTHER = 1.25, 1.5
"""Limits that the mean does keep to, as multiples of it."""


@dataclass(frozen=True)
class Amounts:
    """How what an answer takes is distributed; its mean is 1."""

    name: str
    draw: Callable[[np.random.Generator, int], Array]
    rare: float = 1.0
    """The share of answers without which the mean cannot be seen."""


def log_normal(random: np.random.Generator, cases: int, *, spread: float) -> Array:
    """Amounts whose logarithm has this standard deviation."""
    return random.lognormal(-(spread**2) / 2, spread, cases)


def exponential(random: np.random.Generator, cases: int) -> Array:
    """Waiting times."""
    return random.exponential(1.0, cases)


def mixed(random: np.random.Generator, cases: int, *, share: float, factor: float) -> Array:
    """Amounts of which a share is so many times as large as the others."""
    usual = random.lognormal(-0.08, 0.4, cases) / (1 + share * (factor - 1))
    return usual * np.where(random.random(cases) < share, factor, 1.0)


AMOUNTS = (
    *(Amounts(f"log-normal, sd {spread:g}", partial(log_normal, spread=spread)) for spread in (0.5, 1.0, 1.5)),
    Amounts("exponential", exponential),
    *(
        Amounts(f"{share:.0%} are {factor} times as large", partial(mixed, share=share, factor=factor), share)
        for share, factor in ((0.1, 10), (0.05, 10), (0.02, 10), (0.02, 30))
    ),
)


def capped(world: Amounts, ceiling: float) -> Amounts:
    """The same amounts where an answer cannot take more than so many times their mean, which stays 1."""

    def draw(random: np.random.Generator, cases: int) -> Array:
        return np.minimum(world.draw(random, cases), cap) / mean

    cap, many = ceiling, world.draw(random_of("capped", world.name), CAPPED_FROM)
    for _ in range(20):  # the mean falls with the cap, and the cap with the mean
        mean = float(np.minimum(many, cap).mean())
        cap = ceiling * mean
    return replace(world, draw=draw)


CAPPED = {
    (world.name, ceiling): capped(world, ceiling)
    for world in AMOUNTS
    if world.name in {"log-normal, sd 0.5", "log-normal, sd 1", "5% are 10 times as large", "2% are 10 times as large"}
    for ceiling in CEILINGS
}


def one_limit(amounts: Array, value: float, statistic: Statistic, *, ceiling: float | None = None) -> GateResult:
    """What gate G5 says of a candidate that took these amounts, of which a request allows at most the ceiling."""
    constraint = Constraint(metric="total_tokens", operator="<=", value=value, statistic=statistic)
    taken = tuple(float(amount) for amount in amounts)
    pairs = Pairs(
        composites=((0.0, 0.0),) * len(taken),
        authority_a=(),
        authority_b=(),
        unscored=0,
        stimuli=0,
        unscored_stimuli=0,
        critical_worsened=0,
        critical_mended=0,
        baseline_means={},
        candidate_means={"total_tokens": float(amounts.mean())},
        baseline_costs=(),
        candidate_costs=(),
        candidate_amounts={"total_tokens": taken},
        candidate_ceilings={} if ceiling is None else {"total_tokens": ceiling},
        candidate_answers={"total_tokens": taken},
    )
    rigor = LENIENT if len(taken) < USUAL.minimum_pairs else USUAL
    standard = replace(UNLIMITED, constraints=(constraint,))
    (result,) = limit_gates(pairs, standard, only_look(len(taken), rigor))
    return result


def studentised(amounts: Array, alpha: float, random: np.random.Generator) -> float:
    """Upper bound of the mean by the bootstrap-t: Efron and Tibshirani (1993), chapter 12."""
    cases = len(amounts)
    drawn = random.choice(amounts, (DRAWS, cases))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (drawn.mean(axis=1) - amounts.mean()) / (drawn.std(axis=1, ddof=1) / np.sqrt(cases))
    low = np.quantile(np.nan_to_num(ratios, nan=0.0), alpha)
    return float(amounts.mean() - low * amounts.std(ddof=1) / np.sqrt(cases))


def mean_on_its_limit(world: Amounts, cases: int, alpha: float, scan: int) -> tuple[float, ...]:
    """Whether the better mean, both bootstraps and the gate pass a mean that lies on its limit, and one that lies below it."""
    random = random_of("amounts", world.name, cases, scan)
    amounts = world.draw(random, cases)
    result = one_limit(amounts, 1.0, Statistic.MEAN)
    assert result.value is not None
    return (
        float(amounts.mean() < 1),
        float(ratio_upper_bound(amounts.tolist(), [1.0] * cases, alpha) < 1),
        float(studentised(amounts, alpha, random) < 1),
        float(result.passed),
        float(result.value <= NEARER),
        float(result.value <= FARTHER),
    )


def mean_below_a_ceiling(world: str, ceiling: int, cases: int, scan: int) -> tuple[float, ...]:
    """Whether the gate passes a mean on its limit that no ceiling is known for, one whose is, and means below their limits."""
    amounts = CAPPED[world, ceiling].draw(random_of("ceilings", world, str(ceiling), cases, scan), cases)
    unbounded = one_limit(amounts, 1.0, Statistic.MEAN)
    bounded = one_limit(amounts, 1.0, Statistic.MEAN, ceiling=ceiling)
    assert bounded.value is not None
    return float(unbounded.passed), float(bounded.passed), *(float(bounded.value <= limit) for limit in (NEARER, FARTHER, 2.0))


def percentile_on_its_limit(cases: int, over: float, scan: int) -> tuple[float, ...]:
    """Whether the percentile as it came out and the gate pass answers of which this share lies above the limit."""
    limit = float(stats.expon.ppf(1 - over))
    answers = exponential(random_of("percentiles", cases, str(over), scan), cases)
    result = one_limit(answers, limit, Statistic.P95)
    return float(np.quantile(answers, 0.95, method="inverted_cdf") <= limit), float(result.passed), float(result.harm)


def report_amounts(pool: ProcessPoolExecutor, scans: int, judge: Judge) -> None:
    """A mean on its limit, and means below theirs."""
    report = Report(
        "a mean on its limit", "cases", "level", "better mean", "bootstrap", "bootstrap-t", "the bound", "unseen", "holds",
        f"limit {NEARER} x mean", f"{FARTHER} x",
    )  # fmt: skip
    for world in AMOUNTS:
        for cases in CASES:
            alpha = LENIENT.alpha if cases < USUAL.minimum_pairs else USUAL.alpha
            mean, bootstrap, student, bound, nearer, farther = simulate(
                pool, partial(mean_on_its_limit, world, cases, alpha), scans
            )
            unseen = (1 - world.rare) ** cases
            is_right = bool(bound <= allowed(max(alpha, unseen), scans))
            verdict = judge.check(f"amounts, {world.name}, {cases}", is_right)
            shares = (f"{share:.3f}" for share in (mean, bootstrap, student, bound, unseen))
            report.add(world.name, str(cases), f"{alpha:g}", *shares, verdict, f"{nearer:.2f}", f"{farther:.2f}")
    report.print()


def report_ceilings(pool: ProcessPoolExecutor, scans: int, judge: Judge) -> None:
    """The same where a request bounds what its answer takes."""
    report = Report(
        "a mean on its limit", "ceiling", "cases", "level", "without it", "the bound", "holds",
        f"limit {NEARER} x mean", f"{FARTHER} x", "2 x",
    )  # fmt: skip
    for (world, ceiling), cases in product(CAPPED, CASES[1:]):
        without, bound, *shown = simulate(pool, partial(mean_below_a_ceiling, world, ceiling, cases), scans)
        verdict = judge.check(f"ceilings, {world}, {ceiling}, {cases}", bool(bound <= allowed(USUAL.alpha, scans)))
        shares = f"{USUAL.alpha:g}", f"{without:.3f}", f"{bound:.3f}"
        report.add(world, f"{ceiling} x", str(cases), *shares, verdict, *(f"{share:.2f}" for share in shown))
    report.print()


def report_percentiles(pool: ProcessPoolExecutor, scans: int, judge: Judge) -> None:
    """A 95th percentile on its limit, and others below and above."""
    report = Report("answers above the limit of a p95", "cases", "level", "as it came out", "the bound", "harm", "holds")
    for cases in (60, 75, 94, 200, 400):
        for over in (0.05, 0.02, 0.01, 0.1):
            came_out, bound, harm = simulate(pool, partial(percentile_on_its_limit, cases, over), scans)
            is_right = (over < 0.05 or bound <= allowed(USUAL.alpha, scans)) and (over > 0.05 or harm <= allowed(0.05, scans))
            verdict = judge.check(f"percentiles, {over:.0%}, {cases}", bool(is_right))
            report.add(f"{over:.0%}", str(cases), f"{USUAL.alpha:g}", f"{came_out:.3f}", f"{bound:.3f}", f"{harm:.3f}", verdict)
    report.print()
