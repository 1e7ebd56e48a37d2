"""Reading what a scan works on: pinned configs, rubric, objective, world model, and its cases but for the sealed ones."""

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.queries import get_config_version
from spectral_platform.core.access import Caller
from spectral_platform.evaluations.rubrics.queries import get_rubric_version
from spectral_platform.samples.queries import count_version_groups, list_version_samples
from spectral_platform.scans.cases import CaseBook, fresh_stimuli, sample_case
from spectral_platform.scans.models import Scan
from spectral_platform.scans.replay import Replay, replayable
from spectral_platform.scans.run import Material
from spectral_platform.scans.standard import Standard
from spectral_platform.worlds.commands import assign_splits
from spectral_platform.worlds.queries import count_splits, list_splits
from spectral_platform.worlds.readings import Reading, confine
from spectral_platform.worlds.rules import load_world
from spectral_platform.worlds.splits import Split


async def load_material(session: AsyncSession, caller: Caller, scan: Scan) -> Material:
    """Everything that the scan's phases read; the versions are those that were pinned when it was asked for.

    The transaction sees nothing of the holdout from here on.
    """
    settings = scan.settings
    world = load_world(settings.world_model)
    rubric = await get_rubric_version(session, caller.workspace, settings.rubric_id, settings.rubric_version)
    configs = {
        agent.agent_id: (await get_config_version(session, caller, agent.agent_id, agent.base_version)).config
        for agent in settings.agents
    }
    version_id = settings.sample_set_version_id
    sizes = await count_version_groups(session, caller.workspace, version_id) if version_id else {}
    await assign_splits(session, caller.workspace, sizes)
    counts = await count_splits(session, caller.workspace, sizes, before=scan.created_at)
    await confine(session, Reading.DEV)
    samples = await list_version_samples(session, caller.workspace, version_id) if version_id else []
    splits = await list_splits(session, caller.workspace, list(sizes))
    replay = Replay()
    for agent_id, config in replayable(configs).items():
        for split, below in ((Split.TRAIN, {Split.TRAIN}), (Split.DEV, {Split.TRAIN, Split.DEV})):
            groups = {group for group, assigned in splits.items() if assigned in below}
            await replay.load(session, caller, scan, agent_id, config, split=split, open_groups=groups)
    return Material(
        standard=Standard(
            world=world,
            dimensions=rubric.dimensions,
            terms=settings.terms,
            constraints=settings.constraints,
        ),
        book=CaseBook(
            cases=(
                *(sample_case(sample, splits[sample.content_group]) for sample in samples),
                *fresh_stimuli(world, settings.seed, Split.TRAIN),
                *fresh_stimuli(world, settings.seed, Split.DEV),
            )
        ),
        sealed_groups=counts.in_verdict(settings.rigor.minimum_pairs, is_seed_given=settings.is_seed_given),
        configs=configs,
        replay=replay,
    )
