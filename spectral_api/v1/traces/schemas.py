"""Bodies of the traces' endpoints."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    ValidationError,
    computed_field,
    model_validator,
)

from spectral_api.paging import Pagination
from spectral_api.schemas import Input, Output, Time, Usd
from spectral_platform.traces.feedback import SCORES, FeedbackLabel, FeedbackSource
from spectral_platform.traces.listing import COUNTED_EXACTLY
from spectral_platform.traces.models import TraceStatus
from spectral_platform.traces.reports import TraceReport
from spectral_platform.traces.spans import SpanKind, SpanStatus
from spectral_platform.traces.statements import PREVIEW_CHARACTERS

MOST_TRACES = 10_000

HexTraceId = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$"), AfterValidator(str.lower)]
HexSpanId = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{16}$"), AfterValidator(str.lower)]


class Refusal(Output):
    """An item that was not taken in."""

    reason: str = Field(description="Why it was refused.", examples=["input: Field required"])


class IndexedRefusal(Refusal):
    """An item that was not taken in, and which one it was."""

    index: int = Field(description="Its place in the request, from 0.", examples=[3])


def _judge(item: Any) -> TraceReport | Refusal:
    """Judge one item by itself: a bad one must not refuse the rest."""
    try:
        return TraceReport.model_validate(item)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        reasons = (f"{'.'.join(str(part) for part in fault['loc']) or 'item'}: {fault['msg']}" for fault in faults)
        return Refusal(reason="; ".join(reasons))


class TracesCreate(Input):
    """Traces told in a few words."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "traces": [
                        {
                            "agent": "support",
                            "input": "Where is my order 1234?",
                            "output": "It left our warehouse today.",
                            "latency_ms": 840,
                            "model": "gpt-4o-mini",
                            "input_tokens": 412,
                            "output_tokens": 38,
                            "session_id": "c-77",
                        }
                    ]
                }
            ]
        }
    )

    traces: list[Annotated[TraceReport | Refusal, PlainValidator(_judge, json_schema_input_type=TraceReport)]] = Field(
        min_length=1, max_length=MOST_TRACES, description="The traces; each is judged by itself."
    )


class TracesAccepted(Output):
    """What became of the traces that were sent."""

    accepted: int = Field(description="How many are stored.", examples=[1])
    trace_ids: list[str] = Field(
        description="Their ids, in the order in which they were sent.", examples=[["4bf92f3577b34da6a3ce929d0e0e4736"]]
    )
    rejected: list[IndexedRefusal] = Field(description="The items that were refused.")


class TracePagination(Pagination):
    """Where a page of traces stands."""

    total_capped: bool = Field(
        description=(
            f"True when counting stopped, and there may be more than `total`: at {COUNTED_EXACTLY} with filters, and with a"
            " `search` that many traces match as soon as the page was found."
        ),
        examples=[False],
    )
    next_cursor: str | None = Field(description="Send it as `cursor` for the page after this one; null on the last page.")


