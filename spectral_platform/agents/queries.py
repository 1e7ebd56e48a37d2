"""Reading agents, their graph and their configs."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import Field
from sqlalchemy import ScalarSelect, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from spectral_platform.agents.errors import AgentNotFound, ConfigNotLabelled, ConfigVersionNotFound
from spectral_platform.agents.graph import topological_order
from spectral_platform.agents.models import Agent, AgentDependency, ConfigLabel, ConfigVersion
from spectral_platform.agents.states import AgentOrigin, AgentStatus
from spectral_platform.agents.versions import Label
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Question
from spectral_platform.core.paging import Filter, Page, PageRequest, paginate

COLUMNS = {"created_at": Agent.created_at, "name": Agent.name}
VERSION_COLUMNS = {"created_at": ConfigVersion.created_at}
WITH_LABELS = selectinload(ConfigVersion.carried)
LONGEST_NAME = 200
HOLD_AGENTS = """
SELECT name, coalesce(merged_into_id, id) FROM agents
WHERE workspace_id = %(workspace_id)b AND deleted_at IS NULL AND name = ANY(%(names)b::text[])
ORDER BY id FOR KEY SHARE
"""


class AgentFilter(Filter):
    """Which agents to list."""

    origin: AgentOrigin | None = Field(default=None, description="Only agents that Spectral came to know in this way.")
    status: AgentStatus | None = Field(default=None, description="Only agents in this state.")
    search: str | None = Field(
        default=None,
        max_length=200,
        description="Only agents with this in their name, an alias or their description, in any case.",
    )


def names_of_agents(names: Iterable[str]) -> dict[str, str]:
    """How the agents are called that have these names on spans: a name is cut, a blank one is nobody's."""
    return {name: name.strip()[:LONGEST_NAME] for name in names if name.strip()}


def hold_agents(workspace_id: UUID, names: Iterable[str]) -> Question:
    """What agents of these names are: asks for name and id, an alias with that of the agent that it was merged into.

    They stay what they are until the transaction ends.
    """
    return HOLD_AGENTS, {"workspace_id": workspace_id, "names": sorted(names)}


@dataclass(frozen=True, slots=True)
class AgentGraph:
    """The agents of a workspace, who needs whom, and an order in which each comes after what it needs."""

    nodes: Sequence[Agent]
    edges: Sequence[AgentDependency]
    topological_order: Sequence[UUID]


def _whole(caller: Caller) -> Select[Agent]:
    """Agents with their labels and dependencies, as they are now even where the session has seen them before."""
    return (
        Agent.in_workspace(caller.workspace)
        .options(selectinload(Agent.dependencies), selectinload(Agent.labels), selectinload(Agent.merged))
        .execution_options(populate_existing=True)
    )


async def list_agents(session: AsyncSession, caller: Caller, *, filter: AgentFilter, page: PageRequest) -> Page[Agent]:
    """The agents of the workspace, inferred ones too."""
    statement = _whole(caller).where(*filter.equals(origin=Agent.origin, status=Agent.status))
    if filter.search:
        found = [column.icontains(filter.search, autoescape=True) for column in (Agent.name, Agent.description)]
        statement = statement.where(or_(*found, Agent.merged.any(Agent.name.icontains(filter.search, autoescape=True))))
    return await paginate(session, statement, page, columns=COLUMNS, tiebreak=Agent.id)


def _itself(caller: Caller, agent_id: UUID) -> ScalarSelect[UUID]:
    """The id of the agent that an id stands for: its own, or that of the one it was merged into."""
    return (
        select(func.coalesce(Agent.merged_into_id, Agent.id))
        .where(Agent.workspace_id == caller.workspace, Agent.id == agent_id)
        .scalar_subquery()
    )


