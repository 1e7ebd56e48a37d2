"""Endpoints of OpenTelemetry's protocol."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response, Security
from fastapi.routing import APIRoute

from spectral_api.dependencies import Database
from spectral_api.otel import schemas
from spectral_api.otel.receiving import announced_size, compression_of
from spectral_api.otel.shortcut import Shortcut
from spectral_api.otel.statuses import render_status, render_success, statuses
from spectral_api.problems import problems
from spectral_api.routing import Router, add_routes
from spectral_api.security import CREDENTIALS, WORKSPACE_PARAMETER, authenticate_by_header, authenticate_sender
from spectral_api.v1.refusals import IN_WORKSPACE_OF_HEADER
from spectral_api.windows import Window
from spectral_platform.core import clock
from spectral_platform.core.access import Caller, Scope
from spectral_platform.core.errors import PayloadTooLargeError, SpectralError
from spectral_platform.core.settings import Settings
from spectral_platform.otel.decoding import Decoded, decode_by_and_by
from spectral_platform.otel.dialects.dialect import label
from spectral_platform.otel.encoding import Encoding, encoding_of, inflate
from spectral_platform.otel.errors import MalformedBody, UnsupportedEncoding
from spectral_platform.traces import queries
from spectral_platform.traces.errors import Busy, StorageFull
from spectral_platform.traces.intake import Intake
from spectral_platform.traces.spans import Rejection

PATHS = ("/otel/v1/traces", "/v1/traces")
OTHER_SIGNALS = ("/otel/v1/metrics", "/otel/v1/logs", "/v1/metrics", "/v1/logs")
"""Where exporters send what Spectral does not take; its absence is told as they understand it."""
EXAMPLE = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
                            "spanId": "00f067aa0ba902b7",
                            "name": "chat gpt-4o-mini",
                            "startTimeUnixNano": "1795323600000000000",
                            "endTimeUnixNano": "1795323600840000000",
                            "attributes": [
                                {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                                {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}},
                                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "412"}},
                                {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "38"}},
                            ],
                        }
                    ]
                }
            ],
        }
    ]
}
REQUEST_BODY = {
    "required": True,
    "description": "An ExportTraceServiceRequest.",
    "content": {
        Encoding.PROTOBUF.value: {"schema": {"type": "string", "format": "binary"}},
        Encoding.JSON.value: {"schema": {"type": "object"}, "example": EXAMPLE},
    },
}
SUCCESS = {
    "description": "The good spans are stored. Refused ones are counted in `partialSuccess`.",
    "content": {
        Encoding.PROTOBUF.value: {"schema": {"type": "string", "format": "binary"}},
        Encoding.JSON.value: {
            "schema": {"type": "object"},
            "examples": {
                "complete": {"summary": "Every span is stored.", "value": {}},
                "partial": {
                    "summary": "Some spans were refused.",
                    "value": {
                        "partialSuccess": {
                            "rejectedSpans": "1",
                            "errorMessage": "1 of 12 spans refused: the span ends before it starts (1).",
                        }
                    },
                },
            },
        },
    },
}

router = Router(tags=["OTEL"])


SENDERS: list[str] = [Scope.WRITE_TRACES, Scope.WRITE_WORKSPACE]
Sender = Annotated[Caller, Security(authenticate_sender, scopes=SENDERS)]
Reader = Annotated[Caller, Security(authenticate_by_header, scopes=[Scope.READ_WORKSPACE, Scope.WRITE_TRACES])]


@router.post(
    PATHS[0],
    summary="Ingest traces (OTLP)",
    responses={
        200: SUCCESS,
        **statuses(*IN_WORKSPACE_OF_HEADER, UnsupportedEncoding, MalformedBody, PayloadTooLargeError, Busy, StorageFull),
    },
    openapi_extra={"parameters": [WORKSPACE_PARAMETER], "requestBody": REQUEST_BODY, "security": CREDENTIALS},
)
@router.post(PATHS[1], include_in_schema=False)
async def export_traces(request: Request, caller: Sender) -> Response:
    """Take in spans from any OpenTelemetry SDK or collector, as OTLP/HTTP says: protobuf or JSON, plain, gzip or deflate.

    An API key decides the workspace; a user's token needs the header `X-Workspace-Id`. `200` means that the spans are committed
    to the database. A span that cannot be stored is reported in `partialSuccess` and in the statistics, and the others of its
    request are stored. A span sent again is stored once; of two copies the fuller one stays.

    Point `OTEL_EXPORTER_OTLP_ENDPOINT` at the server itself or at its `/otel`: `/v1/traces` is this endpoint too. Errors are
    `google.rpc.Status` bodies in the request's encoding; `429` and `503` say in `Retry-After` when to send again.
    """
    sender = label(request.headers.get("User-Agent")) or ""
    settings: Settings = request.app.state.settings
    intake: Intake = request.app.state.intake
    with intake.hold(announced_size(request)) as hold:
        body = await request.body()  # whoever sends is verified by now, and no connection is held while they take their time
        hold(len(body))
        try:
            encoding = encoding_of(request.headers.get("Content-Type"))
            payload = await _inflate(request, body, settings)
            hold(max(len(payload), len(body)))
            # Not in another thread: that would hold the interpreter's lock, for which the loop waits at every call to the system.
            decoded = Decoded()
            for _ in decode_by_and_by(decoded, payload, encoding, now=clock.now(), sender=sender):
                await asyncio.sleep(0)
        except Busy:
            raise
        except SpectralError as refusal:
            # Whoever sent this learns of it from the answer; the statistics tell those who look after the sender.
            rejection = Rejection(reason=str(refusal), sample=f"a request of {len(body)} bytes", sender=sender)
            await intake.take(caller, drafts=(), rejections=[rejection], size_bytes=len(body))
            raise
        await intake.take(caller, drafts=decoded.drafts, rejections=decoded.rejections, size_bytes=len(body))
    rejections = decoded.rejections
    message = _refused(rejections, len(rejections) + len(decoded.drafts)) if rejections else ""
    return render_success(encoding, rejected=len(rejections), message=message)


async def _inflate(request: Request, body: bytes, settings: Settings) -> bytes:
    """The body as it was before it was compressed. Inflating lets other threads run, so it is done in one."""
    compression = compression_of(request)
    if compression is None:
        return body
    return await asyncio.to_thread(inflate, body, compression, limit_bytes=settings.max_body_bytes)


def _refused(rejections: Sequence[Rejection], received: int) -> str:
    reasons = Counter(rejection.reason for rejection in rejections).most_common()
    listed = ", ".join(f"{reason} ({count})" for reason, count in reasons)
    return f"{len(rejections)} of {received} spans refused: {listed}."


@router.get(
    f"{PATHS[0]}/stats",
    response_model=schemas.IngestStatistics,
    summary="Ingestion statistics",
    responses=problems(*IN_WORKSPACE_OF_HEADER),
    openapi_extra={"parameters": [WORKSPACE_PARAMETER]},
)
async def get_statistics(caller: Reader, database: Database, window: Window = timedelta(hours=24)) -> Any:
    """Tell what arrived in the workspace: how many spans were stored, how many were refused and why.

    An API key decides the workspace; a user's token needs the header `X-Workspace-Id`. Counting goes by periods of five minutes,
    and the window reaches back to the beginning of one.
    """
    return await queries.get_statistics(database, caller, window=window)


def install_otel(app: FastAPI) -> None:
    """Serve OTLP: its endpoints, and its way of saying that something went wrong."""
    for path in (*PATHS, *(f"{path}/" for path in PATHS), *OTHER_SIGNALS):
        app.state.error_renderers[path] = render_status
    documented = next(route for route in router.routes if isinstance(route, APIRoute) and route.endpoint is export_traces)
    app.router.routes.insert(0, Shortcut(documented, PATHS, SENDERS))
    add_routes(app.router, router)
