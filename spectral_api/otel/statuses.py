"""How OTLP answers: success and failure in the request's own encoding, failures as ``google.rpc.Status``."""

from typing import Any

import orjson
from fastapi import Request, Response
from google.rpc.status_pb2 import Status as StatusMessage
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from pydantic import Field

from spectral_api.problems import problems
from spectral_api.schemas import Output
from spectral_platform.core.errors import SpectralError
from spectral_platform.otel.encoding import Encoding, encoding_of
from spectral_platform.otel.errors import UnsupportedEncoding

# google.rpc.Code; what is not listed is INTERNAL.
CODES = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 422: 3, 429: 8, 503: 14}
INTERNAL = 13


class Status(Output):
    """An error of OTLP, as google.rpc.Status has it."""

    code: int = Field(description="Code of google.rpc.Code.", examples=[16])
    message: str = Field(description="What happened.", examples=["Send a credential."])


def answer_encoding(request: Request) -> Encoding:
    """The request's encoding; JSON, which people can read, when it has none that OTLP knows."""
    try:
        return encoding_of(request.headers.get("Content-Type"))
    except UnsupportedEncoding:
        return Encoding.JSON


def render_status(request: Request, status: int, detail: str) -> Response:
    """A failure as OTLP has it. Shape errors are 400 there, not 422, which exporters do not know."""
    code = CODES.get(status, INTERNAL)
    encoding = answer_encoding(request)
    if encoding is Encoding.JSON:
        content = orjson.dumps({"code": code, "message": detail})
    else:
        content = StatusMessage(code=code, message=detail).SerializeToString()
    return Response(content, status_code=400 if status == 422 else status, media_type=encoding.value)


def render_success(encoding: Encoding, *, rejected: int, message: str) -> Response:
    """The answer to a request whose good spans are stored; refused ones are told as a partial success."""
    if encoding is Encoding.JSON:
        # Protobuf's JSON mapping writes 64-bit integers as strings.
        partial = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": message}} if rejected else {}
        return Response(orjson.dumps(partial), media_type=encoding.value)
    answer = ExportTraceServiceResponse()
    if rejected:
        answer.partial_success.rejected_spans = rejected
        answer.partial_success.error_message = message
    return Response(answer.SerializeToString(), media_type=encoding.value)


def statuses(*errors: type[SpectralError]) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of an endpoint of OTLP that may raise these errors."""
    schema = {"$ref": "#/components/schemas/Status"}
    documented: dict[int | str, dict[str, Any]] = {}
    for status, response in problems(*errors, validation=False).items():
        code = CODES.get(int(status), INTERNAL)
        example = {"code": code, "message": response["description"]}
        documented[status] = {
            "model": Status,
            "description": response["description"],
            "content": {
                Encoding.JSON.value: {"schema": schema, "example": example},
                Encoding.PROTOBUF.value: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    return documented
