"""Probing: before a search spends anything, whether a prompt that simply asks for all that fails would help."""

from statistics import fmean
from uuid import UUID

from spectral_platform.core.randomness import generator
from spectral_platform.optimizers.headroom import is_mentioned, probe_config
from spectral_platform.scans.failures import failures_of
from spectral_platform.scans.headroom import Headroom
from spectral_platform.scans.pairing import pair_composites
from spectral_platform.scans.quoting import HEADROOM_CASES
from spectral_platform.scans.run import Run
from spectral_platform.scans.settings import TEXT_STRATEGIES, PinnedAgent
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Trial, TrialPlan
from spectral_platform.statistics.bounds import clopper_pearson_lower, clopper_pearson_upper
from spectral_platform.worlds.splits import Split

CONFIDENCE = 0.95
PROBE = "headroom"


async def probe_headroom(run: Run) -> dict[UUID, Headroom]:
    """The headroom of every agent whose texts are to be searched."""
    if TEXT_STRATEGIES.isdisjoint(run.settings.strategies):
        return {}
    return {agent.agent_id: await _probe(run, agent) for agent in run.settings.agents}


async def _probe(run: Run, agent: PinnedAgent) -> Headroom:
    train = run.baseline_trials(agent, run.material.book.select(Split.TRAIN))
    failures = [failure for trial in train for failure in failures_of(trial)]
    config = run.material.configs[agent.agent_id]
    asked = run.standard.instructions()
    wanted = [asked.get(failure.criterion) or failure.feedback for failure in failures]
    failed = len({failure.case_key for failure in failures})
    samples = run.material.book.select(Split.DEV, "sample")
    chosen = generator(run.seed, "headroom", agent.name).sample(samples, min(HEADROOM_CASES, len(samples)))
    probed: list[Trial] = []
    if failures and chosen:
        plan = TrialPlan(phase=Phase.OBSERVE, candidate=PROBE, agent_id=agent.agent_id)
        probed = await run.bench.run(probe_config(config, wanted), chosen, plan)
    before = run.baseline_trials(agent, tuple(chosen)) if probed else []
    compared = pair_composites(before, probed, run.standard, run.found.references[agent.agent_id])
    found = Headroom(
        failed=failed,
        cases=len(train),
        failure_rate=_share(failed, len(train)),
        failures=len(failures),
        addressable=sum(not is_mentioned(config.template.base_prompt, requirement) for requirement in wanted),
        probed=len(probed),
        gain=fmean(compared) if compared else None,
    )
    said = "there is nothing that a prompt could be probed for"
    if found.gain is not None:
        said = f"a prompt that asks for all of that gains {found.gain:+.3f} on {found.probed} dev cases"
    run.emit(
        "headroom_probed",
        f"{agent.name} fails {failed} of {len(train)} training cases; {said}.",
        subject=str(agent.agent_id),
        **found.model_dump(mode="json"),
    )
    return found


def _share(failed: int, cases: int) -> tuple[float, float]:
    """The Clopper-Pearson interval of a share."""
    tail = (1 - CONFIDENCE) / 2
    return round(clopper_pearson_lower(failed, cases, tail), 4), round(clopper_pearson_upper(failed, cases, tail), 4)
