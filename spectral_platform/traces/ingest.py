"""Storing spans: one bulk path for every way in, exact whatever arrives twice, late, out of order or at the same time.

Why it is exact:

- The row of a trace is the lock of all its spans. New traces are inserted, the others are locked, both in the order of their ids,
  so that transactions about the same traces follow each other. Only where traces are deleted meanwhile can two of them wait for
  each other; whoever is broken off then has to try again.
- Under that lock no span can appear behind one's back: which copies exist is read, not guessed, and of several copies of a span
  the fuller one stays, by an order that is total, so that it does not matter which copy came first.
- A trace is computed anew from all of its spans, not adjusted by what has arrived.

Why it is fast: whatever can be asked together is one way to the database and back, of which a commit of a few spans has six; a
trace that begins here needs no second look, since what arrived is all there is; and because nothing can conflict, spans go in by
binary ``COPY``, straight into the partition of their day. Rows are made a few at a time, so that the loop turns meanwhile; in
another thread they would make every other request wait for the interpreter's lock.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from psycopg import sql
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.commands import observe_agents
from spectral_platform.agents.queries import hold_agents, names_of_agents
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Driver, Question, ask, driver_of, tenant
from spectral_platform.traces.counting import Count, period_of
from spectral_platform.traces.partitions import existing, name_of, partition_of
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
from spectral_platform.workspaces.policies.masking import Masking
from spectral_platform.workspaces.policies.prices import Prices
from spectral_platform.workspaces.policies.queries import ingestion_policies, read_ingestion_policies

ROWS_AT_ONCE = 200
"""How many rows are made before others have their turn: some milliseconds' worth."""


@dataclass(frozen=True, slots=True)
class Stored:
    """How many spans and traces are new, and how many spans were dropped because their traces were erased."""

    spans: int
    traces: int
    erased: int = 0


@dataclass(frozen=True, slots=True)
class Ground:
    """What a transaction of a workspace knows before it stores spans.

    ``agents`` are held, by the names that they are shown with; ``days`` are those of the traces that were there at a first look.
    """

    driver: Driver
    workspace_id: UUID
    masking: Masking
    prices: Prices
    agents: Mapping[str, UUID]
    days: Mapping[str, date]
    partitions: frozenset[str]


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

    def unseen_texts_of(self, summary: TraceSummary) -> set[str]:
        """The spans whose texts the trace shows and that neither arrived nor gave it its texts before."""
        unseen = set()
        if summary.input_span_id is not None and summary.input_span_id not in self.inputs:
            unseen.add(summary.input_span_id)
        if summary.output_span_id is not None and summary.output_span_id not in self.outputs:
            unseen.add(summary.output_span_id)
        return unseen

    def summarise(self) -> TraceSummary:
        """The trace as all its spans make it."""
        arrived = {span_id: row.facts for span_id, row in self.rows.items()}
        return roll_up((self.stored | arrived).values())


