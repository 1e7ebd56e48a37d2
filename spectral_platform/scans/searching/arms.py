"""Arms: hyperparameters by successive halving on the same training cases, where the baseline has run already."""

from collections.abc import Iterable
from statistics import fmean

from spectral_platform.core.randomness import generator
from spectral_platform.llm.calling import settle
from spectral_platform.optimizers.arms import list_arms
from spectral_platform.optimizers.halving import better_half, plan_rungs
from spectral_platform.scans.cases import Case
from spectral_platform.scans.pairing import pair
from spectral_platform.scans.searching.search import Search
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Trial, TrialPlan


async def race_arms(search: Search, slots: int) -> int:
    """Halve the arms until the best are left, and let those into the race that do better than the baseline; how many did."""
    arms = {arm.key: arm for arm in list_arms(search.base, search.run.settings.agent_models)}
    cases = _cases(search)
    measured: dict[str, dict[str, Trial]] = {key: {} for key in arms}
    gains: dict[str, float] = {}
    alive = tuple(arms)
    for rung in plan_rungs(len(arms), len(cases)):
        block = cases[rung.cases - rung.new : rung.cases]
        plans = [TrialPlan(phase=Phase.GENERATE, candidate=key[:12], agent_id=search.agent.agent_id) for key in alive]
        runs = [search.run.bench.run(arms[key].config, block, plan) for key, plan in zip(alive, plans, strict=True)]
        for key, trials in zip(alive, await settle(runs), strict=True):
            measured[key] |= {trial.case.key: trial for trial in trials}
            gains[key] = _gain(search, measured[key].values())
        alive = better_half({key: gains[key] for key in alive})
    search.run.emit(
        "arms_halved",
        f"{len(arms)} arms ran on shared training cases; {sum(gains[key] > 0 for key in alive)} of the last do better.",
        subject=str(search.agent.agent_id),
        arms=[
            {"arm": arms[key].rationale, "cases": len(measured[key]), "gain": round(gains[key], 4), "is_left": key in alive}
            for key in sorted(gains, key=lambda key: -gains[key])
        ],
    )
    admitted = 0
    for key in alive:
        if gains[key] > 0 and admitted < slots:
            admitted += await search.admit(arms[key])
    if not admitted and alive and gains[alive[0]] <= 0:
        detail = f"The best of {len(arms)} arms; on {len(measured[alive[0]])} training cases it gains {gains[alive[0]]:+.3f}."
        search.record(arms[alive[0]], "no_gain", detail)
    return admitted


def _cases(search: Search) -> list[Case]:
    """The cases that all arms share: training samples in an order of the seed's, or stimuli where there are none."""
    cases = [case for case in search.train if case.kind == "sample"] or list(search.train)
    generator(search.run.seed, "arms", search.agent.name).shuffle(cases)
    return cases


def _gain(search: Search, trials: Iterable[Trial]) -> float:
    """What an arm gains on the cases that it has run on; for a world without samples, in authority A."""
    arm = list(trials)
    baseline = [search.trials[search.base_key][trial.case.key] for trial in arm]
    pairs = pair(baseline, arm, search.run.standard, search.references)
    compared = pairs.composite or pairs.authority_a
    return fmean(compared) if compared else 0.0
