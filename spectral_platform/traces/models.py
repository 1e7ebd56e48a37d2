"""Rows of traces, spans, feedback and the counters of ingestion."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Numeric,
    String,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.access import CallerKind
from spectral_platform.core.columns import Created, Identified, Timestamped, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.traces.counting import Measure
from spectral_platform.traces.feedback import FeedbackLabel, FeedbackSource, label_of
from spectral_platform.traces.rollup import MILLISECOND
from spectral_platform.traces.spans import SpanKind, SpanStatus


class TraceStatus(StrEnum):
    """How a trace went. It failed when one of its spans did, unless its root span says outright that all went well."""

    OK = "ok"
    ERROR = "error"


def _hex_id(digits: int) -> String:
    return String(digits, collation="C")


class Trace(WorkspaceOwned, Timestamped, Base):
    """One run of an agent or workflow: the roll-up of its spans, computed from them whenever some arrive.

    The row is narrow, because lists and filters read it: ``input`` and ``output`` are how those begin, and the spans that
    ``input_span_id`` and ``output_span_id`` name have them whole. It is also the lock of the trace's spans, which all lie in the
    partition of its ``day``, the day on which the first of them arrived.
    """

    __tablename__ = "traces"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    trace_id: Mapped[str] = mapped_column(_hex_id(32), primary_key=True)
    day: Mapped[date]
    name: Mapped[str]
    workflow: Mapped[str | None]
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    agent_name: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    duration_ms: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[TraceStatus] = mapped_column(state_column(TraceStatus, "status"))
    span_count: Mapped[int]
    input_span_id: Mapped[str | None] = mapped_column(_hex_id(16))
    output_span_id: Mapped[str | None] = mapped_column(_hex_id(16))
    input: Mapped[str | None] = mapped_column(TEXT)
    output: Mapped[str | None] = mapped_column(TEXT)
    input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(BigInteger)
    total_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric)
    unpriced_spans: Mapped[int]
    models: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    session_id: Mapped[str | None]
    user_id: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    config_version: Mapped[int | None]
    feedback_score: Mapped[float | None]
    feedback_count: Mapped[int]

    @property
    def id(self) -> str:
        """The trace's id, as OpenTelemetry has it."""
        return self.trace_id


# With the session, so that those of a day are counted without reading its traces.
Index(
    "ix_traces_workspace_id_started_at",
    *(Trace.workspace_id, Trace.started_at, Trace.trace_id),
    postgresql_include=["session_id"],
)
Index("ix_traces_workspace_id_day", Trace.workspace_id, Trace.day)
# One index for each filter, in the order of lists, so that a rare value is found at once and a common one without sorting.
Index(
    "ix_traces_agent_id_started_at",
    Trace.agent_id,
    Trace.started_at,
    Trace.trace_id,
    postgresql_include=["workspace_id", "status"],
    postgresql_where=Trace.agent_id.is_not(None),
)
Index(
    "ix_traces_failed",
    *(Trace.workspace_id, Trace.started_at, Trace.trace_id),
    # With all that failures are sorted and narrowed down by: they are few and asked for often.
    postgresql_include=["agent_id", "duration_ms", "total_tokens", "cost_usd"],
    postgresql_where=Trace.status == TraceStatus.ERROR,
)
Index(
    "ix_traces_judged",
    *(Trace.workspace_id, Trace.started_at, Trace.trace_id),
    postgresql_where=Trace.feedback_count > 0,
)
for _filtered in (Trace.user_id, Trace.workflow):
    Index(
        f"ix_traces_{_filtered.key}",
        *(Trace.workspace_id, _filtered, Trace.started_at, Trace.trace_id),
        postgresql_where=_filtered.is_not(None),
    )
# With the agent, so that the sessions of one are counted without reading its traces.
Index(
    "ix_traces_session_id",
    *(Trace.workspace_id, Trace.session_id, Trace.started_at, Trace.trace_id),
    postgresql_include=["agent_id"],
    postgresql_where=Trace.session_id.is_not(None),
)
# The other orders.
Index("ix_traces_duration_ms", Trace.workspace_id, Trace.duration_ms, Trace.trace_id)
Index("ix_traces_total_tokens", Trace.workspace_id, func.coalesce(Trace.total_tokens, text("-1")), Trace.trace_id)
# With the cost itself, or no order by it could be read off the index alone.
Index(
    "ix_traces_cost_usd",
    *(Trace.workspace_id, func.coalesce(Trace.cost_usd, text("-1")), Trace.trace_id),
    postgresql_include=["cost_usd"],
)


FAILED = "failed "
"""What the kind of a label begins with that is of a failed trace."""


class TraceLabel(WorkspaceOwned, Base):
    """A model or tag of a trace, by which it is found in the order of time. Triggers on traces keep these rows true.

    A trace that failed has each label once more, as ``failed model`` or ``failed tag``: failures are few and asked for often.
    An array on the trace could be indexed too; but under row-level security no index is used for asking what is in it. Of a label
    the first 200 characters are here, because an index takes no more than some thousand bytes.
    """

    __tablename__ = "trace_labels"

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(collation="C"), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    trace_id: Mapped[str] = mapped_column(_hex_id(32), primary_key=True)


