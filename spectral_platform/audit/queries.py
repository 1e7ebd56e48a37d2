"""Reading the audit log and checking that it is whole."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.chain import GENESIS, hash_entry
from spectral_platform.audit.models import AuditEntry, AuditHead
from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Filter, Page, PageRequest, paginate
from spectral_platform.core.values import Moment

STREAMED_AT_ONCE = 200
COLUMNS = {"created_at": AuditEntry.at}


class AuditFilter(Filter):
    """Which entries to list."""

    actor_id: UUID | None = Field(default=None, description="Only what this person or key did.")
    action: str | None = Field(default=None, description="Only this action.", examples=["changeset.applied"])
    resource: str | None = Field(default=None, description="Only this kind of thing.", examples=["changeset"])
    resource_id: str | None = Field(default=None, description="Only this thing.")
    workspace_id: UUID | None = Field(default=None, description="Only in this workspace.")
    since: Moment | None = Field(default=None, description="Not before this time.")
    until: Moment | None = Field(default=None, description="Before this time.")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    sequence: int
    entry_hash: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a chain is whole; ``first_broken`` is the sequence of the first entry that does not fit."""

    valid: bool
    entries: int
    first_broken: int | None


async def list_audit_log(session: AsyncSession, caller: Caller, *, filter: AuditFilter, page: PageRequest) -> Page[AuditEntry]:
    """The entries of the caller's account."""
    equal = filter.equals(
        actor_id=AuditEntry.actor_id,
        action=AuditEntry.action,
        resource=AuditEntry.resource,
        resource_id=AuditEntry.resource_id,
        workspace_id=AuditEntry.workspace_id,
    )
    statement = select(AuditEntry).where(AuditEntry.account_id == caller.account_id, *equal)
    if filter.since is not None:
        statement = statement.where(AuditEntry.at >= filter.since)
    if filter.until is not None:
        statement = statement.where(AuditEntry.at < filter.until)
    return await paginate(session, statement, page, columns=COLUMNS, tiebreak=AuditEntry.sequence)


async def stream_audit_log(session: AsyncSession, caller: Caller) -> AsyncGenerator[tuple[AuditEntry | None, Head | None]]:
    """The whole chain of the caller's account from its first entry, each with the end that the log had when this began.

    One statement reads both, so that entries which are added meanwhile do not look like a fault. Where there is no entry at all,
    the end comes alone.
    """
    end = select(AuditHead).where(AuditHead.account_id == caller.account_id).subquery()
    entries = (
        select(AuditEntry, select(end.c.sequence).scalar_subquery(), select(end.c.entry_hash).scalar_subquery())
        .where(AuditEntry.account_id == caller.account_id)
        .order_by(AuditEntry.sequence)
    )
    are_entries = False
    rows = await session.stream(entries.execution_options(yield_per=STREAMED_AT_ONCE))
    try:
        async for entry, sequence, entry_hash in rows:
            are_entries = True
            yield entry, None if sequence is None else Head(sequence, entry_hash)
    finally:
        await rows.close()
    if not are_entries:
        found = await session.get(AuditHead, caller.account_id)
        yield None, None if found is None else Head(found.sequence, found.entry_hash)


async def verify_audit_log(session: AsyncSession, caller: Caller) -> Verification:
    """Walk the chain of the caller's account: every hash, every sequence number and the end must fit."""
    previous, count, end = GENESIS, 0, None
    async with aclosing(stream_audit_log(session, caller)) as entries:
        async for entry, head in entries:
            end = head
            if entry is None:
                continue
            if entry.sequence != count + 1 or entry.previous_hash != previous or entry.entry_hash != hash_entry(entry):
                return Verification(valid=False, entries=count, first_broken=count + 1)
            previous, count = entry.entry_hash, count + 1
    if end != Head(count, previous):
        return Verification(valid=False, entries=count, first_broken=count + 1)
    return Verification(valid=True, entries=count, first_broken=None)
