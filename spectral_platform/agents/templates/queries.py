"""Reading managed templates: their versions, who uses them, and what configs that refer to them say."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager

from spectral_platform.agents.configuration import AgentConfig, TemplateReference
from spectral_platform.agents.models import Agent, ConfigLabel, ConfigVersion
from spectral_platform.agents.templates.errors import (
    ManagedTemplateDiffers,
    ManagedTemplateNotFound,
    ManagedTemplateUnknown,
)
from spectral_platform.agents.templates.models import ManagedTemplate, TemplateVersion
from spectral_platform.agents.versions import Label
from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate

COLUMNS = {"created_at": ManagedTemplate.created_at, "name": ManagedTemplate.name}
VERSION_COLUMNS = {"created_at": TemplateVersion.created_at}


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """A config version that refers to a managed template and counts: it is its agent's newest, or carries labels."""

    agent_id: UUID
    agent_name: str
    config_version: int
    template_version: int
    labels: Sequence[Label]


def _versions(caller: Caller) -> Select[TemplateVersion]:
    return (
        TemplateVersion.in_workspace(caller.workspace)
        .join(TemplateVersion.template)
        .options(contains_eager(TemplateVersion.template))
        .execution_options(populate_existing=True)
    )


async def list_managed_templates(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[TemplateVersion]:
    """The managed templates of the workspace, each in its current version."""
    current = _versions(caller).where(TemplateVersion.version == ManagedTemplate.current_version)
    return await paginate(session, current, page, columns=COLUMNS, tiebreak=ManagedTemplate.id)


async def get_managed_template(
    session: AsyncSession, caller: Caller, name: str, *, version: int | None = None
) -> TemplateVersion:
    """A managed template in its current version or in another one."""
    wanted = ManagedTemplate.current_version if version is None else version
    found = await session.scalar(_versions(caller).where(ManagedTemplate.name == name, TemplateVersion.version == wanted))
    if found is None:
        raise ManagedTemplateNotFound(name, version)
    return found


async def list_template_versions(session: AsyncSession, caller: Caller, name: str, *, page: PageRequest) -> Page[TemplateVersion]:
    """The versions of a managed template."""
    await get_managed_template(session, caller, name)
    statement = _versions(caller).where(ManagedTemplate.name == name)
    return await paginate(session, statement, page, columns=VERSION_COLUMNS, tiebreak=TemplateVersion.version)


async def list_template_uses(session: AsyncSession, caller: Caller, name: str) -> Sequence[TemplateUse]:
    """Which agents run, are scanned or were last written with a managed template, in whatever version of it."""
    reference = type_coerce(ConfigVersion.config, JSONB)["template"]["managed_template"]
    labels = func.array_agg(aggregate_order_by(ConfigLabel.label, ConfigLabel.label)).filter(ConfigLabel.label.is_not(None))
    carried = and_(ConfigLabel.agent_id == ConfigVersion.agent_id, ConfigLabel.version == ConfigVersion.version)
    rows = await session.execute(
        select(Agent.id, Agent.name, ConfigVersion.version, reference["version"].as_integer().label("referred"), labels)
        .join(ConfigVersion, ConfigVersion.agent_id == Agent.id)
        .outerjoin(ConfigLabel, carried)
        .where(Agent.workspace_id == caller.workspace, Agent.deleted_at.is_(None), Agent.merged_into_id.is_(None))
        .where(reference["name"].as_string() == name)
        .where(or_(ConfigLabel.label.is_not(None), ConfigVersion.version == Agent.latest_version))
        .group_by(Agent.id, Agent.name, ConfigVersion.version, "referred")
        .order_by(Agent.name, ConfigVersion.version)
    )
    return [
        TemplateUse(agent_id, agent, config_version, referred, [Label(label) for label in carried or ()])
        for agent_id, agent, config_version, referred, carried in rows
    ]


async def resolve_template(session: AsyncSession, caller: Caller, config: AgentConfig) -> AgentConfig:
    """The config with the text of the managed template that it refers to, which cannot be deleted before this is committed.

    A config version holds the text that its reference stands for, so that nothing that reads it needs to look further.
    """
    reference = config.template.managed_template
    if reference is None:
        return config
    held = await session.scalar(
        ManagedTemplate.in_workspace(caller.workspace)
        .where(ManagedTemplate.name == reference.name)
        .with_for_update(read=True, key_share=True)
        .execution_options(populate_existing=True)
    )
    version = None
    if held is not None:
        version = await session.get(TemplateVersion, (held.id, reference.version or held.current_version))
    if version is None:
        raise ManagedTemplateUnknown(reference.name, reference.version)
    if config.template.base_prompt not in {"", version.text}:
        raise ManagedTemplateDiffers(reference.name, version.version)
    return with_text(config, version.text, TemplateReference(name=reference.name, version=version.version))


def with_text(config: AgentConfig, text: str, reference: TemplateReference | None) -> AgentConfig:
    """The config with this base prompt, and where it is from."""
    template = config.template.model_copy(update={"base_prompt": text, "managed_template": reference})
    return config.model_copy(update={"template": template})
