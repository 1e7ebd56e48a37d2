"""Storing spans: one bulk path for every way in, exact whatever arrives twice, late, out of order or at the same time.

Why it is exact:

- The row of a trace is the lock of all its spans. New traces are inserted, the others are locked, both in the order of their ids,
  so that transactions about the same traces follow each other. Only where traces are deleted meanwhile can two of them wait for
  each other; whoever is broken off then has to try again.
- Under that lock no span can appear behind one's back: which copies exist is read, not guessed, and of several copies of a span
  the fuller one stays, by an order that is total, so that it does not matter which copy came first.
- A trace is computed anew from all of its spans, not adjusted by what has arrived.

Why it is fast: a trace that begins here needs no second look, since what arrived is all there is; and because nothing can
conflict, spans go in by binary ``COPY``, straight into the partition of their day. Rows are made a few at a time, so that the
loop turns meanwhile; in another thread they would make every other request wait for the interpreter's lock.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.commands import observe_agents
from spectral_platform.core import clock
from spectral_platform.traces.counting import Count, period_of
from spectral_platform.traces.partitions import partition_of
from spectral_platform.traces.rollup import SpanFacts, TraceSummary, roll_up
from spectral_platform.traces.rows import COLUMNS, SpanRow, blocks, make_rows, storable
from spectral_platform.traces.spans import SpanDraft
from spectral_platform.traces.statements import (
    ADD_COUNTS,
    BEGIN_TRACES,
    DROP_THINNER,
    ERASED_TRACES,
    KNOWN_TRACES,
    LISTS,
    LOCK_TRACES,
    PLAN_BY_KEYS,
    PREVIEW_CHARACTERS,
    PREVIEWS,
    STORED_FACTS,
    SUMMARY,
    TAG_SEPARATOR,
    TAKE_BACK_TRACES,
    UPDATE_TRACES,
)
from spectral_platform.workspaces.policies.prices import Prices

ROWS_AT_ONCE = 200
"""How many rows are made before others have their turn: some milliseconds' worth."""


@dataclass(frozen=True, slots=True)
class Stored:
    """How many spans and traces are new, and how many spans were dropped because their traces were erased."""

    spans: int
    traces: int
    erased: int = 0


@dataclass(slots=True)
class Assembly:
    """A trace as a transaction puts it together: the rows that arrived, and under the lock what is stored already."""

    rows: dict[str, SpanRow] = field(default_factory=dict)
    day: date | None = None
    stored: dict[str, SpanFacts] = field(default_factory=dict)
    inputs: dict[str, str | None] = field(default_factory=dict)
    outputs: dict[str, str | None] = field(default_factory=dict)

    def add(self, row: SpanRow) -> None:
        """Take in a copy of a span, unless a fuller one is there."""
        known = self.rows.get(row.facts.span_id)
        if known is None or row.facts.precedence > known.facts.precedence:
            self.rows[row.facts.span_id] = row

    def leave_what_is_stored(self) -> list[str]:
        """Forget the copies that are no fuller than the stored ones. Returns the spans whose stored copy has to go."""
        if self.stored:
            self.rows = {
                span_id: row
                for span_id, row in self.rows.items()
                if span_id not in self.stored or row.facts.precedence > self.stored[span_id].precedence
            }
        for span_id, row in self.rows.items():
            self.inputs[span_id], self.outputs[span_id] = row.input, row.output
        return [span_id for span_id in self.rows if span_id in self.stored]

    def summarise(self) -> TraceSummary:
        """The trace as all its spans make it."""
        arrived = {span_id: row.facts for span_id, row in self.rows.items()}
        return roll_up((self.stored | arrived).values())


