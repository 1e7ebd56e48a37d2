"""The ledger of one scan attempt: budget reservations and paid answers, committed in groups.

Every call reserves its upper bound before it is made and settles to its actual cost in the same transaction that stores its
answer, so a budget cannot be overshot, and groups are in order, so that an answer is stored before a call that rests on it is
made. Callers wait on futures while one flusher at a time writes all that has gathered: under load a commit serves many calls,
alone it serves one at once; there is no timer.

A group that fits as a whole is one statement, sent with its transaction in one round trip, on a connection that is kept from
group to group: borrowing one for each costs as much again. Near the end of a budget a group may not fit; then its entries are
booked one by one under the budget's lock.

What else a scan writes goes the same way and keeps the same order, so that nobody need wait for it: it is written when all is
that was posted before it, and before any call is made that was asked for after it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any, cast
from uuid import UUID

import orjson
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection as LentConnection

from spectral_platform.core.database import Database, Driver, Question, ask, driver_of
from spectral_platform.core.database import tenant as bound_to
from spectral_platform.llm.errors import AttemptSuperseded, BudgetExhausted
from spectral_platform.llm.models import ScanBudget

LARGEST_GROUP = 256
KEPT_S = 1.0
"""After so long without a group the connection is given back and one that is known to live is borrowed for the next."""
_BOOK = """
    WITH booked AS (
        UPDATE scan_budgets
        SET reserved_usd = reserved_usd + %(reserve_usd)s, reserved_calls = reserved_calls + %(reserve_calls)s,
            spent_usd = spent_usd + %(spend_usd)s, spent_calls = spent_calls + %(spend_calls)s
        WHERE scan_id = %(scan_id)s AND attempt = %(attempt)s AND (
            NOT %(is_asking)s
            OR spent_usd + reserved_usd + %(asked_usd)s <= max_usd - CASE WHEN %(may_use_held)s THEN 0 ELSE held_usd END
            AND spent_calls + reserved_calls + %(asked_calls)s
                <= max_calls - CASE WHEN %(may_use_held)s THEN 0 ELSE held_calls END
        )
        RETURNING scan_id
    )
"""
"""What is given back in the same group makes no room in it, so that it does not matter in which order its entries came."""
_STORE = """
    , stored AS (
        INSERT INTO model_calls
        SELECT answer.* FROM json_populate_recordset(NULL::model_calls, %(answers)s::json) answer
        WHERE EXISTS (SELECT FROM booked)
        ON CONFLICT DO NOTHING
    )
"""
_HIT = """
    , hit AS (
        UPDATE model_calls SET hits = hits + hit.times
        FROM unnest(%(hit_keys)s::text[], %(hit_times)s::int[]) AS hit (key, times)
        WHERE model_calls.scan_id = %(scan_id)s AND model_calls.key = hit.key AND EXISTS (SELECT FROM booked)
    )
"""
"""Only where there are hits: a planner that knows nothing of a new table yet reads all calls of the workspace for it."""
_TELL = " SELECT count(*) FROM booked"


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose ledger it is, and which attempt of the scan writes it."""

    account_id: UUID
    workspace_id: UUID
    scan_id: UUID
    attempt: int


