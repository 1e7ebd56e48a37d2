"""Declaring, changing and confirming agents, and making, labelling and observing what they run with."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents import queries
from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.errors import AgentNameTaken, AgentNotFound, ConfigChanged, DependencyCycle, DependencyUnknown
from spectral_platform.agents.graph import find_cycle
from spectral_platform.agents.models import UNIQUE_NAME, Agent, AgentDependency, ConfigLabel, ConfigVersion
from spectral_platform.agents.states import AgentOrigin, AgentStatus
from spectral_platform.agents.versions import ConfigSource, Label
from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import conflict_as
from spectral_platform.core.lifecycle import move
from spectral_platform.workspaces.models import Workspace

LONGEST_NAME = 200


async def create_agent(
    session: AsyncSession,
    caller: Caller,
    *,
    name: str,
    role: str | None = None,
    description: str | None = None,
    kind: str | None = None,
    depends_on: Collection[UUID] = (),
    config: AgentConfig | None = None,
) -> Agent:
    """Declare an agent. A config given here is version 1 and carries every label: it is what runs today."""
    agent = Agent(
        workspace_id=caller.workspace,
        name=name,
        role=role,
        description=description,
        kind=kind,
        origin=AgentOrigin.DECLARED,
        status=AgentStatus.ACTIVE,
    )
    session.add(agent)
    with conflict_as(str(UNIQUE_NAME.name), AgentNameTaken(name)):
        await session.flush()
    if depends_on:
        await _set_dependencies(session, caller, agent, depends_on)
    if config is not None:
        version = await add_config_version(session, caller, agent, config=config, source=ConfigSource.MANUAL)
        await set_labels(session, agent, dict.fromkeys(Label, version.version))
    await record(session, caller, action="agent.created", resource="agent", resource_id=agent.id, name=name)
    return await queries.get_agent(session, caller, agent.id)


async def update_agent(session: AsyncSession, caller: Caller, agent_id: UUID, *, changes: dict[str, Any]) -> Agent:
    """Change the named fields: ``name``, ``role``, ``description``, ``kind`` or ``depends_on``."""
    agent = await queries.get_agent(session, caller, agent_id)
    plain = {field: value for field, value in changes.items() if field != "depends_on"}
    with conflict_as(str(UNIQUE_NAME.name), AgentNameTaken(plain.get("name", agent.name))):
        for field, value in plain.items():
            setattr(agent, field, value)
        await session.flush()
    if "depends_on" in changes:
        await _set_dependencies(session, caller, agent, changes["depends_on"])
    await record(session, caller, action="agent.updated", resource="agent", resource_id=agent.id, fields=sorted(changes))
    return await queries.get_agent(session, caller, agent_id)


async def delete_agent(session: AsyncSession, caller: Caller, agent_id: UUID) -> None:
    """Remove an agent and its place in the graph. Its history stays; a span with its name makes a new, inferred agent."""
    await _lock_graph(session, caller)
    agent = await _lock_agent(session, caller, agent_id)
    agent.deleted_at = clock.now()
    await session.execute(
        delete(AgentDependency)
        .where(AgentDependency.workspace_id == caller.workspace)
        .where(or_(AgentDependency.agent_id == agent_id, AgentDependency.depends_on_id == agent_id))
        .execution_options(synchronize_session=False)
    )
    await session.flush()
    await record(session, caller, action="agent.deleted", resource="agent", resource_id=agent_id, name=agent.name)


async def confirm_agent(session: AsyncSession, caller: Caller, agent_id: UUID) -> Agent:
    """Take an inferred agent in: from now on it may be scanned."""
    agent = await queries.get_agent(session, caller, agent_id)
    await move(session, agent, AgentStatus.ACTIVE)
    await record(session, caller, action="agent.confirmed", resource="agent", resource_id=agent_id, name=agent.name)
    return await queries.get_agent(session, caller, agent_id)


async def create_config_version(
    session: AsyncSession,
    caller: Caller,
    agent_id: UUID,
    *,
    config: AgentConfig,
    note: str | None = None,
    expected: Collection[str] | None = None,
) -> ConfigVersion:
    """A new version without labels. ``expected`` are fingerprints of which the newest version must have one."""
    agent = await _lock_agent(session, caller, agent_id)
    if expected is not None:
        newest = await queries.find_newest_version(session, caller, agent_id)
        if newest is None or newest.fingerprint not in expected:
            raise ConfigChanged(agent_id, agent.latest_version)
    version = await add_config_version(session, caller, agent, config=config, source=ConfigSource.MANUAL, note=note)
    await record(
        session,
        caller,
        action="config.created",
        resource="agent",
        resource_id=agent_id,
        version=version.version,
        source=version.source.value,
    )
    return await queries.get_config_version(session, caller, agent_id, version.version)


async def promote_config_version(
    session: AsyncSession, caller: Caller, agent_id: UUID, version: int, *, label: Label
) -> ConfigVersion:
    """Give the label to this version and take it from the one that had it. Promoting it again changes nothing."""
    agent = await _lock_agent(session, caller, agent_id)
    await queries.get_config_version(session, caller, agent_id, version)
    before = (await queries.list_labels(session, caller, agent_id)).get(label)
    if before != version:
        await set_labels(session, agent, {label: version})
        await record(
            session,
            caller,
            action="config.promoted",
            resource="agent",
            resource_id=agent_id,
            label=label.value,
            version=version,
            previous_version=before,
        )
    return await queries.get_config_version(session, caller, agent_id, version)


async def lock_agents(session: AsyncSession, caller: Caller, agent_ids: Collection[UUID]) -> dict[UUID, Agent]:
    """Those of the agents that exist, by id, locked until the transaction ends: nobody else gives them versions or labels.

    They are locked in the order of their ids, so that two callers never wait for each other.
    """
    rows = await session.scalars(
        Agent.in_workspace(caller.workspace)
        .where(Agent.id.in_(agent_ids))
        .order_by(Agent.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {agent.id: agent for agent in rows}


async def add_config_version(
    session: AsyncSession,
    caller: Caller,
    agent: Agent,
    *,
    config: AgentConfig,
    source: ConfigSource,
    note: str | None = None,
    changeset_id: UUID | None = None,
) -> ConfigVersion:
    """The next version of an agent that is new or locked."""
    agent.latest_version += 1
    version = ConfigVersion(
        workspace_id=agent.workspace_id,
        agent_id=agent.id,
        version=agent.latest_version,
        config=config,
        source=source,
        author_kind=caller.kind,
        author_id=caller.id,
        note=note,
        changeset_id=changeset_id,
    )
    session.add(version)
    await session.flush()
    return version


async def set_labels(session: AsyncSession, agent: Agent, versions: dict[Label, int] | dict[Label, int | None]) -> None:
    """Move labels of an agent that is new or locked; None takes a label off."""
    for label, version in versions.items():
        if version is None:
            await session.execute(
                delete(ConfigLabel)
                .where(ConfigLabel.agent_id == agent.id, ConfigLabel.label == label)
                .execution_options(synchronize_session=False)
            )
            continue
        moved = insert(ConfigLabel).values(workspace_id=agent.workspace_id, agent_id=agent.id, label=label, version=version)
        await session.execute(
            moved.on_conflict_do_update(
                index_elements=[ConfigLabel.agent_id, ConfigLabel.label],
                set_={"version": moved.excluded.version, "updated_at": moved.excluded.updated_at},
            )
        )


async def observe_agents(session: AsyncSession, workspace_id: UUID, names: Iterable[str]) -> dict[str, UUID]:
    """The ids of the agents with these names on spans, by name; unknown ones are added as inferred and pending.

    A name is cut to 200 characters; a blank one is nobody's and has no id. Rows are added in the order of their names, so that
    two ingestions that meet the same new agents wait for each other instead of deadlocking.
    """
    wanted = {name: name.strip()[:LONGEST_NAME] for name in names if name.strip()}
    if not wanted:
        return {}
    rows = await session.execute(
        select(Agent.name, Agent.id).where(
            Agent.workspace_id == workspace_id, Agent.deleted_at.is_(None), Agent.name.in_(set(wanted.values()))
        )
    )
    known = {row.name: row.id for row in rows}
    missing = sorted(set(wanted.values()) - known.keys())
    if missing:
        new = insert(Agent).values(
            [
                {"workspace_id": workspace_id, "name": name, "origin": AgentOrigin.INFERRED, "status": AgentStatus.PENDING}
                for name in missing
            ]
        )
        # An update that changes nothing, because DO NOTHING returns no row for an agent that somebody else has just added.
        added = new.on_conflict_do_update(
            index_elements=[Agent.workspace_id, Agent.name],
            index_where=Agent.deleted_at.is_(None),
            set_={"name": new.excluded.name},
        ).returning(Agent.name, Agent.id)
        known |= {row.name: row.id for row in await session.execute(added)}
    return {name: known[shown] for name, shown in wanted.items()}


async def _lock_agent(session: AsyncSession, caller: Caller, agent_id: UUID) -> Agent:
    locked = await lock_agents(session, caller, [agent_id])
    if agent_id not in locked:
        raise AgentNotFound(agent_id)
    return locked[agent_id]


async def _lock_graph(session: AsyncSession, caller: Caller) -> None:
    """Let one caller at a time change the edges of a workspace: two edges that are fine alone may close a circle together."""
    await session.execute(select(Workspace.id).where(Workspace.id == caller.workspace).with_for_update(key_share=True))


async def _set_dependencies(session: AsyncSession, caller: Caller, agent: Agent, depends_on: Collection[UUID]) -> None:
    await _lock_graph(session, caller)
    agents = {row.id: row for row in (await queries.get_agent_graph(session, caller)).nodes}
    if missing := [agent_id for agent_id in depends_on if agent_id not in agents]:
        raise DependencyUnknown(missing)
    edges = {row.id: set(row.depends_on) for row in agents.values()} | {agent.id: set(depends_on)}
    if cycle := find_cycle(edges):
        raise DependencyCycle([agents[agent_id].name for agent_id in cycle])
    await session.execute(
        delete(AgentDependency)
        .where(AgentDependency.workspace_id == caller.workspace, AgentDependency.agent_id == agent.id)
        .execution_options(synchronize_session=False)
    )
    session.add_all(
        AgentDependency(workspace_id=caller.workspace, agent_id=agent.id, depends_on_id=needed)
        for needed in sorted(set(depends_on))
    )
    await session.flush()
