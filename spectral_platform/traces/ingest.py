"""Storing spans: one bulk path for every way in, exact whatever arrives twice, late, out of order or at the same time.

Why it is exact:

- The rows of the traces concerned are locked first, in the order of their ids, so that requests about the same traces follow
  each other and never deadlock.
- Spans are inserted with ``unnest … ON CONFLICT``: of several copies of a span the fuller one stays, by an order that is total,
  so that it does not matter which copy came first.
- The traces are then computed anew from all of their spans, in SQL, not adjusted by what has arrived.

Why it is fast: arrays travel in binary (as text they take four times as long), and columns are built outside the event loop.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.commands import observe_agents
from spectral_platform.core import clock
from spectral_platform.llm.prices import price_call
from spectral_platform.traces.counting import Count, period_of
from spectral_platform.traces.rollup import ROLL_UP
from spectral_platform.traces.spans import MODEL_KINDS, SpanDraft
from spectral_platform.workspaces.policies.prices import Prices

SPANS_PER_STATEMENT = 1_000
SLOTS = 32
TAG_SEPARATOR = "\x1f"

Agents = Mapping[str, UUID]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a span: its Postgres type in the arrays, where it comes from, and how it becomes what the table holds."""

    name: str
    kind: str
    value: Callable[[SpanDraft, Agents], Any]
    stored_as: str = "{}"


def _plain(name: str, kind: str = "bigint") -> Column:
    return Column(name, kind, lambda draft, agents: getattr(draft, name))


def _text(name: str) -> Column:
    return Column(name, "text", lambda draft, agents: _storable(getattr(draft, name)))


def _json(name: str) -> Column:
    return Column(name, "text", lambda draft, agents: _document(getattr(draft, name)), stored_as="{}::jsonb")


COLUMNS = (
    _plain("trace_id", "text"),
    _plain("span_id", "text"),
    _plain("parent_span_id", "text"),
    _text("name"),
    Column("kind", "text", lambda draft, agents: draft.kind.value),
    _plain("started_at", "timestamptz"),
    _plain("ended_at", "timestamptz"),
    Column("status", "text", lambda draft, agents: draft.status.value),
    _text("status_message"),
    _plain("dialect", "text"),
    _text("service"),
    _text("workflow"),
    Column("agent_id", "uuid", lambda draft, agents: agents.get(_storable(draft.agent_name) or "")),
    _text("agent_name"),
    _text("session_id"),
    _text("user_id"),
    # Arrays of arrays must be rectangular, so tags travel as one text.
    Column("tags", "text", lambda draft, agents: _joined(draft.tags), stored_as=f"string_to_array({{}}, '{TAG_SEPARATOR}')"),
    _plain("config_version", "integer"),
    _text("model"),
    _text("provider"),
    _text("input"),
    _text("output"),
    _plain("input_tokens"),
    _plain("output_tokens"),
    _plain("cached_input_tokens"),
    _plain("reasoning_tokens"),
    Column("cost_usd", "numeric", lambda draft, agents: None),
    _json("attributes"),
    _json("events"),
    _json("links"),
    _json("resource"),
    Column("fullness", "integer", lambda draft, agents: 0),
)
CONTENT = ("attributes", "events", "links", "input", "output", "status_message")

# Which of two copies of a span stays: the fuller one. What follows only makes the order total, so that ties have a winner too.
_PRECEDENCE = (
    "fullness",
    "ended_at",
    "started_at",
    "name",
    "status",
    "coalesce({}parent_span_id, '')",
    "coalesce({}input, '')",
    "coalesce({}output, '')",
    "attributes",
    "events",
    "links",
    "resource",
)


def _precedence(table: str) -> list[str]:
    return [part.format(table) if "{}" in part else table + part for part in _PRECEDENCE]