@dataclass(slots=True, eq=False)
class Entry:
    """One thing to write: a change of the budget, an answer, or both; or what ``further`` says, beside neither.

    Its first question answers with a row if the attempt is the newest, and where it does not, the others write nothing.
    """

    reserve_usd: Decimal = Decimal(0)
    reserve_calls: int = 0
    spend_usd: Decimal = Decimal(0)
    spend_calls: int = 0
    may_use_held: bool = False
    answer: dict[str, Any] | None = None
    hit: str | None = None
    further: tuple[Question, ...] = ()
    done: asyncio.Future[None] | None = None
    """What somebody waits for; nobody does for what was only posted."""

    @property
    def is_new_reservation(self) -> bool:
        """Whether it asks for budget rather than giving it back."""
        return self.reserve_calls > 0

    @property
    def is_blank(self) -> bool:
        """Whether it says nothing, and only waits for those before it."""
        return not (self.reserve_calls or self.spend_calls or self.hit or self.further) and self.answer is None

    def end(self, error: Exception | None = None) -> None:
        """Tell whoever waits, and still does."""
        if self.done is None or self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


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
        self._lost: Exception | None = None

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
        """Write the entry; returns when it is committed.

        Raises ``BudgetExhausted`` or ``AttemptSuperseded``. Once something that was only posted is lost, whoever asks for budget
        is told so, and nothing is reserved: no call is made because of an answer that was lost.
        """
        entry.done = asyncio.get_running_loop().create_future()
        self.post(entry)
        await entry.done

    def post(self, entry: Entry) -> None:
        """Write the entry with the next group, without waiting."""
        self._waiting.append(entry)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())

    async def stored(self) -> None:
        """Wait until everything that was posted so far is written. Raises what kept something from it."""
        if self._flusher is not None and not self._flusher.done():
            await self.write(Entry())  # entries are written in their order
        if self._lost is not None:
            raise self._lost

    async def drain(self) -> None:
        """Wait until everything posted is written."""
        while self._flusher is not None and not self._flusher.done():
            await asyncio.shield(self._flusher)

    async def _flush(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # whoever is about to post, because of the last group, posts to this one
            group, self._waiting = self._waiting[:LARGEST_GROUP], self._waiting[LARGEST_GROUP:]
            refused: dict[Entry, Exception] = {}
            if self._lost is not None:
                refused = {entry: self._lost for entry in group if entry.is_new_reservation or entry.further}
            written = [entry for entry in group if entry not in refused and not entry.is_blank]
            reserved: list[Entry] = []
            try:
                if booked := [entry for entry in written if not entry.further]:
                    refused |= {entry: BudgetExhausted() for entry in await self._commit(booked)}
                    reserved = [entry for entry in booked if entry.is_new_reservation and entry not in refused]
                if further := [entry.further for entry in written if entry.further]:
                    await self._write_further(further)
            except Exception as error:  # whatever it is, those who wait must hear of it, or they would wait for ever
                refused |= dict.fromkeys(written, error)
                self._waiting += [  # nothing will be asked for what was reserved
                    Entry(reserve_usd=-entry.reserve_usd, reserve_calls=-entry.reserve_calls) for entry in reserved
                ]
                if any(entry.done is None for entry in written):
                    self._lost = self._lost or error
            for entry in group:
                entry.end(refused.get(entry))

    async def _commit(self, group: Sequence[Entry]) -> list[Entry]:
        """Write the group; those of its entries that are over the budget are given back."""
        tenant = self._tenant
        async with self._connection() as driver:
            _, booked = await ask(driver, bound_to(tenant.account_id, tenant.workspace_id), _written(tenant, group))
        if booked == [(1,)]:
            return []
        await self._give_back()  # whoever waits for a second connection while he keeps one may wait for ever
        async with self._database.transaction(account_id=tenant.account_id, workspace_id=tenant.workspace_id) as session:
            budget = await session.scalar(select(ScanBudget).where(ScanBudget.scan_id == tenant.scan_id).with_for_update())
            if budget is None or budget.attempt != tenant.attempt:
                raise AttemptSuperseded
            session.expunge(budget)  # it is reckoned with here, and written with the entries
            refused = [entry for entry in group if not book(budget, entry)]
            fitting = [entry for entry in group if entry not in refused]
            await ask(await driver_of(session), _written(tenant, fitting, is_checked=True))
        return refused

    async def _write_further(self, further: Sequence[tuple[Question, ...]]) -> None:
        """Write what entries of a group say further, in one transaction."""
        tenant = self._tenant
        async with self._connection() as driver:
            _, *answers = await ask(driver, bound_to(tenant.account_id, tenant.workspace_id), *chain.from_iterable(further))
        if not answers[0]:
            raise AttemptSuperseded

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Driver]:
        """The connection that is kept, or one for this group, on which what is asked at once is one transaction.

        After an error it is given back, and so rolled back.
        """
        if time.monotonic() > self._lent_until:
            await self._give_back()
        if self._lent is None:
            self._lent = await self._database.engine.connect()
            await self._lent.execution_options(isolation_level="AUTOCOMMIT")
        raw = await self._lent.get_raw_connection()
        try:
            yield cast("Driver", raw.driver_connection)
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


@dataclass(slots=True)
class Balance:
    """The amounts of a budget that has no row."""

    max_usd: Decimal
    max_calls: int
    held_usd: Decimal = Decimal(0)
    held_calls: int = 0
    reserved_usd: Decimal = Decimal(0)
    reserved_calls: int = 0
    spent_usd: Decimal = Decimal(0)
    spent_calls: int = 0


def book(budget: ScanBudget | Balance, entry: Entry) -> bool:
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


def _written(tenant: Tenant, entries: Sequence[Entry], *, is_checked: bool = False) -> Question:
    """The statement that writes all of the entries if they fit, else none; they do when that ``is_checked``."""
    owner = {"workspace_id": tenant.workspace_id, "scan_id": tenant.scan_id}
    hits = Counter(entry.hit for entry in entries if entry.hit is not None)
    # A statement does not see the rows that it stores: what was asked for again in the same group is counted in the answer.
    answers = [owner | entry.answer | {"hits": hits.pop(entry.answer["key"], 0)} for entry in entries if entry.answer is not None]
    asking = [entry for entry in entries if entry.is_new_reservation]
    spend_usd, spend_calls = sum(entry.spend_usd for entry in entries), sum(entry.spend_calls for entry in entries)
    values = {
        "scan_id": tenant.scan_id,
        "attempt": tenant.attempt,
        "reserve_usd": sum(entry.reserve_usd for entry in entries),
        "reserve_calls": sum(entry.reserve_calls for entry in entries),
        "spend_usd": spend_usd,
        "spend_calls": spend_calls,
        "is_asking": bool(asking) and not is_checked,
        "asked_usd": spend_usd + sum(entry.reserve_usd for entry in asking),
        "asked_calls": spend_calls + sum(entry.reserve_calls for entry in asking),
        "may_use_held": all(entry.may_use_held for entry in asking),
        "answers": orjson.dumps(answers, default=_plain).decode(),
        "hit_keys": list(hits),
        "hit_times": list(hits.values()),
    }
    return f"{_BOOK}{_STORE if answers else ''}{_HIT if hits else ''}{_TELL}", values


def _plain(value: object) -> object:
    """What JSON has no form for, as Postgres reads it."""
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
