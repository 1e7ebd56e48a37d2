"""Counting approvals: a changeset is accepted once as many people as the workspace asks for approve of it."""

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.changesets.errors import ApprovalNotCounted
from spectral_platform.changesets.models import Changeset, ChangesetApproval
from spectral_platform.core.access import Caller


async def approve(session: AsyncSession, caller: Caller, changeset: Changeset) -> bool:
    """Note the caller's approval. Returns whether it is the last one that was missing; the changeset must be locked.

    Somebody who approved before and may not any more does not count. Whoever approves twice counts once, and is heard again
    because fewer approvals may be asked for by now.
    """
    required = changeset.required_approvals
    if required > 1 and caller.visitor_from is not None:
        raise ApprovalNotCounted(required)
    assert caller.id is not None, "keys cannot approve"
    others = [approval for approval in changeset.approvals if approval.user_id != caller.id]
    is_new = len(others) == len(changeset.approvals)
    if is_new:
        session.add(ChangesetApproval(workspace_id=changeset.workspace_id, changeset_id=changeset.id, user_id=caller.id))
        await session.flush()
    given = 1 + sum(approval.counts for approval in others)
    if is_new and given < required:
        await record(
            session,
            caller,
            action="changeset.approved",
            resource="changeset",
            resource_id=changeset.id,
            approvals=given,
            required_approvals=required,
        )
    return given >= required
