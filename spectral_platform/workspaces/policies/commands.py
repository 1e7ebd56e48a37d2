"""Deciding on policies."""

from collections.abc import Collection
from typing import TypeVar

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.workspaces.commands import hold_workspace
from spectral_platform.workspaces.policies import queries
from spectral_platform.workspaces.policies.errors import PolicyChanged
from spectral_platform.workspaces.policies.kinds import Policy
from spectral_platform.workspaces.policies.models import WorkspacePolicy

P = TypeVar("P", bound=Policy)


async def replace_policy(session: AsyncSession, caller: Caller, policy: P, *, expected: Collection[str] | None = None) -> P:
    """Decide anew. ``expected`` are fingerprints of which the policy so far must have one, else ``PolicyChanged``."""
    await hold_workspace(session, caller)
    former = await queries.get_policy(session, caller, type(policy))
    if expected is not None and former.fingerprint not in expected:
        raise PolicyChanged(policy.kind)
    document, moment = policy.model_dump(mode="json"), clock.now()
    await session.execute(
        insert(WorkspacePolicy)
        .values(
            account_id=caller.account_id,
            workspace_id=caller.workspace,
            kind=policy.kind,
            document=document,
            created_at=moment,
            updated_at=moment,
        )
        .on_conflict_do_update(
            index_elements=[WorkspacePolicy.workspace_id, WorkspacePolicy.kind],
            set_={"document": document, "updated_at": moment},
        )
    )
    await record(
        session,
        caller,
        action=f"{policy.kind}.replaced",
        resource="workspace",
        resource_id=caller.workspace,
        former=former.fingerprint,
        fingerprint=policy.fingerprint,
    )
    return policy
