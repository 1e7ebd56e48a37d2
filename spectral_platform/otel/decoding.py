"""OTLP request bodies become span drafts: bad spans are rejections with a reason, good ones survive them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from spectral_platform.otel.dialects import Origin, draft, origin
from spectral_platform.otel.encoding import Encoding, inflate
from spectral_platform.otel.errors import RefusedSpan
from spectral_platform.otel.json import JsonRequest
from spectral_platform.otel.protobuf import ProtobufRequest
from spectral_platform.otel.received import Request, check, latest_ns
from spectral_platform.traces.spans import Rejection, SpanDraft

REQUESTS: dict[Encoding, type[Request]] = {Encoding.PROTOBUF: ProtobufRequest, Encoding.JSON: JsonRequest}
LONGEST_SAMPLE = 300


@dataclass(slots=True)
class Decoded:
    """What a request held."""

    drafts: list[SpanDraft] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)

    def refuse(self, reason: RefusedSpan, names: Iterable[str], service: str | None) -> None:
        """Note that spans of these names cannot be stored."""
        for name in names:
            sample = f"span {name!r} of service {service!r}"
            self.rejections.append(Rejection(reason=str(reason), sample=sample[:LONGEST_SAMPLE]))


def decode(body: bytes, encoding: Encoding, content_encoding: str | None, *, limit_bytes: int, now: datetime) -> Decoded:
    """Read a body of at most ``limit_bytes`` after inflating.

    Raises PayloadTooLargeError, UnsupportedEncoding (of the compression) or MalformedBody when nothing can be read.
    """
    request = REQUESTS[encoding](inflate(body, content_encoding, limit_bytes=limit_bytes))
    latest = latest_ns(now)
    decoded = Decoded()
    resource: object = None
    source = Origin()
    for current, scoped, spans in request.groups():
        try:
            if current is not resource:
                source, resource = origin(*request.read_resource(current)), current
            scope = request.read_scope(scoped)
        except RefusedSpan as refused:
            decoded.refuse(refused, map(request.name_of, spans), None)
            continue
        for span in spans:
            try:
                received = request.read(span)
                check(received, latest)
            except RefusedSpan as refused:
                decoded.refuse(refused, [request.name_of(span)], source.service)
            else:
                decoded.drafts.append(draft(received, source, scope))
    return decoded
