"""OTLP bodies made beforehand, into which fresh ids and times are written at fixed offsets, so that sending costs little.

A sender's spans are one endless stream of traces, each with its children first and its root last, as SDKs end them. The stream is
cut into batches, so a trace may reach over several requests. It repeats after a while but for its ids and times; that is a cycle.
"""

import json
import os
import random
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import lcm

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACE_ID, SPAN_ID, TIME = 16, 8, struct.Struct("<Q")
TEXT = (
    "the order was sent on monday and the parcel is still in transit so please check the address that the customer gave when "
    "paying and tell whether a refund or a replacement suits better before the week ends because our policy allows thirty days"
)
WORDS = TEXT.split(" ")
MODELS = ("gpt-4o-mini", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash")
TRACE_LENGTH_NS = 4_000_000_000


Attributes = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Sent:
    """One body that was sent: the random bytes of its cycle's ids, and which body of the cycle it is."""

    ids: bytes
    number: int


@dataclass(slots=True)
class Template:
    """A body and where in it the ids of its cycle's traces and spans, and the times, have to be written."""

    body: bytearray
    traces: list[tuple[int, int]] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    times: list[tuple[int, int]] = field(default_factory=list)
    own: list[tuple[int, int]] = field(default_factory=list)
    """Which trace and which span of the cycle each span of the body is."""


class Cycle:
    """The bodies after which a stream repeats: ``batch`` spans each, of traces of ``trace_spans``."""

    def __init__(self, batch: int, trace_spans: int, seed: int) -> None:
        self.batch = batch
        count = lcm(batch, trace_spans)
        self._traces, self._spans = count // trace_spans, count
        chosen = random.Random(seed)
        spans = [span for trace in range(self._traces) for span in _trace(trace, trace_spans, chosen)]
        self._templates = [_template(spans, start, batch, trace_spans) for start in range(0, count, batch)]

    @property
    def body_bytes(self) -> int:
        """The mean size of a body."""
        return sum(len(template.body) for template in self._templates) // len(self._templates)

    def stream(self) -> Iterator[tuple[Sent, bytes]]:
        """Bodies for ever, each with ids that no other has."""
        while True:
            ids = os.urandom(TRACE_ID * self._traces + SPAN_ID * self._spans)
            for number in range(len(self._templates)):
                sent = Sent(ids, number)
                yield sent, self.write(sent)

    def write(self, sent: Sent) -> bytes:
        """A body with its ids, and with times that end now."""
        template, ids = self._templates[sent.number], sent.ids
        body, first_span, now = template.body, TRACE_ID * self._traces, time.time_ns()
        for offset, trace in template.traces:
            body[offset : offset + TRACE_ID] = ids[TRACE_ID * trace : TRACE_ID * (trace + 1)]
        for offset, span in template.spans:
            start = first_span + SPAN_ID * span
            body[offset : offset + SPAN_ID] = ids[start : start + SPAN_ID]
        for offset, earlier in template.times:
            TIME.pack_into(body, offset, now - earlier)
        return bytes(body)

    def ids_of(self, sent: Sent) -> Iterator[tuple[str, str]]:
        """Trace id and span id, in hex, of each span in a body."""
        digits, first_span = sent.ids.hex(), 2 * TRACE_ID * self._traces
        for trace, span in self._templates[sent.number].own:
            start = first_span + 2 * SPAN_ID * span
            yield digits[2 * TRACE_ID * trace : 2 * TRACE_ID * (trace + 1)], digits[start : start + 2 * SPAN_ID]


def _template(spans: list[Span], start: int, batch: int, trace_spans: int) -> Template:
    """A body of some spans of a cycle. Where its ids and times are is found by marks that occur once."""
    request = ExportTraceServiceRequest()
    scoped = request.resource_spans.add()
    for key, value in {
        "service.name": "support-agent",
        "service.version": "2.14.0",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.38.0",
    }.items():
        scoped.resource.attributes.add(key=key).value.string_value = value
    inner = scoped.scope_spans.add()
    inner.scope.name, inner.scope.version = "bench.agent", "1.0.0"
    marks: list[tuple[bytes, str, int]] = []

    def mark(length: int, kind: str, stands_for: int) -> bytes:
        marks.append((os.urandom(length), kind, stands_for))
        return marks[-1][0]

    for number, original in enumerate(spans[start : start + batch], start):
        span = inner.spans.add()
        span.CopyFrom(original)
        root = number - number % trace_spans + trace_spans - 1
        span.trace_id = mark(TRACE_ID, "traces", number // trace_spans)
        span.span_id = mark(SPAN_ID, "spans", number)
        if number != root:
            span.parent_span_id = mark(SPAN_ID, "spans", root)
        for name in ("start_time_unix_nano", "end_time_unix_nano"):
            setattr(span, name, TIME.unpack(mark(SPAN_ID, "times", getattr(original, name)))[0])
    template = Template(bytearray(request.SerializeToString()))
    offset = 0
    for written, kind, stands_for in marks:  # in the order in which they lie in the body
        offset = template.body.index(written, offset)
        getattr(template, kind).append((offset, stands_for))
    template.own = [(number // trace_spans, number) for number in range(start, start + batch)]
    return template


def _trace(number: int, count: int, chosen: random.Random) -> Iterator[Span]:
    """The spans of one trace without ids, the root last; their times say how long before the end of the trace they are."""
    model, session, user = chosen.choice(MODELS), f"session-{chosen.randrange(10**6)}", f"user-{chosen.randrange(10**5)}"
    step = TRACE_LENGTH_NS // count
    for place in range(count - 1):
        make = _tool if place % 4 == 3 else _chat
        span = make(chosen, model, session)
        span.start_time_unix_nano = TRACE_LENGTH_NS - step * place
        span.end_time_unix_nano = TRACE_LENGTH_NS - step * (place + 1)
        yield span
    yield _span(
        f"invoke_agent support-{number % 5}",
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": "openai",
            "gen_ai.agent.name": "support",
            "gen_ai.agent.id": "agent-1",
            "gen_ai.request.model": model,
            "gen_ai.conversation.id": session,
            "user.id": user,
            "session.locale": "en-GB",
            "deployment": "production",
            "app.route": "/support",
            "app.version": "2.14.0",
            "gen_ai.input.messages": _messages("user", chosen, 40),
            "gen_ai.output.messages": _messages("assistant", chosen, 40),
        },
    )


def _chat(chosen: random.Random, model: str, session: str) -> Span:
    return _span(
        f"chat {model}",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": model,
            "gen_ai.response.model": model,
            "gen_ai.response.id": f"chatcmpl-{chosen.randrange(10**12)}",
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.max_tokens": 1024,
            "gen_ai.conversation.id": session,
            "gen_ai.usage.input_tokens": chosen.randrange(100, 4000),
            "gen_ai.usage.output_tokens": chosen.randrange(10, 900),
            "gen_ai.response.finish_reasons": "stop",
            "gen_ai.input.messages": _messages("user", chosen, 40),
            "gen_ai.output.messages": _messages("assistant", chosen, 25),
        },
    )


def _tool(chosen: random.Random, model: str, session: str) -> Span:
    order = chosen.randrange(10**6)
    return _span(
        "execute_tool find_order",
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "find_order",
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": f"call_{chosen.randrange(10**9)}",
            "gen_ai.conversation.id": session,
            "gen_ai.request.model": model,
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "server.address": "orders.internal",
            "url.path": f"/orders/{order}",
            "gen_ai.tool.call.arguments": json.dumps({"order": order, "note": _words(chosen, 15)}),
            "gen_ai.tool.call.result": json.dumps({"status": "sent", "text": _words(chosen, 40)}),
        },
    )


def _span(name: str, attributes: Attributes) -> Span:
    span = Span(name=name, kind=Span.SPAN_KIND_INTERNAL)
    for key, value in attributes.items():
        held = span.attributes.add(key=key).value
        match value:
            case str():
                held.string_value = value
            case int():
                held.int_value = value
            case float():
                held.double_value = value
    return span


def _messages(role: str, chosen: random.Random, words: int) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": _words(chosen, words)}]}])


def _words(chosen: random.Random, count: int) -> str:
    return " ".join(chosen.choices(WORDS, k=count))
