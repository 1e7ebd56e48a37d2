"""OTLP request bodies become span drafts: bad spans are rejections with a reason, good ones survive them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spectral_platform.otel.dialects import Origin, draft, origin
from spectral_platform.otel.dialects.dialect import label
from spectral_platform.otel.encoding import Encoding, inflate
from spectral_platform.otel.errors import RefusedSpan
from spectral_platform.otel.json import JsonRequest
from spectral_platform.otel.protobuf import ProtobufRequest
from spectral_platform.otel.received import Request, check, latest_ns
from spectral_platform.traces.spans import Rejection, SpanDraft

REQUESTS: dict[Encoding, type[Request]] = {Encoding.PROTOBUF: ProtobufRequest, Encoding.JSON: JsonRequest}
SPANS_AT_ONCE = 100
"""How many spans are decoded before others have their turn: some milliseconds' worth."""


@dataclass(slots=True)
class Decoded:
    """What a request held."""

    drafts: list[SpanDraft] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)

    def refuse(self, reason: RefusedSpan, names: Iterable[str], source: Origin, sender: str) -> None:
        """Note that spans of these names cannot be stored."""
        made_by = sdk_of(source.resource) or sender
        for name in names:
            sample = f"span {name!r} of service {source.service!r}"
            self.rejections.append(Rejection(reason=str(reason), sample=sample, sender=made_by))


def sdk_of(resource: Mapping[str, Any]) -> str | None:
    """The SDK that made the spans of a resource, as OpenTelemetry has it: ``opentelemetry 1.45.0 (python)``."""
    name, version, language = (label(resource.get(f"telemetry.sdk.{fact}")) for fact in ("name", "version", "language"))
    if name is None:
        return None
    return " ".join([name, *([version] if version else []), *([f"({language})"] if language else [])])


def decode(
    body: bytes, encoding: Encoding, content_encoding: str | None = None, *, limit_bytes: int, now: datetime, sender: str = ""
) -> Decoded:
    """Read a body of at most ``limit_bytes`` after inflating. ``sender`` is who sent it, for spans that name no SDK.

    Raises PayloadTooLargeError, UnsupportedEncoding (of the compression) or MalformedBody when nothing can be read.
    """
    decoded = Decoded()
    payload = inflate(body, content_encoding, limit_bytes=limit_bytes)
    for _ in decode_by_and_by(decoded, payload, encoding, now=now, sender=sender):
        pass
    return decoded


def decode_by_and_by(decoded: Decoded, payload: bytes, encoding: Encoding, *, now: datetime, sender: str = "") -> Iterator[None]:
    """Read an inflated body into ``decoded``, with a pause after every few spans in which others may have their turn.

    Raises MalformedBody when nothing can be read.
    """
    request = REQUESTS[encoding](payload)
    latest = latest_ns(now)
    resource: object = None
    source = Origin()
    for current, scoped, spans in request.groups():
        try:
            if current is not resource:
                source, resource = origin(*request.read_resource(current)), current
            scope = request.read_scope(scoped)
        except RefusedSpan as refused:
            decoded.refuse(refused, map(request.name_of, spans), Origin(), sender)
            continue
        for number, span in enumerate(spans, start=1):
            try:
                received = request.read(span)
                check(received, latest)
            except RefusedSpan as refused:
                decoded.refuse(refused, [request.name_of(span)], source, sender)
            else:
                decoded.drafts.append(draft(received, source, scope))
            if number % SPANS_AT_ONCE == 0:
                yield
