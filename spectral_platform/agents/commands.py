"""Declaring, changing and confirming agents."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.models import Agent
from spectral_platform.agents.states import AgentOrigin, AgentStatus

LONGEST_NAME = 200


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
