"""A span before it is stored: the one model that every dialect and every ingestion path is mapped to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any


class SpanKind(StrEnum):
    """What a span does for an agent, whatever the instrumentation calls it."""

    AGENT = "agent"
    LLM = "llm"
    TOOL = "tool"
    RETRIEVAL = "retrieval"
    EMBEDDING = "embedding"
    CHAIN = "chain"
    OTHER = "other"


MODEL_KINDS = frozenset({SpanKind.LLM, SpanKind.EMBEDDING})
"""The kinds that call a model: only their tokens and costs count in a trace's roll-up."""


TEXTS = (
    "name",
    "status_message",
    "service",
    "workflow",
    "agent_name",
    "session_id",
    "user_id",
    "model",
    "provider",
    "response_id",
    "input",
    "output",
)
"""The fields of a draft that are texts which a sender writes."""
LABELS = ("service", "workflow", "agent_name", "session_id", "user_id", "model", "provider", "response_id")
"""Those of them that rows are found by; tags are, too."""
_labels = attrgetter(*LABELS)
LONGEST_LABEL = 200
"""So many characters of a label are kept, because an index takes no more than some thousand bytes."""
DEEPEST = 64
"""So many levels an attribute may be nested: within a tree of spans, what no reader or writer of JSON gives up on."""


class SpanStatus(StrEnum):
    """OpenTelemetry's status of a span; ``unset`` means that nothing went wrong."""

    UNSET = "unset"
    OK = "ok"
    ERROR = "error"


@dataclass(slots=True)
class SpanDraft:
    """One span as it arrived, mapped but neither priced nor stored.

    Not frozen and not validated on construction, because tens of thousands are made per second, and by position, because that
    takes half as long as by name; whoever makes one guarantees hex ids, aware times with ``ended_at >= started_at``, and counts
    that are not negative. ``input_tokens`` includes the cached ones and those written to the cache, ``output_tokens`` the
    reasoning ones. ``cost_usd`` is what the span itself reported, ``response_id`` what the provider calls its answer. ``otlp`` is
    what the protocol says of a span beyond this model, named as there and without defaults: its kind, trace state, flags, counts
    of what was dropped, and what microseconds cannot hold of its times. ``is_masked`` says that what the workspace does not want
    stored is out of it already.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    started_at: datetime
    ended_at: datetime
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    links: Sequence[Mapping[str, Any]] = ()
    resource: Mapping[str, Any] = field(default_factory=dict)
    scope: Mapping[str, Any] = field(default_factory=dict)
    otlp: Mapping[str, Any] = field(default_factory=dict)
    kind: SpanKind = SpanKind.OTHER
    status: SpanStatus = SpanStatus.UNSET
    status_message: str | None = None
    dialect: str = "plain"
    service: str | None = None
    workflow: str | None = None
    agent_name: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    tags: tuple[str, ...] = ()
    config_version: int | None = None
    model: str | None = None
    provider: str | None = None
    response_id: str | None = None
    input: str | None = None
    output: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: Decimal | None = None
    is_masked: bool = False


def cut_labels(drafts: Sequence[SpanDraft]) -> None:
    """Cut what spans are found by to what an index takes. To be done after masking: half a secret looks like none."""
    for draft in drafts:
        for label in _labels(draft):
            if label is not None and len(label) > LONGEST_LABEL:
                _cut(draft)
                break
        if draft.tags and len(max(draft.tags, key=len)) > LONGEST_LABEL:
            draft.tags = tuple(dict.fromkeys(tag[:LONGEST_LABEL] for tag in draft.tags))


def _cut(draft: SpanDraft) -> None:
    for name in LABELS:
        label = getattr(draft, name)
        setattr(draft, name, label and label[:LONGEST_LABEL])


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused span: ``reason`` is the same sentence for all refused alike, ``sample`` says which it was, whole.

    ``sender`` is the program that made it: its SDK, by name and version, whole as well.
    """

    reason: str
    sample: str
    sender: str = ""