async def list_current_ids(session: AsyncSession, caller: Caller, agent_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Of each of the agents the id of the one that it is now: its own, or that of the one it was merged into."""
    rows = await session.execute(
        select(Agent.id, func.coalesce(Agent.merged_into_id, Agent.id).label("current")).where(
            Agent.workspace_id == caller.workspace, Agent.id.in_(agent_ids)
        )
    )
    return {row.id: row.current for row in rows}


async def get_agent(session: AsyncSession, caller: Caller, agent_id: UUID) -> Agent:
    """One agent of the workspace; the id of one that was merged into it stands for it."""
    agent = await session.scalar(_whole(caller).where(Agent.id == _itself(caller, agent_id)))
    if agent is None:
        raise AgentNotFound(agent_id)
    return agent


async def get_agent_graph(session: AsyncSession, caller: Caller) -> AgentGraph:
    """All agents of the workspace by name, with their dependencies."""
    nodes = (await session.scalars(_whole(caller).order_by(Agent.name))).all()
    return AgentGraph(
        nodes=nodes,
        edges=[edge for agent in nodes for edge in agent.dependencies],
        topological_order=topological_order({agent.id: agent.depends_on for agent in nodes}),
    )


def _versions(caller: Caller, agent_id: UUID) -> Select[ConfigVersion]:
    return (
        ConfigVersion.in_workspace(caller.workspace)
        .join(Agent)
        .where(ConfigVersion.agent_id == _itself(caller, agent_id), Agent.deleted_at.is_(None))
        .execution_options(populate_existing=True)
    )


async def list_config_versions(
    session: AsyncSession, caller: Caller, agent_id: UUID, *, page: PageRequest
) -> Page[ConfigVersion]:
    """The config versions of an agent."""
    await get_agent(session, caller, agent_id)
    statement = _versions(caller, agent_id).options(WITH_LABELS)
    return await paginate(session, statement, page, columns=VERSION_COLUMNS, tiebreak=ConfigVersion.version)


async def get_config_version(session: AsyncSession, caller: Caller, agent_id: UUID, version: int) -> ConfigVersion:
    """One config version of an agent."""
    found = await session.scalar(_versions(caller, agent_id).where(ConfigVersion.version == version).options(WITH_LABELS))
    if found is None:
        await get_agent(session, caller, agent_id)
        raise ConfigVersionNotFound(agent_id, version)
    return found


async def get_config(session: AsyncSession, caller: Caller, agent_id: UUID, *, label: Label) -> ConfigVersion:
    """The config version that carries the label. Agents poll this, so it is one statement and reads no other labels."""
    found = await session.scalar(
        _versions(caller, agent_id).join(ConfigLabel, ConfigVersion.carried).where(ConfigLabel.label == label)
    )
    if found is None:
        await get_agent(session, caller, agent_id)
        raise ConfigNotLabelled(agent_id, label)
    return found


async def list_running_configs(
    session: AsyncSession, caller: Caller, *, name: str | None = None
) -> list[tuple[str, ConfigVersion]]:
    """What runs, by the names of the agents and their aliases: all of it, or what runs under one name."""
    statement = (
        select(Agent.name, ConfigVersion)
        .join(ConfigLabel, ConfigLabel.agent_id == func.coalesce(Agent.merged_into_id, Agent.id))
        .join(ConfigVersion, and_(ConfigVersion.agent_id == ConfigLabel.agent_id, ConfigVersion.version == ConfigLabel.version))
        .where(Agent.workspace_id == caller.workspace, Agent.deleted_at.is_(None))
        .where(ConfigLabel.label == Label.PRODUCTION)
        .order_by(Agent.name)
    )
    if name is not None:
        statement = statement.where(Agent.name == name)
    return [(agent, version) for agent, version in await session.execute(statement)]


async def find_newest_version(session: AsyncSession, caller: Caller, agent_id: UUID) -> ConfigVersion | None:
    """The newest config version of an agent, if it has any."""
    return await session.scalar(_versions(caller, agent_id).order_by(ConfigVersion.version.desc()).limit(1))


async def list_all_versions(session: AsyncSession, caller: Caller, agent_id: UUID) -> Sequence[ConfigVersion]:
    """Every config version of an agent, the oldest first."""
    return (await session.scalars(_versions(caller, agent_id).order_by(ConfigVersion.version))).all()


async def list_labels(session: AsyncSession, caller: Caller, agent_id: UUID) -> dict[Label, int]:
    """Which version carries each label now."""
    rows = await session.execute(
        select(ConfigLabel.label, ConfigLabel.version).where(
            ConfigLabel.workspace_id == caller.workspace, ConfigLabel.agent_id == agent_id
        )
    )
    return {row.label: row.version for row in rows}