class Span(WorkspaceOwned, Base):
    """One span, kept once per workspace, trace and span id: of several copies the fullest.

    The trace vouches for the workspace and the agent, and whoever writes spans holds its lock; checking all that again for every
    span would cost a tenth.
    """

    __tablename__ = "spans"
    __table_args__ = (
        # Copied into its partitions, which row-level security does not watch; the owner restores backups without a tenant.
        CheckConstraint(
            "CURRENT_USER <> 'spectral_app' OR workspace_id = nullif(current_setting('spectral.workspace_id', true), '')::uuid",
            name="tenant",
        ),
        {"postgresql_partition_by": "RANGE (day)"},
    )

    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    trace_id: Mapped[str] = mapped_column(_hex_id(32), primary_key=True)
    span_id: Mapped[str] = mapped_column(_hex_id(16), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    parent_span_id: Mapped[str | None] = mapped_column(_hex_id(16))
    name: Mapped[str]
    kind: Mapped[SpanKind] = mapped_column(state_column(SpanKind, "kind"))
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    status: Mapped[SpanStatus] = mapped_column(state_column(SpanStatus, "status"))
    status_message: Mapped[str | None]
    dialect: Mapped[str]
    service: Mapped[str | None]
    workflow: Mapped[str | None]
    agent_id: Mapped[UUID | None]
    agent_name: Mapped[str | None]
    session_id: Mapped[str | None]
    user_id: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    config_version: Mapped[int | None]
    model: Mapped[str | None]
    provider: Mapped[str | None]
    response_id: Mapped[str | None]
    input: Mapped[str | None] = mapped_column(TEXT)
    output: Mapped[str | None] = mapped_column(TEXT)
    input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cached_input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cost_usd: Mapped[Decimal | None] = mapped_column(Numeric)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB)
    events: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    links: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    resource: Mapped[dict[str, Any]] = mapped_column(JSONB)
    scope: Mapped[dict[str, Any]] = mapped_column(JSONB)
    otlp: Mapped[dict[str, Any]] = mapped_column(JSONB)
    fullness: Mapped[int]
    digest: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    @property
    def id(self) -> str:
        """The span's id, as OpenTelemetry has it."""
        return self.span_id

    @property
    def duration_ms(self) -> int:
        """How long the span took, in whole milliseconds."""
        return (self.ended_at - self.started_at) // MILLISECOND


class TraceCount(WorkspaceOwned, Base):
    """How many traces a workspace has: the sum over its slots, of which a trigger on traces takes one that nobody else holds."""

    __tablename__ = "trace_counts"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class ErasedTrace(WorkspaceOwned, Base):
    """That a trace was erased, when and by whom: what comes of it later is dropped."""

    __tablename__ = "erased_traces"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    trace_id: Mapped[str] = mapped_column(_hex_id(32), primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    erased_by_kind: Mapped[CallerKind] = mapped_column(state_column(CallerKind, "erased_by_kind"))
    erased_by_id: Mapped[UUID | None]


class TraceWords(WorkspaceOwned, Base):
    """The words of a trace's name, input and output, and its workspace's id as one more; a worker writes them soon after.

    Nobody waits for them: to take texts apart into words costs more than to store all the spans of a trace. A policy shows only
    the rows that say what the transaction searches for (``selection.bind_search``): a policy's condition may use the index,
    where that of a query may not.
    """

    __tablename__ = "trace_words"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "trace_id"],
            ["traces.workspace_id", "traces.trace_id"],
            name="fk_trace_words_trace",
            ondelete="CASCADE",
        ),
    )

    trace_id: Mapped[str] = mapped_column(_hex_id(32), primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column(primary_key=True)
    words: Mapped[Any] = mapped_column(TSVECTOR)


Index("ix_trace_words_words", TraceWords.words, postgresql_using="gin", postgresql_with={"gin_pending_list_limit": 512})


class TraceWordsDue(WorkspaceOwned, Base):
    """A trace whose words are missing or out of date; whoever writes traces says so."""

    __tablename__ = "trace_words_due"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    workspace_id: Mapped[UUID] = mapped_column()
    trace_id: Mapped[str] = mapped_column(_hex_id(32))


class Feedback(Identified, WorkspaceOwned, Created, Base):
    """What somebody or something thought of a trace, or of one of its spans."""

    __tablename__ = "feedback"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "trace_id"],
            ["traces.workspace_id", "traces.trace_id"],
            name="fk_feedback_trace",
            ondelete="CASCADE",
        ),
        CheckConstraint("score BETWEEN -1 AND 1", name="score_range"),
    )

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"))
    trace_id: Mapped[str] = mapped_column(_hex_id(32))
    span_id: Mapped[str | None] = mapped_column(_hex_id(16))
    score: Mapped[float]
    dimension: Mapped[str | None]
    comment: Mapped[str | None]
    corrected_output: Mapped[str | None]
    source: Mapped[FeedbackSource] = mapped_column(state_column(FeedbackSource, "source"))
    author_kind: Mapped[CallerKind] = mapped_column(state_column(CallerKind, "author_kind"))
    author_id: Mapped[UUID | None]
    link_id: Mapped[UUID | None]

    @property
    def label(self) -> FeedbackLabel:
        """The score in one word."""
        return label_of(self.score)


Index("ix_feedback_workspace_id_trace_id", Feedback.workspace_id, Feedback.trace_id)
Index("uq_feedback_link_id", Feedback.workspace_id, Feedback.link_id, unique=True, postgresql_where=Feedback.link_id.is_not(None))


class IngestCount(WorkspaceOwned, Base):
    """How much of something arrived in one period of five minutes.

    Each database connection counts in a slot of its own, so that requests of one workspace do not queue for a counter.
    """

    __tablename__ = "ingest_counts"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    period: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    measure: Mapped[Measure] = mapped_column(state_column(Measure, "measure"), primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    counted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    sample: Mapped[str | None]
