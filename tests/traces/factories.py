"""Span drafts, and storing them as requests do."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from spectral_platform.core.database import Database
from spectral_platform.traces import commands, queries
from spectral_platform.traces.models import Trace
from spectral_platform.traces.spans import SpanDraft, SpanKind
from tests.fixtures.callers import Person

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def new_trace_id() -> str:
    return uuid4().hex


def span_id(number: int) -> str:
    return f"{number:016x}"


def draft(trace_id: str, number: int, parent: int | None = None, **fields: Any) -> SpanDraft:
    """The span with this number, beneath the one with the other; it begins that many milliseconds after ``START``."""
    started_at = START + timedelta(milliseconds=number)
    return SpanDraft(
        **{
            "trace_id": trace_id,
            "span_id": span_id(number),
            "parent_span_id": None if parent is None else span_id(parent),
            "name": f"span {number}",
            "started_at": started_at,
            "ended_at": started_at + timedelta(milliseconds=5),
            **fields,
        }
    )


def call(trace_id: str, number: int, parent: int | None = None, **fields: Any) -> SpanDraft:
    """A model call on the simulator of 100 tokens in and 10 out."""
    usage = {"kind": SpanKind.LLM, "model": "sim/standard", "input_tokens": 100, "output_tokens": 10}
    return draft(trace_id, number, parent, **(usage | fields))


def nested(levels: int) -> Any:
    """A value in so many lists and maps by turns."""
    value: Any = 1
    for level in range(levels):
        value = {"in": value} if level % 2 else [value]
    return value


async def store(database: Database, person: Person, drafts: Sequence[SpanDraft]) -> None:
    """Store spans in a transaction of their own."""
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        await commands.record_spans(session, person.caller(), drafts=drafts, size_bytes=1)


async def index(database: Database) -> None:
    """Make searchable what is stored, as a worker does every few seconds."""
    are_more = True
    while are_more:
        async with database.transaction() as session:
            are_more = await commands.index_words(session)


async def trace_of(database: Database, person: Person, trace_id: str) -> Trace:
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        return await queries.get_trace(session, person.caller(), trace_id)


async def rolled_up(database: Database, person: Person, trace_id: str) -> dict[str, Any]:
    """Everything that a trace knows from its spans."""
    trace = await trace_of(database, person, trace_id)
    columns = {column.key for column in Trace.__table__.columns} - {"trace_id", "created_at", "updated_at"}
    return {column: getattr(trace, column) for column in columns}