_NAMES = [column.name for column in COLUMNS]
INSERT_SPANS = f"""
WITH arrived AS (
    SELECT {", ".join(f"{column.stored_as.format(f'sent.{column.name}')} AS {column.name}" for column in COLUMNS)}
    FROM unnest({", ".join(f"%({column.name})b::{column.kind}[]" for column in COLUMNS)}) AS sent({", ".join(_NAMES)})
),
stored AS (
    INSERT INTO spans (workspace_id, received_at, {", ".join(_NAMES)})
    SELECT DISTINCT ON (trace_id, span_id) %(workspace_id)b::uuid, %(now)b::timestamptz, {", ".join(_NAMES)}
    FROM arrived
    ORDER BY trace_id, span_id, {", ".join(f"{part} DESC" for part in _precedence(""))}
    ON CONFLICT (workspace_id, trace_id, span_id) DO UPDATE
    SET received_at = EXCLUDED.received_at, {", ".join(f"{name} = EXCLUDED.{name}" for name in _NAMES)}
    WHERE ({", ".join(_precedence("EXCLUDED."))}) > ({", ".join(_precedence("spans."))})
    RETURNING (xmax = 0) AS is_new
)
SELECT count(*) FILTER (WHERE is_new) FROM stored
"""
# Everything below finds rows by their keys. The planner may think otherwise of tables that have just begun to fill, and keeps
# what it thought for the life of a connection, for the checks of foreign keys too.
PLAN_BY_KEYS = "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_nestloop', 'off', true)"
INSERT_TRACES = """
INSERT INTO traces (workspace_id, trace_id, name, started_at, duration_ms, status, span_count, unpriced_spans, models, tags,
                    feedback_count, created_at, updated_at)
SELECT %(workspace_id)b, trace_id, '', %(now)b, 0, 'ok', 0, 0, '{}', '{}', 0, %(now)b, %(now)b
FROM unnest(%(trace_ids)b::text[]) AS trace_id
ORDER BY trace_id
ON CONFLICT DO NOTHING
"""
LOCK_TRACES = """
SELECT 1 FROM traces WHERE workspace_id = %(workspace_id)b AND trace_id = ANY(%(trace_ids)b::text[])
ORDER BY trace_id FOR NO KEY UPDATE
"""
ADD_COUNTS = f"""
INSERT INTO ingest_counts (workspace_id, period, measure, label, slot, count, counted_at, sample)
SELECT %(workspace_id)b, %(period)b, measure, label, mod(pg_backend_pid(), {SLOTS}), count, %(now)b, sample
FROM unnest(%(measure)b::text[], %(label)b::text[], %(count)b::bigint[], %(sample)b::text[])
    AS added(measure, label, count, sample)
ORDER BY measure, label
ON CONFLICT (workspace_id, period, measure, label, slot) DO UPDATE
SET count = ingest_counts.count + EXCLUDED.count, counted_at = EXCLUDED.counted_at,
    sample = coalesce(EXCLUDED.sample, ingest_counts.sample)
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """How many spans and traces are new."""

    spans: int
    traces: int


async def store_spans(session: AsyncSession, workspace_id: UUID, drafts: Sequence[SpanDraft], prices: Prices) -> Stored:
    """Store spans, add the agents that they name, and bring their traces up to date."""
    if not drafts:
        return Stored(spans=0, traces=0)
    names = {name for draft in drafts if (name := _storable(draft.agent_name))}
    agents = await observe_agents(session, workspace_id, names)
    await session.flush()
    connection = await session.connection()
    common = {"workspace_id": workspace_id, "now": clock.now()}
    traces = common | {"trace_ids": sorted({draft.trace_id for draft in drafts})}
    await connection.exec_driver_sql(PLAN_BY_KEYS)
    begun = (await connection.exec_driver_sql(INSERT_TRACES, traces)).rowcount
    await connection.exec_driver_sql(LOCK_TRACES, traces)
    new = 0
    for start in range(0, len(drafts), SPANS_PER_STATEMENT):
        columns = await asyncio.to_thread(_columns, drafts[start : start + SPANS_PER_STATEMENT], agents, prices)
        new += (await connection.exec_driver_sql(INSERT_SPANS, common | columns)).scalar_one()
    await connection.exec_driver_sql(ROLL_UP, traces)
    return Stored(spans=new, traces=begun)


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
            "label": [_storable(count.label) for count in counts],
            "count": [count.count for count in counts],
            "sample": [_storable(count.sample) for count in counts],
        },
    )


def cost_of(draft: SpanDraft, prices: Prices) -> Decimal | None:
    """What a span cost: what it reports itself, else for a model call the price of its tokens, else unknown.

    The workspace's own prices come before those of the price book.
    """
    if draft.cost_usd is not None:
        return draft.cost_usd
    if draft.kind not in MODEL_KINDS or draft.model is None or (draft.input_tokens is None and draft.output_tokens is None):
        return None
    own = prices.find(draft.model, draft.provider)
    if own is not None:
        return own.of_call(
            input_tokens=draft.input_tokens or 0,
            output_tokens=draft.output_tokens or 0,
            cached_input_tokens=draft.cached_input_tokens or 0,
            cache_write_tokens=draft.cache_write_tokens or 0,
        )
    return price_call(
        draft.model,
        provider=draft.provider,
        input_tokens=draft.input_tokens or 0,
        output_tokens=draft.output_tokens or 0,
        cached_input_tokens=draft.cached_input_tokens or 0,
        cache_write_tokens=draft.cache_write_tokens or 0,
        at=draft.started_at,
    )


def _columns(drafts: Sequence[SpanDraft], agents: Agents, prices: Prices) -> dict[str, list[Any]]:
    columns = {column.name: [column.value(draft, agents) for draft in drafts] for column in COLUMNS}
    columns["cost_usd"] = [cost_of(draft, prices) for draft in drafts]
    contents = zip(*(columns[name] for name in CONTENT), strict=True)
    columns["fullness"] = [sum(len(part) for part in content if part) for content in contents]
    return columns


def _storable(text: str | None) -> str | None:
    """The text without what Postgres cannot store: NUL, and the halves that a cut through an emoji leaves."""
    if not text:
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def _joined(tags: Sequence[str]) -> str:
    return _storable(TAG_SEPARATOR.join(tag.replace(TAG_SEPARATOR, " ") for tag in tags)) or ""


def _document(value: Any) -> str:
    document = orjson.dumps(value).decode()
    # The escape may also be text that merely looks like it, behind a backslash of its own; then nothing changes.
    return orjson.dumps(_without_nul(value)).decode() if "\\u0000" in document else document


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, Mapping):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return [_without_nul(item) for item in value] if isinstance(value, (list, tuple)) else value
