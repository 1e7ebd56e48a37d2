"""The ledger of one scan attempt: budget reservations and paid answers, committed in groups.

Every call reserves its upper bound before it is made and settles to its actual cost in the same transaction that stores its
answer, so a budget cannot be overshot, and groups are in order, so that an answer is stored before a call that rests on it is
made. Callers wait on futures while one flusher at a time writes all that has gathered: under load a commit serves many calls,
alone it serves one at once; there is no timer.

A group that fits as a whole is one statement, sent with its transaction in one round trip, on a connection that is kept from
group to group: borrowing one for each costs as much again. Near the end of a budget a group may not fit; then its entries are
booked one by one under the budget's lock.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection as LentConnection
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.database import Database
from spectral_platform.llm.errors import AttemptSuperseded, BudgetExhausted
from spectral_platform.llm.models import ScanBudget

LARGEST_GROUP = 256
KEPT_S = 1.0
"""After so long without a group the connection is given back and one that is known to live is borrowed for the next."""
_BIND = "SELECT set_config('spectral.account_id', %s, true), set_config('spectral.workspace_id', %s, true)"
_BOOK = """
    UPDATE scan_budgets
    SET reserved_usd = reserved_usd + %(reserve_usd)s, reserved_calls = reserved_calls + %(reserve_calls)s,
        spent_usd = spent_usd + %(spend_usd)s, spent_calls = spent_calls + %(spend_calls)s
    WHERE scan_id = %(scan_id)s AND attempt = %(attempt)s AND (
        NOT %(is_asking)s
        OR spent_usd + reserved_usd + %(asked_usd)s <= max_usd - CASE WHEN %(may_use_held)s THEN 0 ELSE held_usd END
        AND spent_calls + reserved_calls + %(asked_calls)s <= max_calls - CASE WHEN %(may_use_held)s THEN 0 ELSE held_calls END
    )
    RETURNING scan_id
"""
"""What is given back in the same group makes no room in it, so that it does not matter in which order its entries came."""
_STORE = """
    INSERT INTO model_calls
    SELECT answer.* FROM json_populate_recordset(NULL::model_calls, %(answers)s::json) answer{condition}
    ON CONFLICT DO NOTHING
"""
_HIT = """
    UPDATE model_calls SET hits = hits + hit.times
    FROM unnest(%(hit_keys)s::text[], %(hit_times)s::int[]) AS hit (key, times)
    WHERE model_calls.scan_id = %(scan_id)s AND model_calls.key = hit.key{condition}
"""
_WRITE = f"""
    WITH booked AS ({_BOOK}),
        stored AS ({_STORE.format(condition=" WHERE EXISTS (SELECT FROM booked)")}),
        hit AS ({_HIT.format(condition=" AND EXISTS (SELECT FROM booked)")})
    SELECT count(*) FROM booked
"""


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
        self._lent: LentConnection | None = None
        self._lent_until = 0.0
        self._keeps = False

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Keep a connection from group to group inside, where groups follow each other closely."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False
            await self.drain()
            await self._give_back()

    async def write(self, entry: Entry) -> None:
        """Write the entry; returns when it is committed. Raises ``BudgetExhausted`` or ``AttemptSuperseded``."""
        self.post(entry)
        await entry.done

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
            await asyncio.sleep(0)  # whoever is about to post, because of the last group, posts to this one
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
        """Write the group; those of its entries that are over the budget are given back."""
        if await self._commit_whole(group):
            return []
        await self._give_back()  # whoever waits for a second connection while he keeps one may wait for ever
        tenant = self._tenant
        async with self._database.transaction(account_id=tenant.account_id, workspace_id=tenant.workspace_id) as session:
            budget = await session.scalar(select(ScanBudget).where(ScanBudget.scan_id == tenant.scan_id).with_for_update())
            if budget is None or budget.attempt != tenant.attempt:
                raise AttemptSuperseded
            refused = [entry for entry in group if not book(budget, entry)]
            await session.flush()
            await _store(session, tenant, [entry for entry in group if entry not in refused])
        return refused

    async def _commit_whole(self, group: Sequence[Entry]) -> bool:
        """Write the group if all of it fits; else nothing is written."""
        tenant = self._tenant
        asking = [entry for entry in group if entry.is_new_reservation]
        spend_usd, spend_calls = sum(entry.spend_usd for entry in group), sum(entry.spend_calls for entry in group)
        values = _values(tenant, group) | {
            "attempt": tenant.attempt,
            "reserve_usd": sum(entry.reserve_usd for entry in group),
            "reserve_calls": sum(entry.reserve_calls for entry in group),
            "spend_usd": spend_usd,
            "spend_calls": spend_calls,
            "is_asking": bool(asking),
            "asked_usd": spend_usd + sum(entry.reserve_usd for entry in asking),
            "asked_calls": spend_calls + sum(entry.reserve_calls for entry in asking),
            "may_use_held": all(entry.may_use_held for entry in asking),
        }
        async with self._connection() as connection:
            async with connection.pipeline():
                await connection.execute(_BIND, (str(tenant.account_id), str(tenant.workspace_id)))
                written = await connection.execute(_WRITE, values)
                await connection.commit()
            return await written.fetchone() == (1,)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """The connection that is kept, or one for this group; after an error it is given back, and so rolled back."""
        if time.monotonic() > self._lent_until:
            await self._give_back()
        if self._lent is None:
            self._lent = await self._database.engine.connect()
        raw = await self._lent.get_raw_connection()
        try:
            yield raw.driver_connection  # type: ignore[misc] # psycopg's, as the dialect says
        except BaseException:
            await self._give_back()
            raise
        self._lent_until = time.monotonic() + KEPT_S
        # Those that are kept leave half of the pool to everybody else, whoever keeps one and waits for another included.
        if not self._keeps or 2 * self._database.connections_in_use() > self._database.connections_most:
            await self._give_back()

    async def _give_back(self) -> None:
        lent, self._lent = self._lent, None
        if lent is not None:
            await lent.close()


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
    connection = await (await session.connection()).get_raw_connection()
    values = _values(tenant, entries)
    for statement in (_STORE, _HIT):
        await connection.driver_connection.execute(statement.format(condition=""), values)  # type: ignore[union-attr] # psycopg's


def _values(tenant: Tenant, entries: Sequence[Entry]) -> dict[str, Any]:
    owner = {"workspace_id": tenant.workspace_id, "scan_id": tenant.scan_id}
    hits = Counter(entry.hit for entry in entries if entry.hit is not None)
    # A statement does not see the rows that it stores: what was asked for again in the same group is counted in the answer.
    answers = [owner | entry.answer | {"hits": hits.pop(entry.answer["key"], 0)} for entry in entries if entry.answer is not None]
    return {
        "scan_id": tenant.scan_id,
        "answers": orjson.dumps(answers, default=_plain).decode(),
        "hit_keys": list(hits),
        "hit_times": list(hits.values()),
    }


def _plain(value: object) -> object:
    """What JSON has no form for, as Postgres reads it."""
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)


def _fail(entry: Entry, error: Exception) -> None:
    if not entry.done.done():
        entry.done.set_exception(error)
        entry.done.exception()  # posted entries have nobody who waits; that is no unhandled error
