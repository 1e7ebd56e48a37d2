"""Which traces, in which order, and from which place on: what lists of traces are asked with, and what that is in SQL."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

import orjson
from pydantic import AwareDatetime, Field, TypeAdapter
from sqlalchemy import ColumnElement, Select, String, exists, func, literal, select, text, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from spectral_platform.core.values import Moment, Value
from spectral_platform.traces.models import FAILED, Trace, TraceLabel, TraceStatus, TraceWords
from spectral_platform.traces.spans import LONGEST_LABEL

UNKNOWN = -1
"""Where an unknown cost or token count stands in the order: below everything that is known."""


class TraceSort(StrEnum):
    """The orders of a list of traces; a leading ``-`` = descending."""

    STARTED_AT = "started_at"
    STARTED_AT_DESC = "-started_at"
    DURATION_MS = "duration_ms"
    DURATION_MS_DESC = "-duration_ms"
    TOTAL_TOKENS = "total_tokens"
    TOTAL_TOKENS_DESC = "-total_tokens"
    COST_USD = "cost_usd"
    COST_USD_DESC = "-cost_usd"

    @property
    def key(self) -> str:
        """The column that traces are ordered by."""
        return self.removeprefix("-")

    @property
    def is_descending(self) -> bool:
        """Whether the largest comes first."""
        return self.startswith("-")


PLACES: dict[str, ColumnElement[Any]] = {
    "started_at": Trace.started_at.expression,
    "duration_ms": Trace.duration_ms.expression,
    "total_tokens": func.coalesce(Trace.total_tokens, text(str(UNKNOWN))),
    "cost_usd": func.coalesce(Trace.cost_usd, text(str(UNKNOWN))),
}
"""What traces are ordered by, as the indexes have it."""
_Whole = Annotated[int, Field(ge=UNKNOWN, lt=2**63)]
_KINDS: dict[str, TypeAdapter[Any]] = {
    "started_at": TypeAdapter(AwareDatetime),
    "duration_ms": TypeAdapter(_Whole),
    "total_tokens": TypeAdapter(_Whole),
    "cost_usd": TypeAdapter(Annotated[Decimal, Field(max_digits=100, decimal_places=50)]),
}


class TraceFilter(Value):
    """Which traces; every condition that is given must hold."""

    agent_id: UUID | None = Field(default=None, description="Only traces of this agent.")
    status: TraceStatus | None = Field(default=None, description="Only traces that went well (`ok`) or failed (`error`).")
    workflow: str | None = Field(default=None, description="Only traces of this workflow.")
    model: str | None = Field(default=None, description="Only traces in which this model was called.")
    session_id: str | None = Field(default=None, description="Only traces of this conversation.")
    user_id: str | None = Field(default=None, description="Only traces of this end user.")
    tag: str | None = Field(default=None, description="Only traces that carry this tag.")
    since: Moment | None = Field(default=None, description="Only traces that began at this time or later.")
    until: Moment | None = Field(default=None, description="Only traces that began before this time.")
    min_duration_ms: int | None = Field(default=None, ge=0, le=2**62, description="Only traces that took at least so long.")
    min_cost_usd: Decimal | None = Field(
        default=None, ge=0, le=10**12, decimal_places=18, description="Only traces known to have cost at least so much."
    )
    has_feedback: bool | None = Field(default=None, description="Only traces with, or without, feedback.")
    search: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description=(
            "Only traces that say all of these words in their name, input or output, whatever their case; the last one may be"
            ' the beginning of a word, from three characters on. Words `"in quotes"` stand together, `or` is between'
            " alternatives, and `-word` excludes. Or the trace of this id. What a trace says is found some seconds after it"
            " arrived: its name, and the first 50 000 characters of its input and of its output."
        ),
    )


LABELS = ("model", "tag")
"""The filters by what a trace may have many of, which lies in a table of its own. Labels are stored and asked for cut."""
ELSEWHERE = (*LABELS, "search")
"""The filters by what lies in other tables than traces."""
_CONDITIONS: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    "agent_id": lambda value: Trace.agent_id == value,
    "status": lambda value: Trace.status == value,
    "workflow": lambda value: Trace.workflow == value[:LONGEST_LABEL],
    "session_id": lambda value: Trace.session_id == value[:LONGEST_LABEL],
    "user_id": lambda value: Trace.user_id == value[:LONGEST_LABEL],
    "since": lambda value: Trace.started_at >= value,
    "until": lambda value: Trace.started_at < value,
    "min_duration_ms": lambda value: Trace.duration_ms >= value,
    "min_cost_usd": lambda value: Trace.cost_usd >= value,
    "has_feedback": lambda value: Trace.feedback_count > 0 if value else Trace.feedback_count == 0,
}
_ID = TypeAdapter(str)
_IN_ORDER = {"search", "agent_id", "status", "workflow", "session_id", "user_id", "since", "until", "has_feedback"}
_TRACE_ID = re.compile("[0-9a-fA-F]{32}")
# The last word may be the beginning of one, once there is enough of it; an excluded word is whole, and so is a quoted one.
# All of that is asked together with the workspace's id, so that no rows are read for what other workspaces say.
_SEARCH = text(
    r"""
    SELECT set_config('enable_seqscan', 'off', true), set_config('spectral.search', coalesce((
        SELECT CAST(
            CASE WHEN CAST(:search AS text) ~ '[^\s[\:punct\:]]{3}$' AND CAST(:search AS text) !~ '(^|\s)-\S*$'
                      AND right(CAST(asked AS text), 1) = quote
                 THEN CAST(CAST(asked AS text) || '\:*' AS tsquery) ELSE asked END
            && CAST(quote || CAST(:workspace_id AS text) || quote AS tsquery)
        AS text)
        FROM websearch_to_tsquery('simple', CAST(:search AS text)) AS asked, chr(39) AS quote
        WHERE numnode(asked) > 0
    ), ''), true)
    """
)


async def bind_search(session: AsyncSession, workspace_id: UUID, where: TraceFilter) -> None:
    """Let this transaction see the words of those traces that say what a filter searches for, if it does; of no others."""
    if where.search is not None:
        await session.execute(_SEARCH, {"search": where.search, "workspace_id": workspace_id})


def conditions_of(where: TraceFilter, workspace_id: UUID, *, asked_of_each: Collection[str] = ()) -> list[ColumnElement[bool]]:
    """What a filter demands of traces of a workspace. A search has to be bound before (``bind_search``).

    Labels and words lie in tables of their own, at which Postgres may begin. Of those that are ``asked_of_each`` it may not, and
    looks one trace up after the other: where many traces are found, a few are soon met along any order.
    """
    conditions = [condition(value) for name, condition in _CONDITIONS.items() if (value := getattr(where, name)) is not None]
    for kind in LABELS:
        if (label := getattr(where, kind)) is not None:
            at_trace = TraceLabel.started_at == Trace.started_at, TraceLabel.trace_id == Trace.trace_id
            has = select(literal(True)).where(*_carried(TraceLabel, kind, label, workspace_id), *at_trace)
            conditions.append(has.scalar_subquery() if kind in asked_of_each else has.exists())
    if where.search is not None:
        said = select(TraceWords.trace_id).where(TraceWords.workspace_id == workspace_id)
        if _is_id(where.search):
            conditions.append(Trace.trace_id.in_(union_all(said, select(literal(where.search.lower())))))
        elif "search" in asked_of_each:
            says = said.with_only_columns(literal(True)).where(TraceWords.trace_id == Trace.trace_id)
            conditions.append(says.scalar_subquery())
        else:
            conditions.append(Trace.trace_id.in_(said))
    return conditions


def asked_for(where: TraceFilter) -> set[str]:
    """What a filter gives."""
    return {name for name in TraceFilter.model_fields if getattr(where, name) is not None}


def asks_for_words(where: TraceFilter) -> bool:
    """Whether a filter searches for words, and not for an id."""
    return where.search is not None and not _is_id(where.search)


def is_in_order(where: TraceFilter) -> bool:
    """Whether an index has the traces that a filter leaves, but for its search, in the order of lists."""
    return asked_for(where) <= _IN_ORDER


def found_without_traces(where: TraceFilter, workspace_id: UUID, *, order: str) -> Select[Any] | None:
    """The ids of the traces that a filter finds, if a table of labels or words alone tells them; None otherwise.

    Each of its rows is of a trace that is there. Labels tell also when it began, which is its ``place`` in the order of time.
    """
    asked = asked_for(where)
    labels = [(kind, label) for kind in LABELS if (label := getattr(where, kind)) is not None]
    if asked == {"search"} and asks_for_words(where):
        return select(TraceWords.trace_id).where(TraceWords.workspace_id == workspace_id)
    if not labels or not asked <= {*LABELS, "status", "since", "until"} or where.status is TraceStatus.OK:
        return None
    failed = FAILED if where.status is TraceStatus.ERROR else ""
    (kind, label), *others = labels
    columns: list[Any] = [TraceLabel.trace_id, *([TraceLabel.started_at.label("place")] if order == "started_at" else [])]
    found = select(*columns).where(*_carried(TraceLabel, failed + kind, label, workspace_id))
    for kind, label in others:
        other = aliased(TraceLabel)
        at_trace = other.started_at == TraceLabel.started_at, other.trace_id == TraceLabel.trace_id
        found = found.where(exists().where(*_carried(other, failed + kind, label, workspace_id), *at_trace))
    if where.since is not None:
        found = found.where(TraceLabel.started_at >= where.since)
    return found if where.until is None else found.where(TraceLabel.started_at < where.until)


def _carried(labels: type[TraceLabel], kind: str, label: str, workspace_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """Where the rows of a label lie: one after the other, in the order in which their traces began."""
    return labels.workspace_id == workspace_id, labels.kind == kind, labels.label == label[:LONGEST_LABEL]


def _is_id(search: str) -> bool:
    return _TRACE_ID.fullmatch(search) is not None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list of traces: behind the trace with this id and this value of the sort key."""

    sort: TraceSort
    value: Any
    trace_id: str

    def encode(self) -> str:
        """The position as a cursor: opaque, and bound to its order."""
        return _sealed(self.sort.value, _KINDS[self.sort.key].dump_python(self.value, mode="json"), self.trace_id)

    @classmethod
    def decode(cls, cursor: str) -> Self:
        """Read a cursor. Raises ``ValueError`` for anything that ``encode`` did not make."""
        sort, value, trace_id = _opened(cursor)
        kind = _KINDS[TraceSort(sort).key]
        return cls(sort=TraceSort(sort), value=kind.validate_python(value), trace_id=_ID.validate_python(trace_id))

    @classmethod
    def of(cls, trace: Trace, sort: TraceSort) -> Self:
        """Where a trace stands."""
        value = getattr(trace, sort.key)
        return cls(
            sort=sort, value=_KINDS[sort.key].validate_python(UNKNOWN if value is None else value), trace_id=trace.trace_id
        )

    def is_before(self, key: ColumnElement[Any], trace_id: ColumnElement[str]) -> ColumnElement[bool]:
        """The condition for standing behind this place."""
        place = tuple_(key, trace_id)
        here = tuple_(literal(self.value, key.type), literal(self.trace_id, String))
        return place < here if self.sort.is_descending else place > here


@dataclass(frozen=True, slots=True)
class SpanPosition:
    """A place among the spans of a trace in the order in which they began: behind the span with this id."""

    started_at: datetime
    span_id: str

    def encode(self) -> str:
        """The position as a cursor."""
        return _sealed(self.started_at.isoformat(), self.span_id)

    @classmethod
    def decode(cls, cursor: str) -> Self:
        """Read a cursor. Raises ``ValueError`` for anything that ``encode`` did not make."""
        started_at, span_id = _opened(cursor)
        return cls(started_at=_KINDS["started_at"].validate_python(started_at), span_id=_ID.validate_python(span_id))

    def is_before(self, started_at: ColumnElement[datetime], span_id: ColumnElement[str]) -> ColumnElement[bool]:
        """The condition for standing behind this place."""
        return tuple_(started_at, span_id) > tuple_(self.started_at, self.span_id)


def _sealed(*parts: str | int) -> str:
    return urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def _opened(cursor: str) -> Any:
    return orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
