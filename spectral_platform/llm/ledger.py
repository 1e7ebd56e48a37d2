"""The ledger of one scan attempt: budget reservations and paid answers, committed in groups.

Every call reserves its upper bound before it is made and settles to its actual cost in the same transaction that stores its
answer, so a budget cannot be overshot and an answer is stored before it is used. Callers wait on futures while one flusher at a
time writes all that has gathered: under load a commit serves many calls, alone it serves one at once; there is no timer.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.database import Database
from spectral_platform.llm.errors import AttemptSuperseded, BudgetExhausted
from spectral_platform.llm.models import ModelCall, ScanBudget

LARGEST_GROUP = 256


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose ledger it is, and which attempt of the scan writes it."""

    account_id: UUID
    workspace_id: UUID
    scan_id: UUID
    attempt: int


@dataclass(slots=True, eq=False)
class Entry:
    """One thing to write: a change of the budget, an answer, or both."""

    reserve_usd: Decimal = Decimal(0)
    reserve_calls: int = 0
    spend_usd: Decimal = Decimal(0)
    spend_calls: int = 0
    may_use_held: bool = False
    answer: dict[str, Any] | None = None
    hit: str | None = None
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def is_new_reservation(self) -> bool:
        """Whether it asks for budget rather than giving it back."""
        return self.reserve_calls > 0


class Ledger:
    """Writes the entries of one scan attempt in groups."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self._database = database
        self._tenant = tenant
        self._waiting: list[Entry] = []
        self._flusher: asyncio.Task[None] | None = None

    async def write(self, entry: Entry) -> None:
        """Write the entry; returns when it is committed. Raises ``BudgetExhausted`` or ``AttemptSuperseded``."""
        self.post(entry)
        await asyncio.shield(entry.done)

    def post(self, entry: Entry) -> None:
        """Write the entry with the next group, without waiting."""
        self._waiting.append(entry)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())

    async def drain(self) -> None:
        """Wait until everything posted is written."""
        while self._flusher is not None and not self._flusher.done():
            await asyncio.shield(self._flusher)

    async def _flush(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:LARGEST_GROUP], self._waiting[LARGEST_GROUP:]
            try:
                refused = await self._commit(group)
            except Exception as error:  # whatever it is, those who wait must hear of it, or they would wait for ever
                for entry in group:
                    _fail(entry, error)
            else:
                for entry in group:
                    if entry in refused:
                        _fail(entry, BudgetExhausted())
                    elif not entry.done.done():
                        entry.done.set_result(None)

    async def _commit(self, group: Sequence[Entry]) -> list[Entry]:
        tenant = self._tenant
        async with self._database.transaction(account_id=tenant.account_id, workspace_id=tenant.workspace_id) as session:
            budget = await session.scalar(select(ScanBudget).where(ScanBudget.scan_id == tenant.scan_id).with_for_update())
            if budget is None or budget.attempt != tenant.attempt:
                raise AttemptSuperseded
            refused = [entry for entry in group if not book(budget, entry)]
            booked = [entry for entry in group if entry not in refused]
            await _store(session, tenant, booked)
        return refused


def book(budget: ScanBudget, entry: Entry) -> bool:
    """Book one entry on the budget; False when a new reservation does not fit."""
    if entry.is_new_reservation:
        held_usd, held_calls = (Decimal(0), 0) if entry.may_use_held else (budget.held_usd, budget.held_calls)
        promised_usd = budget.spent_usd + budget.reserved_usd + entry.reserve_usd
        promised_calls = budget.spent_calls + budget.reserved_calls + entry.reserve_calls
        if promised_usd > budget.max_usd - held_usd or promised_calls > budget.max_calls - held_calls:
            return False
    budget.reserved_usd += entry.reserve_usd
    budget.reserved_calls += entry.reserve_calls
    budget.spent_usd += entry.spend_usd
    budget.spent_calls += entry.spend_calls
    return True


async def _store(session: AsyncSession, tenant: Tenant, entries: Sequence[Entry]) -> None:
    answers = [entry.answer for entry in entries if entry.answer is not None]
    if answers:
        owner = {"workspace_id": tenant.workspace_id, "scan_id": tenant.scan_id}
        await session.execute(insert(ModelCall).on_conflict_do_nothing(), [{**owner, **answer} for answer in answers])
    hits = [entry.hit for entry in entries if entry.hit is not None]
    if hits:
        statement = (
            update(ModelCall)
            .where(ModelCall.scan_id == tenant.scan_id, ModelCall.key == bindparam("asked"))
            .values(hits=ModelCall.hits + 1)
        )
        connection = await session.connection()
        await connection.execute(statement, [{"asked": key} for key in hits])


def _fail(entry: Entry, error: Exception) -> None:
    if not entry.done.done():
        entry.done.set_exception(error)
        entry.done.exception()  # posted entries have nobody who waits; that is no unhandled error
