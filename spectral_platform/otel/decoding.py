"""OTLP/HTTP request bodies become span drafts: bad spans are rejections with a reason, good ones survive them."""

from dataclasses import dataclass, field
from datetime import datetime

from spectral_platform.otel import json, protobuf
from spectral_platform.otel.dialects import draft, origin
from spectral_platform.otel.encoding import Encoding, inflate
from spectral_platform.otel.errors import RefusedSpan
from spectral_platform.otel.received import check, latest_ns
from spectral_platform.traces.spans import Rejection, SpanDraft

READERS = {Encoding.PROTOBUF: protobuf, Encoding.JSON: json}
LONGEST_SAMPLE = 300


@dataclass(slots=True)
class Decoded:
    """What a request held."""

    drafts: list[SpanDraft] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


def decode(body: bytes, encoding: Encoding, content_encoding: str | None, *, limit_bytes: int, now: datetime) -> Decoded:
    """Read a body of at most ``limit_bytes`` after inflating.

    Raises PayloadTooLargeError, UnsupportedEncoding (of the compression) or MalformedBody when nothing can be read.
    """
    reader = READERS[encoding]
    latest = latest_ns(now)
    decoded = Decoded()
    for attributes, spans in reader.spans(inflate(body, content_encoding, limit_bytes=limit_bytes)):
        source = origin(attributes)
        for span in spans:
            try:
                received = reader.read(span)
                check(received, latest)
            except RefusedSpan as refused:
                sample = f"span {reader.name_of(span)!r} of service {source.service!r}"
                decoded.rejections.append(Rejection(reason=str(refused), sample=sample[:LONGEST_SAMPLE]))
            else:
                decoded.drafts.append(draft(received, source))
    return decoded
