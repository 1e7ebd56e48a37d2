"""A trace told in a few words, for programs without OpenTelemetry, and the one span that it becomes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

import orjson
from pydantic import AfterValidator, Field, JsonValue, field_validator

from spectral_platform.core import clock
from spectral_platform.core.randomness import derive
from spectral_platform.core.values import Moment, Value
from spectral_platform.traces.rows import make_storable
from spectral_platform.traces.spans import DEEPEST, Rejection, SpanDraft, SpanKind, SpanStatus

DIALECT = "report"
NO_REPORT = "the item does not have the shape of a trace"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_SKEW = timedelta(days=1)
LONGEST_MS = 366 * 86_400_000

Label = Annotated[str, Field(min_length=1, max_length=200)]
Tokens = Annotated[int, Field(ge=0, le=1_000_000_000)]


def _not_zero(trace_id: str) -> str:
    if not int(trace_id, 16):
        raise ValueError("a trace id must not be all zero")
    return trace_id.lower()


def _depth(value: JsonValue) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


class TraceReport(Value):
    """One trace: what went in, what came out, and what it took."""

    trace_id: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$"), AfterValidator(_not_zero)] | None = Field(
        default=None,
        description="Id of the trace in 32 hex digits; drawn when absent. A trace sent again under its id is not stored twice.",
        examples=["4bf92f3577b34da6a3ce929d0e0e4736"],
    )
    agent: Label | None = Field(default=None, description="Name of the agent that answered.", examples=["support"])
    input: str = Field(description="What the agent was asked.", examples=["Where is my order 1234?"])
    output: str | None = Field(description="What it answered; null when it failed to.", examples=["It left our warehouse today."])
    error: str | bool | None = Field(default=None, description="Why it failed, or `true`; null or `false` = it did not.")
    started_at: Moment | None = Field(default=None, description="When it began; by default `latency_ms` ago.")
    latency_ms: int = Field(default=0, ge=0, le=LONGEST_MS, description="How long it took, in milliseconds.", examples=[840])
    model: Label | None = Field(default=None, description="The model that answered.", examples=["gpt-4o-mini"])
    input_tokens: Tokens | None = Field(default=None, description="Tokens that went into the model.", examples=[412])
    output_tokens: Tokens | None = Field(default=None, description="Tokens that came out of it.", examples=[38])
    session_id: Label | None = Field(default=None, description="The conversation that this was part of.")
    user_id: Label | None = Field(default=None, description="The end user who was served.")
    tags: tuple[Label, ...] = Field(default=(), max_length=50, description="Labels to find the trace by.", examples=[["beta"]])
    metadata: dict[str, JsonValue] = Field(default_factory=dict, description="Anything else; kept as attributes of the span.")

    @field_validator("started_at")
    @classmethod
    def refuse_impossible_times(cls, value: datetime | None) -> datetime | None:
        """No agent ran before the year 2000, and none has run tomorrow."""
        if value is not None and not EARLIEST <= value <= clock.now() + CLOCK_SKEW:
            raise ValueError("started_at lies before the year 2000 or more than a day ahead of the server's clock")
        return value

    @field_validator("metadata")
    @classmethod
    def refuse_unstorable(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Numbers beyond 64 bits are JSON, but no database keeps them; nor can bottomless nesting be shown."""
        try:
            orjson.dumps(value)
        except TypeError as error:
            raise ValueError(f"metadata cannot be stored: {error}") from None
        if max(map(_depth, value.values()), default=0) > DEEPEST:
            raise ValueError(f"metadata is nested deeper than {DEEPEST} levels")
        return value

    def as_span(self, now: datetime) -> SpanDraft:
        """The trace's only span. Its id follows from the trace's, so that the same trace is the same span."""
        trace_id = self.trace_id or uuid4().hex
        latency = timedelta(milliseconds=self.latency_ms)
        started_at = self.started_at or now - latency
        calls_model = self.model is not None or self.input_tokens is not None or self.output_tokens is not None
        reported = {
            "gen_ai.agent.name": self.agent,
            "gen_ai.conversation.id": self.session_id,
            "gen_ai.request.model": self.model,
            "gen_ai.usage.input_tokens": self.input_tokens,
            "gen_ai.usage.output_tokens": self.output_tokens,
            "user.id": self.user_id,
        }
        return SpanDraft(
            trace_id=trace_id,
            span_id=f"{derive(trace_id, 'span'):016x}",
            parent_span_id=None,
            name=self.agent or "trace",
            started_at=started_at,
            ended_at=started_at + latency,
            kind=SpanKind.LLM if calls_model else SpanKind.AGENT,
            status=SpanStatus.ERROR if self.error else SpanStatus.OK,
            status_message=self.error if isinstance(self.error, str) else None,
            dialect=DIALECT,
            agent_name=self.agent,
            session_id=self.session_id,
            user_id=self.user_id,
            tags=self.tags,
            model=self.model,
            input=self.input,
            output=self.output,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            attributes=self.metadata | {name: value for name, value in reported.items() if value is not None},
        )


def spans_of_reports(reports: Sequence[TraceReport]) -> list[SpanDraft]:
    """The spans of some reports, one each and in their order."""
    now = clock.now()
    drafts = [report.as_span(now) for report in reports]
    for draft in drafts:
        make_storable(draft)
    return drafts


def rejection_of_report(reason: str) -> Rejection:
    """What is counted of an item that is no report; ``reason`` says why it is none."""
    return Rejection(reason=NO_REPORT, sample=reason)
