"""Opening the sealed holdout: only for a finalist that is frozen, and that the database finds among the scan's candidates."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from itertools import chain

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.core import clock
from spectral_platform.core.access import system_caller
from spectral_platform.core.randomness import derive, generator
from spectral_platform.llm.calling import settle
from spectral_platform.llm.errors import BudgetExhausted
from spectral_platform.llm.models import ModelCall
from spectral_platform.llm.queries import load_answers
from spectral_platform.samples.models import PublishedSample
from spectral_platform.samples.queries import count_version_groups, list_version_samples
from spectral_platform.scans.cases import Case, CaseBook, fresh_stimuli, sample_case
from spectral_platform.scans.conversing import OutOfTime
from spectral_platform.scans.models import Scan, ScanCandidate, ScanEvent
from spectral_platform.scans.pairing import pair
from spectral_platform.scans.queries import is_replayed, list_lineage
from spectral_platform.scans.quoting import holdout_repeats
from spectral_platform.scans.run import BASELINE, Contender, Run
from spectral_platform.scans.states import Phase
from spectral_platform.scans.trials import Trial, TrialPlan
from spectral_platform.scans.verdicts.bounding import plan_strictness
from spectral_platform.scans.verdicts.coverage import compare_coverage
from spectral_platform.scans.verdicts.gating import conclude
from spectral_platform.statistics.sequential import LOOKS
from spectral_platform.worlds.commands import record_exposure
from spectral_platform.worlds.queries import open_holdout
from spectral_platform.worlds.readings import Reading, confine, keeping
from spectral_platform.worlds.splits import Split

LOOKED = "holdout_compared"
"""The event of a look at the holdout."""


async def save_candidates(run: Run) -> None:
    """Store what became of every contender. Once the finalist is among them it stands, and the holdout can be opened for it."""
    rows = [
        {
            "id": clock.new_id(),
            "created_at": clock.now(),
            "workspace_id": run.tenant.workspace_id,
            "scan_id": run.tenant.scan_id,
            "agent_id": contender.agent.agent_id,
            "position": contender.position,
            "key": contender.candidate.key,
            "parent_key": contender.candidate.parent_key,
            "strategy": contender.candidate.strategy.value,
            "component": contender.candidate.component.value,
            "config": contender.candidate.config,
            "rationale": contender.candidate.rationale,
            "cluster_signature": contender.candidate.cluster_signature,
            "fate": contender.fate,
            "fate_detail": contender.fate_detail,
            "dev": contender.dev,
        }
        for contender in run.found.contenders
    ]
    if not rows:
        return
    async with run.transaction() as session:
        statement = insert(ScanCandidate)
        changed = {name: statement.excluded[name] for name in ("fate", "fate_detail", "dev", "position")}
        await session.execute(statement.on_conflict_do_update(index_elements=["scan_id", "agent_id", "key"], set_=changed), rows)


async def judge_on_holdout(run: Run, finalist: Contender, sealed: CaseBook) -> None:
    """Run baseline and finalist on the sealed cases, look by look; the baseline is run again, never taken from earlier."""
    found = run.found
    groups = sealed.groups(Split.HOLDOUT)
    generator(run.seed, "looks").shuffle(groups)
    stimuli = sealed.select(Split.HOLDOUT, "stimulus")
    configs = {BASELINE: run.material.configs[finalist.agent.agent_id], finalist.candidate.key[:12]: finalist.candidate.config}
    repeats = holdout_repeats(len(groups))
    arms: dict[str, list[Trial]] = {name: [] for name in configs}
    seen = heard = 0
    for strictness in plan_strictness(len(groups), run.settings.rigor):
        share = math.ceil(len(stimuli) * LOOKS[strictness.look - 1])
        cases = (*chain.from_iterable(groups[seen : strictness.cases]), *stimuli[heard:share])
        try:
            trials = await settle(_arm(run, finalist, config, cases, name, repeats) for name, config in configs.items())
        except (BudgetExhausted, OutOfTime) as limit:
            reason = "time" if isinstance(limit, OutOfTime) else "budget"
            found.lacks.append(f"The {reason} was spent after {seen} of {len(groups)} sealed cases.")
            return
        seen, heard = strictness.cases, share
        for arm, more in zip(arms.values(), trials, strict=True):
            arm += more
        baseline, candidate = arms.values()
        found.holdout = pair(baseline, candidate, run.standard, found.references[finalist.agent.agent_id])
        found.holdout_groups = tuple(sorted(cases[0].content_group for cases in groups[:seen]))
        found.conclusion = await asyncio.to_thread(
            conclude,
            found.holdout,
            run.standard,
            coverage=compare_coverage(baseline, candidate),
            strictness=strictness,
            noise=found.noise.disagreement_of(repeats) if found.noise else 0.0,
            dev_gain=finalist.dev.get("mean"),
            judge_untrusted=found.judge_untrusted,
            labelled=found.labelled,
        )
        stops = found.conclusion.stops or strictness.is_last
        run.emit(
            LOOKED,
            f"Look {strictness.look} of {strictness.looks}: baseline and finalist ran on {seen} of {len(groups)} sealed cases"
            + ("." if stops else "; more are needed."),
            subject=str(strictness.look),
            look=strictness.look,
            pairs=found.holdout.cases,
            stimuli=heard,
            repeats=repeats,
            unscored=found.holdout.unscored,
            stops=stops,
        )
        if stops:
            return


async def _arm(run: Run, finalist: Contender, config: AgentConfig, cases: Sequence[Case], name: str, repeats: int) -> list[Trial]:
    plan = TrialPlan(
        phase=Phase.EVALUATE,
        candidate=name,
        repeats=repeats,
        is_verdict=True,
        is_sealed=True,
        agent_id=finalist.agent.agent_id,
    )
    return await run.bench.run(config, cases, plan)


async def unseal(run: Run) -> CaseBook:
    """The sealed cases that serve in this verdict, with the answers about them that an earlier attempt was given."""
    tenant, settings = run.tenant, run.settings
    version_id = settings.sample_set_version_id
    async with run.transaction() as session:
        await confine(session, Reading.HOLDOUT, scan_id=tenant.scan_id)
        sizes = await count_version_groups(session, tenant.workspace_id, version_id) if version_id else {}
        scan = await session.get_one(Scan, tenant.scan_id)
        served = await open_holdout(session, tenant.workspace_id, scan.id, list(sizes), before=scan.created_at)
        chosen = _choose(run, served)
        samples = await list_version_samples(session, tenant.workspace_id, version_id) if version_id else []
        lineage = await list_lineage(session, scan)
        run.caller.recall(await load_answers(session, tenant.workspace_id, lineage, sealed=True))
        await _load_recordings(session, run, scan, {sample.content_group for sample in samples})
    return CaseBook(
        cases=(
            *(sample_case(sample, Split.HOLDOUT) for sample in samples if sample.content_group in chosen),
            *fresh_stimuli(run.standard.world, run.seed, Split.HOLDOUT),
        )
    )


async def expose_seen(session: AsyncSession, scan: Scan) -> None:
    """Count the sealed cases that a scan was shown a look at before it ended without a verdict: they served all the same."""
    looked = exists().where(ScanEvent.scan_id == scan.id, ScanEvent.type == LOOKED)
    if scan.simulated or not await session.scalar(select(looked)) or await is_replayed(session, scan.workspace_id, scan.id):
        return
    async with keeping(session):
        asked = exists().where(
            ModelCall.workspace_id == scan.workspace_id,
            ModelCall.scan_id.in_(await list_lineage(session, scan)),  # whose answers it need not ask again
            ModelCall.is_sealed,
            ModelCall.case_key == PublishedSample.content_hash,
        )
        groups = await session.scalars(
            PublishedSample.in_workspace(scan.workspace_id)
            .with_only_columns(PublishedSample.content_group)
            .where(PublishedSample.version_id == scan.settings.sample_set_version_id, asked)
        )
        seen = set(groups)
    await record_exposure(session, scan.workspace_id, scan.id, seen)


async def _load_recordings(session: AsyncSession, run: Run, scan: Scan, groups: set[str]) -> None:
    """What answers tools on sealed cases: what was recorded of their own traces as well."""
    caller = system_caller(run.tenant.account_id, run.tenant.workspace_id)
    replay = run.material.replay
    for agent_id in sorted(replay.agents):
        config = run.material.configs[agent_id]
        await replay.load(session, caller, scan, agent_id, config, split=Split.HOLDOUT, open_groups=groups)


def _choose(run: Run, served: Mapping[str, int]) -> set[str]:
    """As many groups as readiness said: fresh ones first, then those that have served least.

    A scan with a seed of its own asks nobody what they have served in.
    """
    by_seed = {group: derive(run.seed, "serves", group) for group in served}
    order = sorted(served, key=lambda group: (0 if run.settings.is_seed_given else served[group], by_seed[group]))
    return set(order[: run.material.sealed_groups])
