"""Waiting for another config of an agent."""

import asyncio
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import String, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents import queries
from spectral_platform.agents.models import Agent, ConfigVersion
from spectral_platform.agents.versions import Label
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.core.watching import CHANNEL, Watch

TOPIC = "config:"


async def tell_of_change(session: AsyncSession, agent_id: UUID) -> None:
    """Wake those who wait for another config of an agent, under its own id or an alias's, when this transaction commits."""
    told = func.pg_notify(CHANNEL, TOPIC + cast(Agent.id, String))
    await session.execute(select(told).where(or_(Agent.id == agent_id, Agent.merged_into_id == agent_id)))


async def wait_for_config(
    watch: Watch, database: Database, caller: Caller, agent_id: UUID, *, label: Label, held: Collection[str], wait_s: float
) -> ConfigVersion:
    """The config under a label as soon as it is none of those that the caller holds, or what it is after ``wait_s`` seconds.

    Raises ``AgentNotFound`` or ``ConfigNotLabelled`` as soon as that is so.
    """
    deadline = asyncio.get_running_loop().time() + wait_s
    async with watch.changes(f"{TOPIC}{agent_id}", within_s=wait_s) as changed:
        while True:
            changed.clear()
            async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
                found = await queries.get_config(session, caller, agent_id, label=label)
            if found.fingerprint not in held or not watch.is_open:
                return found
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                return found
