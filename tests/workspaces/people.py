"""People who come into an account that others own."""

from uuid import uuid4

import httpx

from spectral_platform.accounts.models import AccountMember, User
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import AccountRole, WorkspaceRole
from spectral_platform.core.database import Database
from spectral_platform.workspaces.models import WorkspaceMember
from tests.fixtures.callers import PASSWORD, Person


async def join(
    client: httpx.AsyncClient, database: Database, owner: Person, *, workspace_role: WorkspaceRole | None = None
) -> dict[str, str]:
    """The headers of somebody new in the owner's account, who is in the owner's workspace too if a role is given."""
    user = User(id=clock.new_id(), email=f"{uuid4().hex}@example.com", password_hash=await crypto.hash_password(PASSWORD))
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        session.add(user)
        await session.flush()
        session.add(AccountMember(account_id=owner.account_id, user_id=user.id, role=AccountRole.MEMBER))
        if workspace_role is not None:
            session.add(
                WorkspaceMember(
                    account_id=owner.account_id, workspace_id=owner.workspace_id, user_id=user.id, role=workspace_role
                )
            )
    answer = await client.post("/api/v1/auth/login", json={"email": user.email, "password": PASSWORD})
    return owner.bearing(answer.json()["access_token"])