class Storing:
    """One transaction's work on the traces of one workspace."""

    def __init__(self, ground: Ground, moment: datetime) -> None:
        self._ground = ground
        self._moment = moment
        self._today = moment.astimezone(UTC).date()
        self._changed: dict[str, Assembly] = {}

    async def store(self, traces: dict[str, Assembly]) -> Stored:
        """Store what arrived of these traces; those that were there before are brought up to date by ``finish``."""
        begun, known, erased = await self._take_locks(traces)
        taken_back = await self._run(TAKE_BACK_TRACES, trace_ids=sorted(erased)) if erased else ()
        dropped = sum(len(traces.pop(trace_id).rows) for trace_id in erased)
        known = {trace_id: trace for trace_id, trace in known.items() if trace_id not in erased}
        replaced = await self._replace(known)
        stored = await self._copy(traces.values())
        self._changed = {trace_id: trace for trace_id, trace in known.items() if trace.rows}
        return Stored(spans=stored - replaced, traces=begun - len(taken_back), erased=dropped)

    async def finish(self, counts: Sequence[Count]) -> None:
        """Bring the traces that were there before up to date, and add to the counters of the current period."""
        update = [await self._update(self._changed)] if self._changed else []
        added = [self._question(ADD_COUNTS, **self._added(counts))] if counts else []
        await ask(self._ground.driver, *update, *added)

    async def _take_locks(self, traces: Mapping[str, Assembly]) -> tuple[int, dict[str, Assembly], set[str]]:
        """Begin the traces that are new, lock the others and read what is stored of them.

        Returns how many are new, those that are not, and which were erased before: what comes of these is dropped. Whoever erases
        a trace holds its lock until the erasure can be seen, so under the lock there is no doubt.
        """
        begun, erased = 0, set[str]()
        known: dict[str, Assembly] = {}
        remaining = dict(traces)
        # Most spans of small requests are of traces that are there; what they come to is not worth knowing yet.
        seen = {trace_id: day for trace_id, day in self._ground.days.items() if trace_id in traces}
        while remaining:  # a trace may be deleted between the look at it and its lock; then it begins anew
            new = {trace_id: trace for trace_id, trace in remaining.items() if trace_id not in seen}
            ids = sorted(remaining)
            begin = [self._question(BEGIN_TRACES, **self._begun(new))] if new else []
            lock = [self._question(LOCK_TRACES, trace_ids=ids), self._question(STORED_FACTS, **_places(seen))] if seen else []
            answers = iter(await ask(self._ground.driver, *begin, *lock, self._question(ERASED_TRACES, trace_ids=ids)))
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
            name = name_of(day)
            if name not in self._ground.partitions:
                name = await partition_of(self._ground.driver, day)
            async with self._ground.driver.cursor() as cursor, cursor.copy(_copy_into(name)) as copy:
                for block in blocks(rows, self._ground.workspace_id, day, self._moment):
                    await copy.write(block)
        return sum(map(len, by_day.values()))

    async def _update(self, traces: Mapping[str, Assembly]) -> Question:
        """What brings traces that were there before up to date."""
        summaries = {trace_id: trace.summarise() for trace_id, trace in traces.items()}
        unseen = [
            (trace.day, trace_id, span_id)
            for trace_id, trace in traces.items()
            for span_id in trace.unseen_texts_of(summaries[trace_id])
        ]
        if unseen:
            days, trace_ids, span_ids = zip(*unseen, strict=True)
            places = {"days": sorted(set(days)), "trace_ids": list(trace_ids), "span_ids": list(span_ids)}
            for trace_id, span_id, question, answer in await self._run(PREVIEWS, **places):
                traces[trace_id].inputs[span_id], traces[trace_id].outputs[span_id] = question, answer
        return self._question(UPDATE_TRACES, day=self._today, **_columns(summaries, traces))

    def _added(self, counts: Sequence[Count]) -> dict[str, Any]:
        return {
            "period": period_of(self._moment),
            "measure": [count.measure.value for count in counts],
            "label": [storable(count.label) for count in counts],
            "count": [count.count for count in counts],
            "sample": [count.sample and storable(count.sample) for count in counts],
        }

    async def _run(self, statement: str, **values: Any) -> Sequence[Any]:
        """Run a statement by itself."""
        (answer,) = await ask(self._ground.driver, self._question(statement, **values))
        return answer

    def _question(self, statement: str, **values: Any) -> Question:
        """A statement with these values, the workspace and the time."""
        return statement, {"workspace_id": self._ground.workspace_id, "now": self._moment, **values}


@lru_cache
def _copy_into(partition: str) -> bytes:
    """The statement that takes rows of spans."""
    columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(partition), columns).as_bytes()


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


async def survey(session: AsyncSession, caller: Caller, drafts: Sequence[SpanDraft]) -> Ground:
    """Bind the transaction to the caller's workspace and ask all that has to be known before spans are stored, at once."""
    driver, workspace_id = await driver_of(session), caller.workspace
    _, _, policies, agents, traces, partitions = await ask(
        driver,
        tenant(caller.account_id, workspace_id),
        (PLAN_BY_KEYS, {}),
        ingestion_policies(workspace_id),
        hold_agents(workspace_id, set(names_of_agents(_agents_of(drafts)).values())),
        (KNOWN_TRACES, {"workspace_id": workspace_id, "trace_ids": list({draft.trace_id for draft in drafts})}),
        existing([name_of(clock.now().astimezone(UTC).date())]),
    )
    masking, prices = read_ingestion_policies(policies)
    return Ground(driver, workspace_id, masking, prices, dict(agents), dict(traces), frozenset(name for (name,) in partitions))


async def assemble(session: AsyncSession, ground: Ground, drafts: Sequence[SpanDraft]) -> dict[str, Assembly]:
    """The traces that spans are of, with the rows of the spans. Agents that they name are added."""
    agents = await observe_agents(session, ground.workspace_id, _agents_of(drafts), held=ground.agents)
    traces: dict[str, Assembly] = defaultdict(Assembly)
    for start in range(0, len(drafts), ROWS_AT_ONCE):
        for row in make_rows(drafts[start : start + ROWS_AT_ONCE], agents, ground.prices):
            traces[row.trace_id].add(row)
        await asyncio.sleep(0)
    return traces


def _agents_of(drafts: Sequence[SpanDraft]) -> set[str]:
    return {storable(draft.agent_name) for draft in drafts if draft.agent_name}


def _joined(texts: Sequence[str]) -> str:
    return TAG_SEPARATOR.join(text.replace(TAG_SEPARATOR, " ") for text in texts)
