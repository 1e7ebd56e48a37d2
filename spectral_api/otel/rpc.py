"""OTLP over gRPC, on a port of its own: another door to the endpoint that OTLP over HTTP has.

A call is carried out as the request that the same exporter would send over HTTP, inside the process. So credentials, limits,
masking, counting and commits are the same by construction, and what was refused comes back as the status that it is over HTTP.
"""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import structlog
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message

from spectral_api.otel.receiving import CALL
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
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x78": "deflate"}
"""How compressed messages begin; a request that is not compressed begins with the number of its only field."""
CALLS_AT_ONCE = 32
"""How many calls of one connection are carried out at the same time; a sender's further ones wait in its own memory."""
MESSAGES_AT_ONCE = 4
"""How many messages are read at the same time, of all connections. Of others no more than a window of 64 KiB is taken in."""
READ_SECONDS = 10
"""How long a sender may take for a message, once it is its turn."""
DRAIN_SECONDS = 20


class ExtraMissing(Exception):
    """gRPC is asked for and not installed."""

    def __init__(self) -> None:
        super().__init__("SPECTRAL_GRPC_PORT is set, but gRPC is not installed: pip install 'spectral-api[grpc]'")


class CertificateUnfit(Exception):
    """What gRPC is to show to senders cannot be read, or is only half of what is needed."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"SPECTRAL_GRPC_CERTIFICATE_FILE and SPECTRAL_GRPC_KEY_FILE must both name a file in PEM: {reason}")


class PortUnavailable(Exception):
    """gRPC cannot listen where it was told to."""

    def __init__(self, address: str) -> None:
        super().__init__(f"cannot listen for gRPC on {address}; choose another SPECTRAL_GRPC_PORT")


@asynccontextmanager
async def grpc_served(app: ASGIApp, settings: Settings) -> AsyncIterator[int | None]:
    """Take in OTLP over gRPC, if the settings say so, for the length of the block; gives the port.

    At the end of the block, calls that have begun are carried out. Raises ExtraMissing, CertificateUnfit or PortUnavailable.
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
            ("grpc.http2.bdp_probe", 0),  # or the window of a call grows to megabytes before anybody wants its message
            # What the library inflates, it inflates without a limit; compressed messages come as they were sent.
            ("grpc.per_message_decompression", 0),
        ]
    )
    server.add_generic_rpc_handlers([_handler(app)])
    credentials = _credentials(settings)
    address = f"{host}:{settings.grpc_port}"
    try:
        port: int = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError:
        raise PortUnavailable(address) from None
    await server.start()
    logger.info("grpc_listens", host=settings.host, port=port)
    try:
        yield port
    finally:
        await server.stop(DRAIN_SECONDS)


def require_grpc(settings: Settings) -> None:
    """Raise what keeps a server from taking in gRPC as the settings ask: ExtraMissing or CertificateUnfit."""
    if settings.grpc_port is None:
        return
    if grpc is None:
        raise ExtraMissing
    _credentials(settings)


def _credentials(settings: Settings) -> Any:
    """What the server shows to senders; None where it is to listen without TLS."""
    files = (settings.grpc_key_file, settings.grpc_certificate_file)
    if files == (None, None):
        return None
    key, certificate = (_pem(file) for file in files)
    return grpc.ssl_server_credentials([(key, certificate)])


def _pem(file: Path | None) -> bytes:
    if file is None:
        raise CertificateUnfit("one of them is missing")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CertificateUnfit(f"{file}: {error.strerror}") from None
    if b"-----BEGIN " not in content:
        raise CertificateUnfit(f"{file} is none")
    return content


def _handler(app: ASGIApp) -> Any:
    turns = asyncio.Semaphore(MESSAGES_AT_ONCE)

    async def export(_: Any, context: Any) -> bytes:
        """One call. Messages come and go as bytes, because the endpoint reads and writes them itself.

        To the sender it is a call with one message. Here it is one with a stream of them: so the message stays with the sender
        until the endpoint asks for it, which is when the credential is verified.
        """
        answer = await _request(app, turns, context)
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

    return grpc.method_handlers_generic_handler(SERVICE, {"Export": grpc.stream_unary_rpc_method_handler(export)})


@dataclass(slots=True)
class Answer:
    """What the endpoint answered."""

    status: int = 500
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""


async def _read(turns: asyncio.Semaphore, context: Any) -> bytes:
    """The message of a call, when it is its turn. Nothing is awaited between the end of the turn and what is done with it."""
    async with turns:
        try:
            async with asyncio.timeout(READ_SECONDS):
                message = await context.read()
        except TimeoutError:
            details = f"The message was not there after {READ_SECONDS} seconds."
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, details)
    return message if isinstance(message, bytes) else b""


async def _request(app: ASGIApp, turns: asyncio.Semaphore, context: Any) -> Answer:
    """Ask the endpoint for HTTP what the call asks for."""
    metadata = [(name.encode(), value.encode()) for name, value in context.invocation_metadata() if name in PASSED_ON]
    headers = [*metadata, (b"content-type", Encoding.PROTOBUF.encode())]
    call: dict[str, str | None] = {}
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
        "extensions": {CALL: call},
    }
    answer = Answer()

    async def receive() -> Message:
        message = await _read(turns, context)
        call["compression"] = next((name for start, name in COMPRESSIONS.items() if message.startswith(start)), None)
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
