"""Lines of an export of traces."""

from collections.abc import AsyncGenerator
from typing import Any

import orjson

from spectral_api.v1.traces import parameters, schemas
from spectral_platform.otel.writing import request_of
from spectral_platform.traces.exporting import TracePart

CHUNK_BYTES = 65_536


async def write(parts: AsyncGenerator[TracePart], form: parameters.ExportFormat) -> AsyncGenerator[bytes]:
    """The export in pieces that are worth sending, the last line included."""
    lines = 0
    piece = bytearray()
    async for part in parts:
        if form is parameters.ExportFormat.OTLP:
            piece += orjson.dumps(request_of(part.spans), option=orjson.OPT_APPEND_NEWLINE)
            lines += 1
        else:
            piece += _told(part)
            lines += part.is_last
        if len(piece) >= CHUNK_BYTES:
            yield bytes(piece)
            piece.clear()
    piece += orjson.dumps({"complete": True, "rows": lines}, option=orjson.OPT_APPEND_NEWLINE)
    yield bytes(piece)


def _told(part: TracePart) -> bytes:
    """The piece of a trace's line that a part is: a trace of many spans never has to be in memory as a whole."""
    spans = b",".join(schemas.SpanFields.model_validate(span).model_dump_json().encode() for span in part.spans)
    if not part.is_first:
        spans = b"," + spans
    else:
        facts: dict[str, Any] = {name: getattr(part.trace, name) for name in schemas.TraceFields.model_fields}
        trace = schemas.ExportedTrace(**facts, input=part.input, output=part.output).model_dump_json().encode()
        spans = trace.removesuffix(b"}") + b',"spans":[' + spans
    return spans + b"]}\n" if part.is_last else spans
