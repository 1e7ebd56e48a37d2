"""Changing who needs whom, one caller at a time in a workspace and never so that there is a circle."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents import queries
from spectral_platform.agents.errors import DependencyCycle, DependencyUnknown
from spectral_platform.agents.graph import find_cycle
from spectral_platform.agents.models import Agent, AgentDependency
from spectral_platform.core.access import Caller
from spectral_platform.workspaces.models import Workspace


async def lock_graph(session: AsyncSession, caller: Caller) -> None:
    """Let one caller at a time change the edges of a workspace: two edges that are fine alone may close a circle together."""
    await session.execute(select(Workspace.id).where(Workspace.id == caller.workspace).with_for_update(key_share=True))


async def set_dependencies(session: AsyncSession, caller: Caller, agent: Agent, depends_on: Collection[UUID]) -> None:
    """Let an agent need these and no others. Raises ``DependencyUnknown`` and ``DependencyCycle``."""
    await lock_graph(session, caller)
    agents = {row.id: row for row in (await queries.get_agent_graph(session, caller)).nodes}
    if missing := [agent_id for agent_id in depends_on if agent_id not in agents]:
        raise DependencyUnknown(missing)
    edges = {row.id: set(row.depends_on) for row in agents.values()} | {agent.id: set(depends_on)}
    _require_order(agents, edges)
    await _write_dependencies(session, caller, {agent.id: set(depends_on)})


async def merge_dependencies(session: AsyncSession, caller: Caller, agent: Agent, target: Agent) -> None:
    """Let the target need what the agent needs, and be needed where the agent is."""
    agents = {row.id: row for row in (await queries.get_agent_graph(session, caller)).nodes}
    before = {row.id: set(row.depends_on) for row in agents.values()}
    after = {
        each: {target.id if needed == agent.id else needed for needed in needs} - {each}
        for each, needs in {**before, target.id: before[target.id] | before[agent.id], agent.id: set[UUID]()}.items()
    }
    after[target.id].discard(target.id)
    _require_order(agents, after)
    await _write_dependencies(session, caller, {each: needs for each, needs in after.items() if needs != before[each]})


def _require_order(agents: Mapping[UUID, Agent], edges: Mapping[UUID, set[UUID]]) -> None:
    if cycle := find_cycle(edges):
        raise DependencyCycle([agents[agent_id].name for agent_id in cycle])


async def _write_dependencies(session: AsyncSession, caller: Caller, edges: Mapping[UUID, set[UUID]]) -> None:
    """Replace the edges that go out from these agents."""
    await session.execute(
        delete(AgentDependency)
        .where(AgentDependency.workspace_id == caller.workspace, AgentDependency.agent_id.in_(edges))
        .execution_options(synchronize_session=False)
    )
    session.add_all(
        AgentDependency(workspace_id=caller.workspace, agent_id=agent_id, depends_on_id=needed)
        for agent_id, needs in edges.items()
        for needed in sorted(needs)
    )
    await session.flush()