class Storing:
    """One transaction's work on the traces of one workspace."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], workspace_id: UUID, moment: datetime) -> None:
        self._connection = connection
        self._workspace_id = workspace_id
        self._moment = moment
        self._today = moment.astimezone(UTC).date()

    async def store(self, traces: dict[str, Assembly]) -> Stored:
        """Store what arrived of these traces."""
        begun, known, erased = await self._take_locks(traces)
        taken_back = await self._run(TAKE_BACK_TRACES, trace_ids=sorted(erased)) if erased else ()
        dropped = sum(len(traces.pop(trace_id).rows) for trace_id in erased)
        known = {trace_id: trace for trace_id, trace in known.items() if trace_id not in erased}
        replaced = await self._replace(known)
        stored = await self._copy(traces.values())
        changed = {trace_id: trace for trace_id, trace in known.items() if trace.rows}
        if changed:
            await self._update(changed)
        return Stored(spans=stored - replaced, traces=begun - len(taken_back), erased=dropped)

    async def _take_locks(self, traces: Mapping[str, Assembly]) -> tuple[int, dict[str, Assembly], set[str]]:
        """Begin the traces that are new, lock the others and read what is stored of them.

        Returns how many are new, those that are not, and which were erased before: what comes of these is dropped. Whoever erases
        a trace holds its lock until the erasure can be seen, so under the lock there is no doubt.
        """
        begun, erased = 0, set[str]()
        known: dict[str, Assembly] = {}
        remaining = dict(traces)
        # Most spans of small requests are of traces that are there; what they come to is not worth knowing yet.
        _, looked = await self._ask((PLAN_BY_KEYS, {}), (KNOWN_TRACES, {"trace_ids": list(traces)}))
        seen = dict(looked)
        while remaining:  # a trace may be deleted between the look at it and its lock; then it begins anew
            new = {trace_id: trace for trace_id, trace in remaining.items() if trace_id not in seen}
            ids = {"trace_ids": sorted(remaining)}
            begin = [(BEGIN_TRACES, self._begun(new))] if new else []
            lock = [(LOCK_TRACES, ids), (STORED_FACTS, _places(seen))] if seen else []
            answers = iter(await self._ask(*begin, *lock, (ERASED_TRACES, ids)))
            for (trace_id,) in next(answers) if new else ():
                remaining.pop(trace_id).day = self._today
                begun += 1
            if seen:
                known |= await self._take_in(remaining, seen, locked=next(answers), stored=next(answers))
            for (trace_id,) in next(answers):  # it must not begin anew: out of order, it could wait for who waits for this one
                erased.add(trace_id)
                remaining.pop(trace_id, None)
            seen = dict.fromkeys(new.keys() & remaining.keys(), self._today)  # somebody else has begun them
        return begun, known, erased

    def _begun(self, traces: Mapping[str, Assembly]) -> dict[str, Any]:
        """Traces as what arrived makes them."""
        for trace in traces.values():
            trace.leave_what_is_stored()
        return {"day": self._today, **_columns({trace_id: trace.summarise() for trace_id, trace in traces.items()}, traces)}

    async def _take_in(
        self, remaining: dict[str, Assembly], seen: Mapping[str, date], *, locked: Sequence[Any], stored: Sequence[Any]
    ) -> dict[str, Assembly]:
        """Take from the remaining traces those that are locked, with what is stored of them. Returns these."""
        taken: dict[str, Assembly] = {}
        for trace_id, day, input_span_id, output_span_id, question, answer in locked:
            if trace_id in remaining:  # the others have just begun here
                trace = taken[trace_id] = remaining.pop(trace_id)
                trace.day, trace.inputs, trace.outputs = day, {input_span_id: question}, {output_span_id: answer}
        unasked = {trace_id: day for trace_id, trace in taken.items() if (day := trace.day) and seen.get(trace_id) != day}
        for trace_id, *facts in [*stored, *(await self._run(STORED_FACTS, **_places(unasked)) if unasked else ())]:
            if trace_id in taken:
                taken[trace_id].stored[facts[0]] = SpanFacts(*facts)
        return taken

    async def _replace(self, known: Mapping[str, Assembly]) -> int:
        """Make room for fuller copies of spans. Returns how many there are."""
        thinner = [
            (trace.day, trace_id, span_id) for trace_id, trace in known.items() for span_id in trace.leave_what_is_stored()
        ]
        if thinner:
            days, trace_ids, span_ids = zip(*thinner, strict=True)
            await self._run(DROP_THINNER, days=list(days), trace_ids=list(trace_ids), span_ids=list(span_ids))
        return len(thinner)

    async def _copy(self, traces: Iterable[Assembly]) -> int:
        by_day: dict[date, list[SpanRow]] = defaultdict(list)
        for trace in traces:
            assert trace.day is not None
            by_day[trace.day] += trace.rows.values()
        for day, rows in by_day.items():
            statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
                sql.Identifier(await partition_of(self._connection, day)), sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
            )
            async with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
                for block in blocks(rows, self._workspace_id, day, self._moment):
                    await copy.write(block)
        return sum(map(len, by_day.values()))

    async def _update(self, traces: Mapping[str, Assembly]) -> None:
        """Bring traces that were there before up to date."""
        summaries = {trace_id: trace.summarise() for trace_id, trace in traces.items()}
        unseen = [
            (traces[trace_id].day, trace_id, span_id)
            for trace_id, summary in summaries.items()
            for span_id in {summary.input_span_id, summary.output_span_id} - {None}
            if span_id not in traces[trace_id].rows
        ]
        if unseen:
            days, trace_ids, span_ids = zip(*unseen, strict=True)
            places = {"days": sorted(set(days)), "trace_ids": list(trace_ids), "span_ids": list(span_ids)}
            for trace_id, span_id, question, answer in await self._run(PREVIEWS, **places):
                traces[trace_id].inputs[span_id], traces[trace_id].outputs[span_id] = question, answer
        await self._run(UPDATE_TRACES, **_columns(summaries, traces))

    async def _run(self, statement: str, **values: Any) -> Sequence[Any]:
        """Run a statement with these values, the workspace and the time."""
        return await _rows(await self._execute(statement, values))

    async def _ask(self, *questions: tuple[str, Mapping[str, Any]]) -> list[Sequence[Any]]:
        """Run statements one after the other, on one way to the database and back."""
        async with self._connection.pipeline():
            cursors = [await self._execute(statement, values) for statement, values in questions]
        return [await _rows(cursor) for cursor in cursors]

    async def _execute(self, statement: str, values: Mapping[str, Any]) -> psycopg.AsyncCursor[Any]:
        parameters = {"workspace_id": self._workspace_id, "now": self._moment, **values} if "%(" in statement else None
        return await self._connection.execute(statement.encode(), parameters)


async def _rows(cursor: psycopg.AsyncCursor[Any]) -> Sequence[Any]:
    return await cursor.fetchall() if cursor.description else ()


def _places(days: Mapping[str, date]) -> dict[str, Any]:
    """Where the spans of traces are."""
    return {"trace_ids": sorted(days), "days": sorted(set(days.values()))}


def _columns(summaries: Mapping[str, TraceSummary], traces: Mapping[str, Assembly]) -> dict[str, list[Any]]:
    """The columns of traces, as arrays in the order of their ids."""
    rows = [
        (trace_id, *summary, _begin(trace.inputs, summary.input_span_id), _begin(trace.outputs, summary.output_span_id))
        for trace_id, summary in sorted(summaries.items())
        for trace in [traces[trace_id]]
    ]
    columns = {name: list(values) for name, values in zip(SUMMARY, zip(*rows, strict=True), strict=True)}
    for name in LISTS:
        columns[name] = [_joined(texts) for texts in columns[name]]
    return columns


def _begin(texts: Mapping[str, str | None], span_id: str | None) -> str | None:
    """How the text of a span begins."""
    text = None if span_id is None else texts[span_id]
    return text[:PREVIEW_CHARACTERS] if text else text


async def store_spans(session: AsyncSession, workspace_id: UUID, drafts: Sequence[SpanDraft], prices: Prices) -> Stored:
    """Store spans, add the agents that they name, and bring their traces up to date."""
    if not drafts:
        return Stored(spans=0, traces=0)
    names = {storable(draft.agent_name) for draft in drafts if draft.agent_name}
    agents = await observe_agents(session, workspace_id, names)
    await session.flush()
    traces: dict[str, Assembly] = defaultdict(Assembly)
    for start in range(0, len(drafts), ROWS_AT_ONCE):
        for row in make_rows(drafts[start : start + ROWS_AT_ONCE], agents, prices):
            traces[row.trace_id].add(row)
        await asyncio.sleep(0)
    return await Storing(await _driver_of(session), workspace_id, clock.now()).store(traces)


async def _driver_of(session: AsyncSession) -> psycopg.AsyncConnection[Any]:
    """The driver's connection beneath a session, in the session's transaction; COPY is nothing that SQLAlchemy knows."""
    connection = await (await session.connection()).get_raw_connection()
    return cast("psycopg.AsyncConnection[Any]", connection.driver_connection)


async def add_counts(session: AsyncSession, workspace_id: UUID, counts: Sequence[Count]) -> None:
    """Add to the counters of the current period."""
    if not counts:
        return
    connection, moment = await session.connection(), clock.now()
    await connection.exec_driver_sql(
        ADD_COUNTS,
        {
            "workspace_id": workspace_id,
            "period": period_of(moment),
            "now": moment,
            "measure": [count.measure.value for count in counts],
            "label": [storable(count.label) for count in counts],
            "count": [count.count for count in counts],
            "sample": [count.sample and storable(count.sample) for count in counts],
        },
    )


def _joined(texts: Sequence[str]) -> str:
    return TAG_SEPARATOR.join(text.replace(TAG_SEPARATOR, " ") for text in texts)
