"""Query parameters of the traces' endpoints."""

from collections.abc import Callable
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import Field, model_validator

from spectral_api.schemas import Input
from spectral_platform.traces.queries import SPANS_PER_PAGE
from spectral_platform.traces.selection import Position, SpanPosition, TraceFilter, TraceSort

DEEPEST_OFFSET = 10_000


class ExportFormat(StrEnum):
    """What a line is: a trace with its spans, or a request as OpenTelemetry's exporters send it."""

    NDJSON = "ndjson"
    OTLP = "otlp"


def _refuse_foreign(cursor: str | None, offset: int, decode: Callable[[str], object]) -> None:
    if cursor is None:
        return
    if offset:
        raise ValueError("cursor and offset cannot be combined")
    try:
        decode(cursor)
    except (ValueError, TypeError, KeyError):
        raise ValueError("cursor is not one that this server gave") from None


class TraceSelection(TraceFilter, exact=False):
    """Which traces."""

    cluster_id: UUID | None = Field(default=None, description="Only the traces that this failure cluster was found in.")


class ExportQuery(TraceSelection, exact=False):
    """Which traces are exported, and how."""

    format: ExportFormat = Field(default=ExportFormat.NDJSON, description="What a line is.")


class TraceQuery(TraceSelection, exact=False):
    """Which traces, in which order, and which page of them."""

    sort: TraceSort = Field(
        default=TraceSort.STARTED_AT_DESC,
        description="Order; a leading `-` = descending. Traces of unknown cost or tokens come below all others.",
    )
    limit: int = Field(default=20, ge=1, le=200, description="At most so many results.")
    offset: int = Field(
        default=0, ge=0, le=DEEPEST_OFFSET, description="Skip so many results; to go further, follow `next_cursor`."
    )
    cursor: str | None = Field(
        default=None, description="Continue behind this place: `pagination.next_cursor` of the page before, with the same `sort`."
    )

    @model_validator(mode="after")
    def refuse_foreign_cursors(self) -> Self:
        """A cursor is bound to its order and is itself a place: neither another order nor an offset goes with it."""
        _refuse_foreign(self.cursor, self.offset, Position.decode)
        if self.after is not None and self.after.sort is not self.sort:
            raise ValueError(f"cursor belongs to the order {self.after.sort}, not to {self.sort}")
        return self

    @property
    def after(self) -> Position | None:
        """The place that the cursor stands for."""
        return None if self.cursor is None else Position.decode(self.cursor)


class SpanQuery(Input, exact=False):
    """Which page of a long trace's spans."""

    spans_limit: int = Field(default=SPANS_PER_PAGE, ge=1, le=SPANS_PER_PAGE, description="Show at most so many spans.")
    spans_offset: int = Field(default=0, ge=0, le=1_000_000_000, description="Skip so many spans of a long trace.")
    spans_cursor: str | None = Field(
        default=None,
        description="Continue behind this place: `spans_pagination.next_cursor` of the page before. No span is shown twice.",
    )

    @model_validator(mode="after")
    def refuse_foreign_cursors(self) -> Self:
        """A cursor is itself a place, so that no offset goes with it."""
        _refuse_foreign(self.spans_cursor, self.spans_offset, SpanPosition.decode)
        return self

    @property
    def after(self) -> SpanPosition | None:
        """The place that the cursor stands for."""
        return None if self.spans_cursor is None else SpanPosition.decode(self.spans_cursor)
