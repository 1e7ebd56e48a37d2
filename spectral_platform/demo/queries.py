"""Finding the demo workspace again."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.queries import find_user, get_membership
from spectral_platform.agents.models import Agent
from spectral_platform.core.database import bind_tenant, bind_user
from spectral_platform.demo.content import AGENT_NAME
from spectral_platform.workspaces.models import Workspace

WORKSPACE_NAME = "Demo"


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo workspace and its agent."""

    account_id: UUID
    workspace_id: UUID
    agent_id: UUID


async def find_demo(session: AsyncSession, *, email: str) -> Demo | None:
    """The demo workspace of the person with this email address; None when there is no such person or it is gone."""
    user = await find_user(session, email=email)
    if user is None:
        return None
    await bind_user(session, user.id)
    account_id = (await get_membership(session, user_id=user.id)).account_id
    await bind_tenant(session, account_id=account_id)
    workspace_id = await session.scalar(
        select(Workspace.id).where(Workspace.account_id == account_id, Workspace.name == WORKSPACE_NAME)
    )
    if workspace_id is None:
        return None
    await bind_tenant(session, account_id=account_id, workspace_id=workspace_id)
    agent_id = await session.scalar(Agent.in_workspace(workspace_id).where(Agent.name == AGENT_NAME).with_only_columns(Agent.id))
    return None if agent_id is None else Demo(account_id=account_id, workspace_id=workspace_id, agent_id=agent_id)
