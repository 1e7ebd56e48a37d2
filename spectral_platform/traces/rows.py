"""Spans as rows: what of a draft the table holds, in the order and the types in which ``COPY`` takes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zlib import crc32

import orjson

from spectral_platform.llm.prices import price_call
from spectral_platform.traces.rollup import SpanFacts
from spectral_platform.traces.spans import MODEL_KINDS, TEXTS, SpanDraft
from spectral_platform.workspaces.policies.prices import Prices

Agents = Mapping[str, UUID]

# What jsonb begins with in Postgres's binary format: the number of its version.
_JSONB = b"\x01"
_COLUMNS = (
    ("workspace_id", "uuid"),
    ("day", "date"),
    ("received_at", "timestamptz"),
    ("trace_id", "text"),
    ("span_id", "text"),
    ("parent_span_id", "text"),
    ("name", "text"),
    ("kind", "text"),
    ("started_at", "timestamptz"),
    ("ended_at", "timestamptz"),
    ("status", "text"),
    ("status_message", "text"),
    ("dialect", "text"),
    ("service", "text"),
    ("workflow", "text"),
    ("agent_id", "uuid"),
    ("agent_name", "text"),
    ("session_id", "text"),
    ("user_id", "text"),
    ("tags", "text[]"),
    ("config_version", "int4"),
    ("model", "text"),
    ("provider", "text"),
    ("response_id", "text"),
    ("input", "text"),
    ("output", "text"),
    ("input_tokens", "int8"),
    ("output_tokens", "int8"),
    ("cached_input_tokens", "int8"),
    ("reasoning_tokens", "int8"),
    ("cost_usd", "numeric"),
    ("attributes", "bytea"),
    ("events", "bytea"),
    ("links", "bytea"),
    ("resource", "bytea"),
    ("scope", "bytea"),
    ("otlp", "bytea"),
    ("fullness", "int4"),
    ("digest", "int8"),
)
COLUMNS = tuple(name for name, _ in _COLUMNS)
TYPES = tuple(kind for _, kind in _COLUMNS)
"""Types that values are sent as. jsonb goes as bytes: its binary form is a version and the text, which is at hand."""


@dataclass(slots=True)
class SpanRow:
    """One span ready to be stored: what its trace needs of it, and the values of its columns from ``trace_id`` on."""

    trace_id: str
    facts: SpanFacts
    values: tuple[Any, ...]
    input: str | None
    output: str | None

    def columns(self, workspace_id: UUID, day: date, received_at: datetime) -> tuple[Any, ...]:
        """The values of all columns."""
        return (workspace_id, day, received_at, *self.values)


def make_rows(drafts: Sequence[SpanDraft], agents: Agents, prices: Prices) -> list[SpanRow]:
    """The rows of drafts, in their order."""
    shared: dict[int, bytes] = {}  # the spans of a request share their resource and their scope

    def document_of(mapping: Mapping[str, Any]) -> bytes:
        document = shared.get(id(mapping))
        if document is None:
            document = shared[id(mapping)] = _document(mapping)
        return document

    return [_row(draft, agents, prices, document_of) for draft in drafts]


def _row(draft: SpanDraft, agents: Agents, prices: Prices, shared: Callable[[Mapping[str, Any]], bytes]) -> SpanRow:
    # The values of an enum are read thousands of times a second, and its own way to them takes three times as long.
    kind, status = draft.kind._value_, draft.status._value_
    try:
        told = _told(draft, status)
    except UnicodeEncodeError:
        told = b"\x00"
    if b"\x00" in told:
        make_storable(draft)
        told = _told(draft, status)
    tags, cost = list(draft.tags), cost_of(draft, prices)
    question, answer, message = draft.input, draft.output, draft.status_message
    attributes = _document(draft.attributes)
    events = _document(draft.events) if draft.events else _EMPTY_LIST
    links = _document(draft.links) if draft.links else _EMPTY_LIST
    agent_id = agents.get(draft.agent_name) if draft.agent_name else None
    facts = SpanFacts(
        draft.span_id,
        draft.parent_span_id,
        draft.name,
        kind,
        draft.started_at,
        draft.ended_at,
        status,
        draft.workflow,
        agent_id,
        draft.agent_name,
        draft.session_id,
        draft.user_id,
        tags,
        draft.config_version,
        draft.model,
        draft.response_id,
        draft.input_tokens,
        draft.output_tokens,
        cost,
        question is not None,
        answer is not None,
        len(attributes) + len(events) + len(links) + len(question or "") + len(answer or "") + len(message or ""),
        crc32(attributes, crc32(events, crc32(told))),
    )
    values = (
        draft.trace_id,
        draft.span_id,
        draft.parent_span_id,
        draft.name,
        kind,
        draft.started_at,
        draft.ended_at,
        status,
        message,
        draft.dialect,
        draft.service,
        draft.workflow,
        agent_id,
        draft.agent_name,
        draft.session_id,
        draft.user_id,
        tags,
        draft.config_version,
        draft.model,
        draft.provider,
        draft.response_id,
        question,
        answer,
        draft.input_tokens,
        draft.output_tokens,
        draft.cached_input_tokens,
        draft.reasoning_tokens,
        cost,
        attributes,
        events,
        links,
        shared(draft.resource),
        shared(draft.scope),
        _document(draft.otlp) if draft.otlp else _EMPTY_OBJECT,
        facts.fullness,
        facts.digest,
    )
    return SpanRow(draft.trace_id, facts, values, question, answer)


def _told(draft: SpanDraft, status: str) -> bytes:
    """What a draft tells besides its attributes and events; with those it tells copies apart."""
    told = f"{draft.name}\x1f{status}\x1f{draft.parent_span_id}\x1f{draft.input}\x1f{draft.output}\x1f{draft.status_message}"
    return told.encode()


def make_storable(draft: SpanDraft) -> None:
    """Take out of all texts of a draft what Postgres cannot store. Names in OTLP are read without that."""
    for name in TEXTS:
        text = getattr(draft, name)
        setattr(draft, name, text and storable(text))
    draft.tags = tuple(map(storable, draft.tags))


def cost_of(draft: SpanDraft, prices: Prices) -> Decimal | None:
    """What a span cost: what it reports itself, else for a model call the price of its tokens, else unknown.

    The workspace's own prices come before those of the price book.
    """
    if draft.cost_usd is not None:
        return draft.cost_usd
    if draft.kind not in MODEL_KINDS or draft.model is None or (draft.input_tokens is None and draft.output_tokens is None):
        return None
    own = prices.find(draft.model, draft.provider) if prices.prices else None
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


def storable(text: str) -> str:
    """The text without what Postgres cannot store: NUL, and the halves that a cut through an emoji leaves."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def _document(value: Any) -> bytes:
    document = orjson.dumps(value)
    # The escape may also be text that merely looks like it, behind a backslash of its own; then nothing changes.
    return _JSONB + (orjson.dumps(_without_nul(value)) if b"\\u0000" in document else document)


_EMPTY_LIST = _document([])
_EMPTY_OBJECT = _document({})


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return [_without_nul(item) for item in value] if isinstance(value, (list, tuple)) else value
