"""Spans as rows: what of a draft the table holds, in the order and the types in which ``COPY`` takes it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from struct import Struct
from typing import Any
from uuid import UUID
from zlib import crc32

import orjson

from spectral_platform.llm.prices import price_call
from spectral_platform.traces import binary
from spectral_platform.traces.rollup import SpanFacts
from spectral_platform.traces.spans import MODEL_KINDS, TEXTS, SpanDraft
from spectral_platform.workspaces.policies.prices import Prices

Agents = Mapping[str, UUID]
Owners = Mapping[str, tuple[UUID | None, bytes]]
"""The agents' ids by their names, as they are and packed."""
NOBODY = None, binary.NULL

COLUMNS = (
    *("workspace_id", "day", "received_at"),
    *("trace_id", "span_id", "started_at", "ended_at", "fullness", "digest"),
    *("kind", "status", "dialect", "service", "workflow", "agent_name", "config_version", "model", "provider", "tags"),
    *("parent_span_id", "agent_id", "name", "status_message", "session_id", "user_id", "response_id", "input", "output"),
    *("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "cost_usd"),
    *("attributes", "events", "links", "otlp", "resource", "scope"),
)
"""In the order in which they are packed: first what all rows of a transaction share, then what is in every row and always as
long, then what many spans have in common."""
ROWS_IN_BLOCK = 40
"""How many rows are handed to the driver at once: mostly as many bytes as it takes without cutting them up."""
MOST_KNOWN, LONGEST_KNOWN = 1_000, 1_000
"""How many runs of columns are remembered, and of up to how many bytes: fifty long tags take a hundred times as many."""

_FIXED = Struct(">i32si16siqiqiiiq").pack
_PARENT = Struct(">i16s").pack
_TWO_COUNTS = Struct(">iqiqii").pack
_EMPTY_LIST, _EMPTY_OBJECT = binary.jsonb(b"[]"), binary.jsonb(b"{}")
_NO_COUNTS = 4 * binary.NULL
_known: dict[tuple[Any, ...], bytes] = {}
"""Columns that many spans have in common, packed, by their values: a sender's spans have few combinations of them."""


@dataclass(slots=True)
class SpanRow:
    """One span ready to be stored: what its trace needs of it, and its columns from ``trace_id`` on as ``COPY`` takes them."""

    trace_id: str
    facts: SpanFacts
    packed: bytes
    input: str | None
    output: str | None


def blocks(rows: Sequence[SpanRow], workspace_id: UUID, day: date, received_at: datetime) -> Iterator[bytes]:
    """Rows of one day as a binary ``COPY`` takes them."""
    beginning = (
        binary.row(len(COLUMNS)) + binary.uuid(workspace_id) + binary.day(day) + binary.int8(binary.microseconds(received_at))
    )
    yield binary.SIGNATURE
    for start in range(0, len(rows), ROWS_IN_BLOCK):
        yield beginning + beginning.join([row.packed for row in rows[start : start + ROWS_IN_BLOCK]])
    yield binary.END


def make_rows(drafts: Sequence[SpanDraft], agents: Agents, prices: Prices) -> list[SpanRow]:
    """The rows of drafts, in their order."""
    owners = {name: (agent_id, binary.uuid(agent_id)) for name, agent_id in agents.items()}
    shared: dict[int, bytes] = {}  # the spans of a request share their resource and their scope

    def packed(mapping: Mapping[str, Any]) -> bytes:
        document = shared.get(id(mapping))
        if document is None:
            document = shared[id(mapping)] = binary.jsonb(_document(mapping))
        return document

    return [_row(draft, owners, prices, packed) for draft in drafts]


def _row(draft: SpanDraft, owners: Owners, prices: Prices, shared: Callable[[Mapping[str, Any]], bytes]) -> SpanRow:
    # The values of an enum are read thousands of times a second, and its own way to them takes three times as long.
    kind, status = draft.kind._value_, draft.status._value_
    try:
        common, texts = _common(draft, kind, status), _texts(draft)
    except ValueError:
        make_storable(draft)
        common, texts = _common(draft, kind, status), _texts(draft)
    trace_id, span_id, parent_span_id, agent_name = draft.trace_id, draft.span_id, draft.parent_span_id, draft.agent_name
    started_at, ended_at, question, answer = draft.started_at, draft.ended_at, draft.input, draft.output
    input_tokens, output_tokens, cost = draft.input_tokens, draft.output_tokens, cost_of(draft, prices)
    agent_id, owner = owners.get(agent_name, NOBODY) if agent_name else NOBODY
    attributes = _document(draft.attributes)
    events = _document(draft.events) if draft.events else b"[]"
    links = _document(draft.links) if draft.links else b"[]"
    parent = binary.NULL if parent_span_id is None else _PARENT(16, parent_span_id.encode())
    # Each document counts as one more, for the sake of spans that are stored already.
    documents, message = 3 + len(attributes) + len(events) + len(links), draft.status_message
    fullness = documents + len(question or "") + len(answer or "") + len(message or "")
    digest = crc32(attributes, crc32(events, crc32(texts, crc32(parent + status.encode()))))
    facts = SpanFacts(
        span_id,
        parent_span_id,
        draft.name,
        kind,
        started_at,
        ended_at,
        status,
        draft.workflow,
        agent_id,
        agent_name,
        draft.session_id,
        draft.user_id,
        draft.tags,
        draft.config_version,
        draft.model,
        draft.response_id,
        input_tokens,
        output_tokens,
        cost,
        question is not None,
        answer is not None,
        fullness,
        digest,
    )
    begun, ended = binary.microseconds(started_at), binary.microseconds(ended_at)
    pieces = (
        _FIXED(32, trace_id.encode(), 16, span_id.encode(), 8, begun, 8, ended, 4, fullness, 8, digest),
        common,
        parent,
        owner,
        texts,
        _counts(input_tokens, output_tokens, draft.cached_input_tokens, draft.reasoning_tokens),
        binary.NULL if cost is None else binary.numeric(cost),
        binary.jsonb_beginning(attributes),
        attributes,
        binary.jsonb(events) if draft.events else _EMPTY_LIST,
        binary.jsonb(links) if draft.links else _EMPTY_LIST,
        binary.jsonb(_document(draft.otlp)) if draft.otlp else _EMPTY_OBJECT,
        shared(draft.resource),
        shared(draft.scope),
    )
    return SpanRow(trace_id, facts, b"".join(pieces), question, answer)


def _common(draft: SpanDraft, kind: str, status: str) -> bytes:
    """The columns from ``kind`` to ``tags``."""
    service, workflow, agent_name, model, provider = draft.service, draft.workflow, draft.agent_name, draft.model, draft.provider
    key = kind, status, draft.dialect, service, workflow, agent_name, draft.config_version, model, provider, draft.tags
    packed = _known.get(key)
    if packed is None:
        named = map(binary.text, (kind, status, draft.dialect, service, workflow, agent_name))
        version, tags = binary.int4(draft.config_version), binary.texts(draft.tags)
        packed = b"".join((*named, version, binary.text(model), binary.text(provider), tags))
        if len(packed) <= LONGEST_KNOWN:
            if len(_known) >= MOST_KNOWN:
                _known.clear()
            _known[key] = packed
    return packed


def _texts(draft: SpanDraft) -> bytes:
    """The columns from ``name`` to ``output``."""
    text = binary.text
    return b"".join(
        (
            text(draft.name),
            text(draft.status_message),
            text(draft.session_id),
            text(draft.user_id),
            text(draft.response_id),
            text(draft.input),
            text(draft.output),
        )
    )


def _counts(input_tokens: int | None, output_tokens: int | None, cached: int | None, reasoning: int | None) -> bytes:
    """The columns of tokens."""
    if cached is None and reasoning is None:
        if input_tokens is None and output_tokens is None:
            return _NO_COUNTS
        if input_tokens is not None and output_tokens is not None:
            return _TWO_COUNTS(8, input_tokens, 8, output_tokens, -1, -1)
    return b"".join(map(binary.int8, (input_tokens, output_tokens, cached, reasoning)))


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
    return orjson.dumps(_without_nul(value)) if b"\\u0000" in document else document


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return [_without_nul(item) for item in value] if isinstance(value, (list, tuple)) else value
