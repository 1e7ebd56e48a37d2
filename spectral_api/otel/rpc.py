"""OTLP over gRPC, on a port of its own: another door to the endpoint that OTLP over HTTP has.

A call is carried out as the request that the same exporter would send over HTTP, inside the process. So credentials, limits,
masking, counting and commits are the same by construction, and what was refused comes back as the status that it is over HTTP.
"""

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import structlog
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message

from spectral_platform.core.settings import Settings
from spectral_platform.otel.encoding import Encoding

try:
    import grpc
except ImportError:  # an extra that most servers do without
    grpc = None

logger = structlog.get_logger(__name__)

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
PATH = "/otel/v1/traces"
PASSED_ON = ("authorization", "x-workspace-id", "user-agent")
COMPRESSIONS = {b"\x1f\x8b": b"gzip", b"\x78": b"deflate"}
"""How compressed messages begin; a request that is not compressed begins with the number of its only field."""
CALLS_AT_ONCE = 32
"""How many calls of one connection are read at the same time; a sender's further ones wait in its own memory."""
DRAIN_SECONDS = 20


class ExtraMissing(Exception):
    """gRPC is asked for and not installed."""

    def __init__(self) -> None:
        super().__init__("SPECTRAL_GRPC_PORT is set, but gRPC is not installed: pip install 'spectral-api[grpc]'")


class PortUnavailable(Exception):
    """gRPC cannot listen where it was told to."""

    def __init__(self, address: str) -> None:
        super().__init__(f"cannot listen for gRPC on {address}; choose another SPECTRAL_GRPC_PORT")


@asynccontextmanager
async def grpc_served(app: ASGIApp, settings: Settings) -> AsyncIterator[int | None]:
    """Take in OTLP over gRPC, if the settings say so, for the length of the block; gives the port.

    At the end of the block, calls that have begun are carried out. Raises ExtraMissing or PortUnavailable.
    """
    if settings.grpc_port is None:
        yield None
        return
    require_grpc(settings)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", settings.max_body_bytes),
            ("grpc.max_concurrent_streams", CALLS_AT_ONCE),
            ("grpc.so_reuseport", 0),
            # What the library inflates, it inflates without a limit; compressed messages come as they were sent.
            ("grpc.per_message_decompression", 0),
        ]
    )
    server.add_generic_rpc_handlers([_handler(app)])
    try:
        port: int = server.add_insecure_port(f"{host}:{settings.grpc_port}")
    except RuntimeError:
        raise PortUnavailable(f"{host}:{settings.grpc_port}") from None
    await server.start()
    logger.info("grpc_listens", host=settings.host, port=port)
    try:
        yield port
    finally:
        await server.stop(DRAIN_SECONDS)


def require_grpc(settings: Settings) -> None:
    """Raise ExtraMissing when the settings ask for gRPC and it is not installed."""
    if settings.grpc_port is not None and grpc is None:
        raise ExtraMissing


def _handler(app: ASGIApp) -> Any:
    async def export(message: bytes, context: Any) -> bytes:
        """One call. Messages come and go as bytes, because the endpoint reads and writes them itself."""
        answer = await _request(app, message, context)
        if answer.status == 200:
            return answer.body
        status = Status.FromString(answer.body)
        retry_after = answer.headers.get("Retry-After")
        if retry_after is not None:
            status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=int(retry_after))))
        codes = {code.value[0]: code for code in grpc.StatusCode}
        details = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort(codes[status.code], status.message, trailing_metadata=details)
        raise AssertionError("aborting a call raises")

    return grpc.method_handlers_generic_handler(SERVICE, {"Export": grpc.unary_unary_rpc_method_handler(export)})


@dataclass(slots=True)
class Answer:
    """What the endpoint answered."""

    status: int = 500
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


async def _request(app: ASGIApp, message: bytes, context: Any) -> Answer:
    """Ask the endpoint for HTTP what the call asks for."""
    metadata = [(name.encode(), value.encode()) for name, value in context.invocation_metadata() if name in PASSED_ON]
    headers = [*metadata, (b"content-type", Encoding.PROTOBUF.encode()), (b"content-length", str(len(message)).encode())]
    headers += [(b"content-encoding", name) for start, name in COMPRESSIONS.items() if message.startswith(start)]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "2",
        "method": "POST",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": _address(context.peer()),
        "server": None,
    }
    answer = Answer()

    async def receive() -> Message:
        return {"type": "http.request", "body": message, "more_body": False}

    async def send(sent: MutableMapping[str, Any]) -> None:
        if sent["type"] == "http.response.start":
            answer.status, answer.headers = sent["status"], Headers(raw=sent["headers"])
        else:
            answer.body += sent.get("body", b"")

    try:
        await app(scope, receive, send)
    except Exception:
        # What is unexpected is logged and answered with 500 first, and raised then for whoever serves the application.
        if answer.status != 500:
            raise
    return answer


def _address(peer: str) -> tuple[str, int] | None:
    """Host and port of a peer, which is written such as ``ipv4:127.0.0.1:4000`` and ``ipv6:%5B::1%5D:4000``."""
    kind, _, address = unquote(peer).partition(":")
    host, _, port = address.rpartition(":")
    return (host.strip("[]"), int(port)) if kind in {"ipv4", "ipv6"} and port.isdecimal() else None
