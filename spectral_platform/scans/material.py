"""Reading what a scan works on: pinned configs, rubric, objective, world model and cases with their splits."""

from collections.abc import Iterable

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.queries import get_config_version
from spectral_platform.core.access import Caller
from spectral_platform.evaluations.rubrics.queries import get_rubric_version
from spectral_platform.samples.models import PublishedSample
from spectral_platform.samples.queries import list_version_samples
from spectral_platform.scans.cases import Case, CaseBook, fresh_stimuli
from spectral_platform.scans.run import Material
from spectral_platform.scans.settings import ResolvedSettings
from spectral_platform.scans.standard import Standard
from spectral_platform.worlds.commands import split_groups
from spectral_platform.worlds.rules import load_world
from spectral_platform.worlds.splits import Split


async def load_material(session: AsyncSession, caller: Caller, settings: ResolvedSettings) -> Material:
    """Everything that the scan's phases read; the versions are those that were pinned when it was asked for."""
    world = load_world(settings.world_model)
    rubric = await get_rubric_version(session, caller.workspace, settings.rubric_id, settings.rubric_version)
    configs = {
        agent.agent_id: (await get_config_version(session, caller, agent.agent_id, agent.base_version)).config
        for agent in settings.agents
    }
    samples = (
        await list_version_samples(session, caller.workspace, settings.sample_set_version_id)
        if settings.sample_set_version_id
        else []
    )
    splits = await split_groups(session, caller.workspace, {sample.content_group for sample in samples})
    return Material(
        standard=Standard(
            world=world,
            dimensions=rubric.dimensions,
            terms=settings.terms,
            constraints=settings.constraints,
        ),
        book=CaseBook(cases=(*_sample_cases(samples, splits), *fresh_stimuli(world, settings.seed))),
        configs=configs,
    )


def _sample_cases(samples: Iterable[PublishedSample], splits: dict[str, Split]) -> list[Case]:
    return [
        Case(
            key=sample.content_hash,
            kind="sample",
            split=splits[sample.content_group],
            content_group=sample.content_group,
            input=_variables(sample.content.input),
            context=sample.content.context,
            expected_output=sample.content.expected_output,
            metadata=sample.content.metadata,
            tags=tuple(sample.content.tags),
        )
        for sample in samples
    ]


def _variables(value: str | dict[str, object]) -> str | dict[str, str]:
    if isinstance(value, str):
        return value
    return {name: part if isinstance(part, str) else orjson.dumps(part).decode() for name, part in value.items()}
