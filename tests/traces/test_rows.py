"""Rows go to Postgres as bytes that are packed here, so each column is read back as the span had it."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from spectral_platform.core.database import Database
from spectral_platform.traces.models import Span
from spectral_platform.traces.rows import _known, make_rows
from spectral_platform.traces.spans import SpanDraft, SpanKind, SpanStatus
from spectral_platform.workspaces.policies.prices import Prices
from tests.fixtures.callers import Person
from tests.traces.factories import draft, new_trace_id, store

AS_STORED = (
    *("parent_span_id", "name", "started_at", "ended_at", "kind", "status", "status_message", "dialect", "service", "workflow"),
    *("agent_name", "session_id", "user_id", "config_version", "model", "provider", "response_id", "input", "output"),
    *("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "cost_usd"),
    *("attributes", "resource", "scope", "otlp"),
)
FULL: dict[str, Any] = {
    "started_at": datetime(2026, 1, 1, 1, 2, 3, 456789, timezone(-timedelta(hours=5))),
    "ended_at": datetime(2099, 12, 31, 23, 59, 59, 999999, UTC),
    "kind": SpanKind.LLM,
    "status": SpanStatus.ERROR,
    "status_message": "größer als erlaubt",
    "dialect": "gen_ai",
    "service": "лавка",
    "workflow": "w",
    "agent_name": "🤖",
    "session_id": "",
    "user_id": "u",
    "tags": ("a, b", "ü", "c"),
    "config_version": 7,
    "model": "m",
    "provider": "p",
    "response_id": "r",
    "input": "in\n" * 50_000,
    "output": "",
    "input_tokens": 1,
    "output_tokens": 2**40,
    "cached_input_tokens": 0,
    "reasoning_tokens": 4,
    "cost_usd": Decimal("0.000000000000000001"),
    "attributes": {"a": ["\\u0000", {"b": None, "ü": 1.5}]},
    "events": [{"name": "e", "at": "2026-01-01T00:00:00Z", "attributes": {}}],
    "links": [{"trace_id": "0" * 32, "span_id": "1" * 16, "attributes": {"x": True}}],
    "resource": {"service.name": "лавка"},
    "scope": {"name": "s"},
    "otlp": {"kind": "client"},
}
PARTS: tuple[dict[str, Any], ...] = (
    {"input_tokens": 5},
    {"output_tokens": 0, "reasoning_tokens": 3},
    {"input_tokens": 3, "output_tokens": 4, "cost_usd": Decimal("1E+5")},
    {"cost_usd": Decimal(0)},
    {"cost_usd": Decimal("12345.67890"), "agent_name": "🤖", "tags": ("one",)},
)


async def stored(database: Database, person: Person, drafts: list[SpanDraft]) -> list[Span]:
    """What of these spans is in the table, in their order."""
    await store(database, person, drafts)
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        rows = {row.span_id: row for row in await session.scalars(select(Span).where(Span.trace_id == drafts[0].trace_id))}
        return [rows[each.span_id] for each in drafts]


async def test_every_column_is_read_back_as_the_span_had_it(owner: Person, database: Database) -> None:
    trace_id = new_trace_id()
    drafts = [draft(trace_id, 1, 2, **FULL), *(draft(trace_id, number, **part) for number, part in enumerate(PARTS, start=2))]
    rows = await stored(database, owner, drafts)
    for row, sent in zip(rows, drafts, strict=True):
        assert {name: getattr(row, name) for name in AS_STORED} == {name: getattr(sent, name) for name in AS_STORED}
        assert (row.tags, row.events, row.links) == (list(sent.tags), list(sent.events), list(sent.links))
        assert (row.workspace_id, row.agent_id is not None) == (owner.workspace_id, sent.agent_name is not None)
    assert rows[0].agent_id == rows[-1].agent_id
    assert [str(row.cost_usd) for row in rows[3:]] == ["100000", "0", "12345.67890"]


@pytest.mark.parametrize("broken", ["nul \x00 in it", "half \ud83d an emoji"])
async def test_what_postgres_cannot_store_is_taken_out_of_every_text(broken: str, owner: Person, database: Database) -> None:
    fields: dict[str, Any] = dict.fromkeys(
        ("name", "status_message", "service", "session_id", "model", "input", "output"), broken
    )
    (row,) = await stored(database, owner, [draft(new_trace_id(), 1, tags=(broken, "fine"), **fields)])
    whole = broken.replace("\x00", "\ufffd").replace("\ud83d", "\ufffd")
    assert {getattr(row, name) for name in fields} == {whole}
    assert row.tags == [whole, "fine"]


def test_only_short_columns_are_remembered() -> None:
    long = draft(new_trace_id(), 1, tags=tuple(f"{number:0200}" for number in range(50)), service="long")
    for drafts in ([draft(new_trace_id(), 1, service="short")], [long]):
        make_rows(drafts, {}, Prices())
    remembered = {key[3] for key in _known}
    assert "short" in remembered
    assert "long" not in remembered
