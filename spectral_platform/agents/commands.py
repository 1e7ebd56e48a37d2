"""Declaring, changing and confirming agents, and making, labelling and observing what they run with."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents import news, queries
from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.endpoints import keep_secret_headers
from spectral_platform.agents.errors import (
    AgentBeingScanned,
    AgentMerged,
    AgentNameTaken,
    AgentNotFound,
    ConfigChanged,
    ConfigsInConflict,
    MergeIntoItself,
    PlaceholderUndeclared,
)
from spectral_platform.agents.linking import lock_graph, merge_dependencies, set_dependencies
from spectral_platform.agents.models import UNIQUE_NAME, Agent, AgentDependency, ConfigLabel, ConfigVersion, EndpointHeaders
from spectral_platform.agents.states import AgentOrigin, AgentStatus
from spectral_platform.agents.templates.queries import resolve_template
from spectral_platform.agents.versions import ConfigSource, Label
from spectral_platform.agents.watching import tell_of_change
from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import ask, conflict_as, driver_of
from spectral_platform.core.jobs import publish
from spectral_platform.core.lifecycle import move
from spectral_platform.core.settings import Settings

# Rows of rooms above, by the names of their tables. A scan's agents are pinned, so none may change while one runs.
IS_SCANNED = text("SELECT DISTINCT agent_id FROM scan_agents WHERE is_active AND agent_id IN (:agent_id, :into_id)")
FOLLOW = (
    """
    UPDATE scan_agents SET agent_id = :into_id WHERE agent_id = :agent_id
    AND scan_id NOT IN (SELECT scan_id FROM scan_agents WHERE agent_id = :into_id)
    """,
    """
    UPDATE scan_candidates SET agent_id = :into_id WHERE agent_id = :agent_id
    AND scan_id NOT IN (SELECT scan_id FROM scan_candidates WHERE agent_id = :into_id)
    """,
    """
    UPDATE changeset_items SET agent_id = :into_id, base_version = base_version + :offset,
        accepted_version = accepted_version + :offset, approved_before = approved_before + :offset,
        production_before = production_before + :offset
    WHERE agent_id = :agent_id AND changeset_id NOT IN (SELECT changeset_id FROM changeset_items WHERE agent_id = :into_id)
    """,
    "UPDATE failure_clusters SET agent_id = :into_id WHERE agent_id = :agent_id",
)
"""What takes scans, changesets and clusters along with an agent that is merged; a scan about both agents stays as it was."""
ITSELF = func.coalesce(Agent.merged_into_id, Agent.id).label("id")


async def create_agent(
    session: AsyncSession,
    caller: Caller,
    server: Settings,
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
        await set_dependencies(session, caller, agent, depends_on)
    if config is not None:
        whole = await _complete(session, caller, config)
        kept = await keep_secret_headers(session, server, agent, whole)
        version = await add_config_version(session, caller, agent, config=kept, source=ConfigSource.MANUAL)
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
        await set_dependencies(session, caller, agent, changes["depends_on"])
    await record(session, caller, action="agent.updated", resource="agent", resource_id=agent.id, fields=sorted(changes))
    return await queries.get_agent(session, caller, agent_id)


async def delete_agent(session: AsyncSession, caller: Caller, agent_id: UUID) -> None:
    """Remove an agent, its aliases and its place in the graph. Its history stays; a span with its name makes a new agent."""
    await lock_graph(session, caller)
    agent = await _lock_agent(session, caller, agent_id)
    if agent.id != agent_id:
        raise AgentMerged(agent_id, agent.id)
    agent.deleted_at = clock.now()
    await tell_of_change(session, agent_id)
    await session.execute(
        update(Agent)
        .where(Agent.workspace_id == caller.workspace, Agent.merged_into_id == agent_id)
        .values(deleted_at=agent.deleted_at)
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        delete(AgentDependency)
        .where(AgentDependency.workspace_id == caller.workspace)
        .where(or_(AgentDependency.agent_id == agent_id, AgentDependency.depends_on_id == agent_id))
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        delete(EndpointHeaders)
        .where(EndpointHeaders.workspace_id == caller.workspace, EndpointHeaders.agent_id == agent_id)
        .execution_options(synchronize_session=False)
    )
    await session.flush()
    await record(session, caller, action="agent.deleted", resource="agent", resource_id=agent_id, name=agent.name)


async def confirm_agent(session: AsyncSession, caller: Caller, agent_id: UUID) -> Agent:
    """Take an inferred agent in: from now on it may be scanned."""
    agent = await queries.get_agent(session, caller, agent_id)
    await move(session, agent, AgentStatus.ACTIVE)
    await record(session, caller, action="agent.confirmed", resource="agent", resource_id=agent.id, name=agent.name)
    return await queries.get_agent(session, caller, agent_id)


async def merge_agent(session: AsyncSession, caller: Caller, agent_id: UUID, *, into: UUID) -> Agent:
    """Make an agent an alias of another: what has its name, now and later, is the other agent's. Doing so again changes nothing.

    Its place in the graph, its config versions (numbered on from the other agent's) and its changesets, scans and clusters
    go over at once, its traces are taken over by the worker. A label that only one of the two has stays where it is; one that
    both have must be on equal configs.
    """
    await lock_graph(session, caller)
    target = await queries.get_agent(session, caller, into)
    found = await queries.get_agent(session, caller, agent_id)
    if found.id == target.id and agent_id not in {target.id, into}:
        return target
    if found.id == target.id:
        raise MergeIntoItself(agent_id)
    if found.id != agent_id:
        raise AgentMerged(agent_id, found.id)
    await _lock_names(session, caller, agent_id, target.id)
    agents = await lock_agents(session, caller, [agent_id, target.id])
    if missing := {agent_id, target.id} - agents.keys():
        raise AgentNotFound(missing.pop())
    agent, target = agents[agent_id], agents[target.id]
    places = {"agent_id": agent.id, "into_id": target.id}
    if scanned := set(await session.scalars(IS_SCANNED, places)):
        raise AgentBeingScanned([each.name for each in (agent, target) if each.id in scanned])
    await merge_dependencies(session, caller, agent, target)
    offset = target.latest_version
    await _merge_configs(session, caller, agent, target)
    await session.execute(
        update(Agent)
        .where(Agent.workspace_id == caller.workspace, or_(Agent.id == agent.id, Agent.merged_into_id == agent.id))
        .values(merged_into_id=target.id, updated_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    for statement in FOLLOW:
        await session.execute(text(statement), {**places, "offset": offset} if ":offset" in statement else places)
    if agent.status is AgentStatus.ACTIVE and target.status is AgentStatus.PENDING:
        await move(session, target, AgentStatus.ACTIVE)
    await publish(session, news.AgentMerged(account_id=caller.account_id, workspace_id=caller.workspace, **places))
    detail = {"name": agent.name, "into": target.name, "into_id": str(target.id)}
    await record(session, caller, action="agent.merged", resource="agent", resource_id=agent_id, **detail)
    return await queries.get_agent(session, caller, target.id)


async def create_config_version(
    session: AsyncSession,
    caller: Caller,
    server: Settings,
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
    whole = await _complete(session, caller, config)
    kept = await keep_secret_headers(session, server, agent, whole)
    version = await add_config_version(session, caller, agent, config=kept, source=ConfigSource.MANUAL, note=note)
    await record(
        session,
        caller,
        action="config.created",
        resource="agent",
        resource_id=agent.id,
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
    before = (await queries.list_labels(session, caller, agent.id)).get(label)
    if before != version:
        await set_labels(session, agent, {label: version})
        await record(
            session,
            caller,
            action="config.promoted",
            resource="agent",
            resource_id=agent.id,
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
    await tell_of_change(session, agent.id)


async def observe_agents(
    session: AsyncSession, workspace_id: UUID, names: Iterable[str], *, held: Mapping[str, UUID] | None = None
) -> dict[str, UUID]:
    """The ids of the agents with these names on spans, by name; unknown ones are added as inferred and pending.

    A name is cut to 200 characters; a blank one is nobody's and has no id; an alias is the agent's that it was merged into. Rows
    are added in the order of their names, so that two ingestions that meet the same new agents wait for each other instead of
    deadlocking. Those that are there are held until the transaction ends, as the traces' foreign key would have it anyway: a
    merge waits for what is being stored under the old id, or what comes later learns of the new one. ``held`` are agents that
    the transaction holds already, by ``hold_agents``.
    """
    wanted = queries.names_of_agents(names)
    known = dict(held or {})
    unheld = set(wanted.values()) - known.keys()
    if unheld:
        (found,) = await ask(await driver_of(session), queries.hold_agents(workspace_id, unheld))
        known |= dict(found)
    missing = sorted(unheld - known.keys())
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
        ).returning(Agent.name, ITSELF)
        known |= {row.name: row.id for row in await session.execute(added)}
    return {name: known[shown] for name, shown in wanted.items()}


async def _complete(session: AsyncSession, caller: Caller, config: AgentConfig) -> AgentConfig:
    """The config with the text of its managed template. Raises ``PlaceholderUndeclared`` and what ``resolve_template`` raises."""
    whole = await resolve_template(session, caller, config)
    if undeclared := whole.template.undeclared:
        raise PlaceholderUndeclared(undeclared)
    return whole


async def _lock_agent(session: AsyncSession, caller: Caller, agent_id: UUID) -> Agent:
    """The agent that the id stands for, locked."""
    found = await queries.get_agent(session, caller, agent_id)
    locked = await lock_agents(session, caller, [found.id])
    if found.id not in locked:
        raise AgentNotFound(agent_id)
    return locked[found.id]


async def _lock_names(session: AsyncSession, caller: Caller, agent_id: UUID, into: UUID) -> None:
    """Lock two agents and the aliases of the first, in the order in which ingestion holds them.

    Who stores spans under an alias holds its row alone, and has learned from it whose they are.
    """
    names = or_(Agent.id.in_([agent_id, into]), Agent.merged_into_id == agent_id)
    await session.execute(
        select(Agent.id).where(Agent.workspace_id == caller.workspace, names).order_by(Agent.id).with_for_update()
    )


async def _merge_configs(session: AsyncSession, caller: Caller, agent: Agent, target: Agent) -> None:
    """Number the agent's config versions on from the target's, with their labels where the target has none of them."""
    versions = await queries.list_all_versions(session, caller, agent.id)
    configs = {version.version: version.config for version in versions}
    own, others = await queries.list_labels(session, caller, agent.id), await queries.list_labels(session, caller, target.id)
    for label in own.keys() & others.keys():
        other = await queries.get_config_version(session, caller, target.id, others[label])
        if other.config != configs[own[label]]:
            raise ConfigsInConflict(label, agent.name, target.name)
    offset = target.latest_version
    session.add_all(version.copied(to=target.id, number=offset + version.version) for version in versions)
    target.latest_version += agent.latest_version
    await session.flush()
    await session.execute(
        update(EndpointHeaders)
        .where(EndpointHeaders.workspace_id == caller.workspace, EndpointHeaders.agent_id == agent.id)
        .values(agent_id=target.id)
        .execution_options(synchronize_session=False)
    )
    await set_labels(session, target, {label: offset + version for label, version in own.items() if label not in others})
    await set_labels(session, agent, dict.fromkeys(own, None))