class TraceFields(Output):
    """What a trace shows everywhere."""

    id: str = Field(description="The trace's id, as OpenTelemetry has it.", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
    trace_id: str = Field(description="The same id under its other name.", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
    name: str = Field(description="Name of the root span.", examples=["invoke_agent support"])
    workflow: str | None = Field(description="The workflow, else the service, that ran.", examples=["shop"])
    agent_id: UUID | None = Field(description="The agent nearest to the root; null when no span names one.")
    agent_name: str | None = Field(description="Its name, as the spans have it.", examples=["support"])
    started_at: Time = Field(description="When the first span began.")
    duration_ms: int = Field(description="From there to the end of the last span, in milliseconds.", examples=[1840])
    status: TraceStatus = Field(
        description="`error` when a span failed, unless the root span says outright that all went well.", examples=["ok"]
    )
    span_count: int = Field(description="How many spans are stored.", examples=[7])
    input_tokens: int | None = Field(description="Tokens that went into models, cached ones included; null = unknown.")
    output_tokens: int | None = Field(description="Tokens that came out of models, reasoning included; null = unknown.")
    total_tokens: int | None = Field(description="Both together; null = unknown.", examples=[450])
    cost_usd: Usd | None = Field(
        description="What the model calls with a known price cost, in US dollars; null when none has one.", examples=["0.000085"]
    )
    unpriced_spans: int = Field(description="How many model calls have no known price.", examples=[0])
    models: list[str] = Field(description="The models that were called.", examples=[["gpt-4o-mini-2024-07-18"]])
    session_id: str | None = Field(description="The conversation that this was part of.", examples=["c-77"])
    user_id: str | None = Field(description="The end user who was served.")
    tags: list[str] = Field(description="Labels that the spans carry.", examples=[["beta"]])
    feedback_score: float | None = Field(description="Mean of all feedback, from -1 to 1; null without any.", examples=[0.5])
    feedback_count: int = Field(description="How many pieces of feedback there are.", examples=[2])
    config_version: int | None = Field(description="The agent's config version, where spans carry `spectral.config.version`.")


class Trace(TraceFields):
    """A trace in a list."""

    input: str | None = Field(
        description=f"What went in, at most {PREVIEW_CHARACTERS} characters of it.",
        examples=["Where is my order 1234?"],
    )
    output: str | None = Field(
        description=f"What came out, at most {PREVIEW_CHARACTERS} characters of it.",
        examples=["It left our warehouse today."],
    )


class TraceResults(Output):
    """One page of traces."""

    results: list[Trace] = Field(description="The traces of this page.")
    pagination: TracePagination = Field(description="Where this page stands.")


class ExportedTrace(TraceFields):
    """A trace in an export, without its spans."""

    input: str | None = Field(description="What went in, whole.")
    output: str | None = Field(description="What came out, whole.")


class SpanEvent(Output):
    """Something that happened during a span."""

    name: str = Field(description="What happened.", examples=["exception"])
    at: Time = Field(description="When.")
    attributes: dict[str, JsonValue] = Field(description="Its attributes.")
    dropped_attributes_count: int = Field(default=0, description="How many of its attributes the sender left out.", examples=[0])


class SpanLink(Output):
    """A reference to another span, possibly in another trace."""

    trace_id: str = Field(description="The other span's trace.")
    span_id: str = Field(description="The other span.")
    attributes: dict[str, JsonValue] = Field(description="The link's attributes.")
    dropped_attributes_count: int = Field(default=0, description="How many of its attributes the sender left out.", examples=[0])


class SpanFields(Output):
    """A span by itself."""

    id: str = Field(description="The span's id, as OpenTelemetry has it.", examples=["00f067aa0ba902b7"])
    span_id: str = Field(description="The same id under its other name.", examples=["00f067aa0ba902b7"])
    trace_id: str = Field(description="The trace that it belongs to.")
    parent_span_id: str | None = Field(description="The span that caused it; null for a root.")
    name: str = Field(description="Its name.", examples=["chat gpt-4o-mini"])
    kind: SpanKind = Field(description="What it does for the agent.", examples=["llm"])
    started_at: Time = Field(description="When it began.")
    duration_ms: int = Field(description="How long it took, in milliseconds.", examples=[840])
    status: SpanStatus = Field(description="OpenTelemetry's status; `unset` means that nothing went wrong.", examples=["unset"])
    status_message: str | None = Field(description="Why it failed.")
    dialect: str = Field(description="The conventions that its attributes follow.", examples=["gen_ai"])
    service: str | None = Field(description="The `service.name` of its resource.", examples=["shop"])
    agent_id: UUID | None = Field(description="The agent that it names.")
    agent_name: str | None = Field(description="Its agent's name.", examples=["support"])
    model: str | None = Field(description="The model that answered, else the one that was asked.", examples=["gpt-4o-mini"])
    provider: str | None = Field(description="Who serves the model.", examples=["openai"])
    input: str | None = Field(
        description="What went in. Of a conversation the last user message; the whole is in `attributes`.",
        examples=["Where is my order 1234?"],
    )
    output: str | None = Field(description="What came out.", examples=["It left our warehouse today."])
    input_tokens: int | None = Field(description="Tokens that went in, cached ones included.", examples=[412])
    output_tokens: int | None = Field(description="Tokens that came out, reasoning included.", examples=[38])
    cached_input_tokens: int | None = Field(description="How many of those that went in came from the provider's cache.")
    reasoning_tokens: int | None = Field(description="How many of those that came out were reasoning.")
    cost_usd: Usd | None = Field(
        description="What it cost in US dollars: as the span reports it, else its tokens' price; null = unknown."
    )
    attributes: dict[str, JsonValue] = Field(description="Its attributes as they were sent.")
    resource: dict[str, JsonValue] = Field(description="The attributes of its resource.")
    scope: dict[str, JsonValue] = Field(
        description="The instrumentation that recorded it, as far as it says: `name`, `version`, `attributes`, `schema_url`.",
        examples=[{"name": "opentelemetry.instrumentation.openai_v2", "version": "2.3"}],
    )
    otlp: dict[str, JsonValue] = Field(
        description="What else OTLP says of it, named as there and without defaults: `kind`, `flags`, `trace_state`, counts of "
        "what was dropped, and its times where they are finer than a microsecond.",
        examples=[{"kind": "client", "flags": 257, "start_time_unix_nano": 1795323600000000123}],
    )
    events: list[SpanEvent] = Field(description="What happened during it.")
    links: list[SpanLink] = Field(description="Other spans that it refers to.")


class Span(SpanFields):
    """A span and the spans beneath it."""

    children: list["Span"] = Field(description="The spans that it caused, in the order in which they began.")


class SpanPagination(Output):
    """Where a page of spans stands."""

    total: int = Field(description="How many spans the trace has.", examples=[7])
    limit: int = Field(description="At most so many are on a page.", examples=[1000])
    offset: int = Field(description="`spans_offset` as it was asked; pages by `spans_cursor` do not count it.", examples=[0])
    next_cursor: str | None = Field(description="Send it as `spans_cursor` for the page after this one; null on the last page.")


class TraceDetail(TraceFields):
    """A trace and its spans."""

    input: str | None = Field(description="What went in.", examples=["Where is my order 1234?"])
    output: str | None = Field(description="What came out.", examples=["It left our warehouse today."])
    spans: list[Span] = Field(
        description="The spans as trees. A span whose parent is not stored, or is on another page, stands at the top."
    )
    spans_pagination: SpanPagination = Field(description="Which of the spans are shown; ask for others with `spans_cursor`.")


class Judgement(Input):
    """A score or a label, not both."""

    score: float | None = Field(default=None, ge=-1, le=1, description="From -1 (bad) to 1 (good).")
    label: FeedbackLabel | None = Field(default=None, description="The same in one word: 1, 0 or -1.")

    @model_validator(mode="after")
    def demand_one_judgement(self) -> Self:
        """Exactly one of score and label."""
        if (self.score is None) == (self.label is None):
            raise ValueError("give either score or label")
        return self

    @property
    def value(self) -> float:
        """The judgement as a score."""
        return SCORES[self.label] if self.label is not None else self.score or 0.0


class FeedbackCreate(Judgement):
    """What to think of a trace: a score or a label, not both."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"label": "negative", "comment": "It named the wrong warehouse.", "source": "human"}],
            "oneOf": [{"required": ["score"]}, {"required": ["label"]}],
        }
    )

    span_id: HexSpanId | None = Field(default=None, description="The span that is meant; by default the whole trace.")
    dimension: str | None = Field(default=None, max_length=200, description="What was judged, such as `tone`.")
    comment: str | None = Field(default=None, max_length=20_000, description="Why.")
    corrected_output: str | None = Field(default=None, max_length=200_000, description="What should have come out.")
    source: FeedbackSource = Field(
        default=FeedbackSource.HUMAN,
        description="Who judged: a reviewer (`human`), the end user (`user`) or a program (`code`).",
    )


class FeedbackLinkCreate(Input):
    """A link by which somebody without a credential may judge a trace."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"expires_in_hours": 72}]})

    expires_in_hours: int = Field(default=168, ge=1, le=8_760, description="For how long the link is good; a week by default.")
    span_id: HexSpanId | None = Field(default=None, description="The span that is meant; by default the whole trace.")
    shows_content: bool = Field(
        default=False, description="Let whoever has the link read what went into the trace and what came out of it."
    )


class FeedbackLink(Output):
    """A link by which somebody without a credential may judge a trace."""

    url: str = Field(description="Where to see what may be judged (`GET`) and to judge it (`POST`); whoever has it may.")
    expires_at: Time = Field(description="Until when it is good.")


class Feedback(Output):
    """What somebody or something thought of a trace."""

    id: UUID = Field(description="The feedback.")
    trace_id: str = Field(description="The trace that was judged.")
    span_id: str | None = Field(description="The span that was meant; null = the whole trace.")
    score: float = Field(description="From -1 (bad) to 1 (good).", examples=[-1.0])
    label: FeedbackLabel = Field(description="The score in one word.", examples=["negative"])
    dimension: str | None = Field(description="What was judged.", examples=["correctness"])
    comment: str | None = Field(description="Why.", examples=["It named the wrong warehouse."])
    corrected_output: str | None = Field(description="What should have come out.")
    source: FeedbackSource = Field(description="Who judged.", examples=["human"])
    author_id: UUID | None = Field(description="The user or API key that sent it.")
    created_at: Time = Field(description="When it was sent.")

    @computed_field(description="The same id under its other name.")
    @property
    def feedback_id(self) -> UUID:
        """The feedback's id under its other name."""
        return self.id
