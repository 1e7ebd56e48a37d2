"""Writing the audit log."""

from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.accountability import count_entry, except_arrival
from spectral_platform.audit.chain import GENESIS, hash_entry
from spectral_platform.audit.models import AuditEntry, AuditHead
from spectral_platform.core import clock
from spectral_platform.core.access import Caller


async def record(
    session: AsyncSession, caller: Caller, *, action: str, resource: str, resource_id: UUID | str, **detail: Any
) -> None:
    """Append what the caller did, in the transaction that does it. ``detail`` must be JSON and never holds a secret."""
    await _append(session, caller, action=action, resource=resource, resource_id=resource_id, detail=detail)
    count_entry(session)


async def record_arrival(session: AsyncSession, caller: Caller) -> None:
    """Append that a visitor came into the account: an entry beside the one of what they change there, if they change anything."""
    await _append(session, caller, action="account.visited", resource="account", resource_id=caller.account_id, detail={})
    except_arrival(session)


async def _append(
    session: AsyncSession, caller: Caller, *, action: str, resource: str, resource_id: UUID | str, detail: dict[str, Any]
) -> None:
    await session.execute(
        insert(AuditHead).values(account_id=caller.account_id, sequence=0, entry_hash=GENESIS).on_conflict_do_nothing()
    )
    ends = update(AuditHead).where(AuditHead.account_id == caller.account_id).execution_options(synchronize_session=False)
    head = (
        await session.execute(
            select(AuditHead.sequence, AuditHead.entry_hash).where(AuditHead.account_id == caller.account_id).with_for_update()
        )
    ).one()
    entry = AuditEntry(
        account_id=caller.account_id,
        sequence=head.sequence + 1,
        at=clock.now(),
        actor_kind=caller.kind.value,
        actor_id=caller.id,
        workspace_id=caller.workspace_id,
        action=action,
        resource=resource,
        resource_id=str(resource_id),
        detail=detail,
        previous_hash=head.entry_hash,
    )
    entry.entry_hash = hash_entry(entry)
    session.add(entry)
    await session.flush()  # the database lets the head move to an entry that is there, and nowhere else
    await session.execute(ends.values(sequence=entry.sequence, entry_hash=entry.entry_hash))
