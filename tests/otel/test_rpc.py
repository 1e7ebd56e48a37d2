"""OTLP over gRPC: the stock exporter, refusals as status codes, and the same limits as over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from starlette.types import Message, Receive, Scope, Send

from spectral_api.app import create_app
from spectral_api.otel import rpc
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.traces.intake import Intake
from tests.fixtures.callers import Person
from tests.otel.conformance.bodies import request, span
from tests.otel.test_api import statistics_of, traces_of

METHOD = f"/{rpc.SERVICE}/Export"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of a server that takes in gRPC on a free port."""
    return settings.model_copy(update={"grpc_port": 0, "max_body_bytes": 1_000_000})


@pytest.fixture
async def target(app: FastAPI, settings: Settings) -> AsyncIterator[str]:
    """Where the application takes in gRPC."""
    async with rpc.grpc_served(app, settings) as port:
        yield f"127.0.0.1:{port}"


async def call(target: str, message: bytes, metadata: Sequence[tuple[str, str]] = (), **options: Any) -> bytes:
    async with grpc.aio.insecure_channel(target) as channel:
        answer: bytes = await channel.unary_unary(METHOD)(message, metadata=metadata, **options)
        return answer


async def refusal(target: str, message: bytes, metadata: Sequence[tuple[str, str]] = (), **options: Any) -> tuple[str, Status]:
    """The name of the code with which a call is refused, and the status that tells more."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(target, message, metadata, **options)
    details = dict(refused.value.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    status = Status.FromString(details)
    if details:
        assert (status.code, status.message) == (refused.value.code().value[0], refused.value.details())
    return refused.value.code().name, status


def delay_in(status: Status) -> int:
    info = RetryInfo()
    assert status.details[0].Unpack(info)
    return int(info.retry_delay.seconds)


async def bearing(owner: Person, *scopes: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {await owner.key(*scopes)}")]


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_spans_of_the_stock_exporter_all_show_up(owner: Person, target: str, compression: grpc.Compression) -> None:
    headers = await bearing(owner)

    def export() -> None:
        exporter = OTLPSpanExporter(endpoint=target, insecure=True, headers=headers, compression=compression)
        provider = TracerProvider(resource=Resource({"service.name": "shop"}))
        provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=25))
        for _ in range(50):
            with provider.get_tracer("tests").start_as_current_span("work", attributes={"gen_ai.agent.name": "support"}):
                pass
        provider.shutdown()

    await asyncio.to_thread(export)

    statistics = await statistics_of(owner)
    assert (statistics["received"], statistics["stored"], statistics["by_service"]) == (50, 50, {"shop": 50})
    assert {trace["agent_name"] for trace in await traces_of(owner)} == {"support"}


async def test_a_users_token_names_its_workspace_in_the_metadata(owner: Person, target: str) -> None:
    token = ("authorization", f"Bearer {owner.tokens['access_token']}")
    message = request().SerializeToString()

    assert await call(target, message, [token, ("x-workspace-id", str(owner.workspace_id))]) == b""
    assert len(await traces_of(owner)) == 1
    assert (await refusal(target, message, [token]))[0] == "INVALID_ARGUMENT"


async def test_refused_spans_are_a_partial_success(owner: Person, target: str) -> None:
    message = request(span(), span(span_id=bytes(8))).SerializeToString()

    partial = ExportTraceServiceResponse.FromString(await call(target, message, await bearing(owner))).partial_success

    assert partial.rejected_spans == 1
    assert partial.error_message.startswith("1 of 2 spans refused: span_id must be 8 bytes")


async def test_every_refusal_has_its_code(owner: Person, stranger: Person, target: str) -> None:
    message, key = request().SerializeToString(), await bearing(owner)
    foreign = ("authorization", f"Bearer {stranger.tokens['access_token']}")

    assert (await refusal(target, message))[0] == "UNAUTHENTICATED"
    assert (await refusal(target, message, [("authorization", "Bearer sk_live_no")]))[0] == "UNAUTHENTICATED"
    assert (await refusal(target, message, await bearing(owner, "read:agents")))[0] == "PERMISSION_DENIED"
    assert (await refusal(target, message, [foreign, ("x-workspace-id", str(owner.workspace_id))]))[0] == "NOT_FOUND"
    assert (await refusal(target, b"\xff\xff\xff", key))[0] == "INVALID_ARGUMENT"
    assert (await refusal(target, b"\x1f\x8b no gzip", key))[0] == "INVALID_ARGUMENT"
    async with grpc.aio.insecure_channel(target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export")(b"")
    assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_over_the_limit_is_refused_for_good_before_and_after_inflating(owner: Person, target: str) -> None:
    key = await bearing(owner)

    large, told_of_large = await refusal(target, bytes(1_000_001), key)
    bomb, told_of_bomb = await refusal(target, bytes(30_000_000), key, compression=grpc.Compression.Gzip)

    assert (large, bomb) == ("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED")
    assert "1000000 bytes" in told_of_bomb.message
    assert not [*told_of_large.details, *told_of_bomb.details]  # without a delay, exporters do not send it again


async def test_a_server_with_its_hands_full_says_when_to_send_again(owner: Person, app: FastAPI, target: str) -> None:
    intake: Intake = app.state.intake
    key = await bearing(owner)
    intake.held_bytes = 10 * app.state.settings.max_body_bytes

    code, status = await refusal(target, request().SerializeToString(), key)

    assert (code, delay_in(status) > 0) == ("UNAVAILABLE", True)


async def test_a_message_is_read_once_its_sender_is_verified_and_it_is_its_turn(
    owner: Person, settings: Settings, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "MESSAGES_AT_ONCE", 1)
    monkeypatch.setattr(rpc, "READ_SECONDS", 0.2)
    key, message, reads = await bearing(owner), request().SerializeToString(), 0

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_counted() -> Message:
            nonlocal reads
            reads += 1
            return await receive()

        await app(scope, receive_counted, send)

    async with rpc.grpc_served(counting, settings) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert (await refusal(f"127.0.0.1:{port}", message))[0] == "UNAUTHENTICATED"
        assert reads == 0
        silent = channel.stream_unary(METHOD)(metadata=key)
        await silent.wait_for_connection()
        assert await call(f"127.0.0.1:{port}", message, key) == b""  # waits for the turn of the silent one to end
        with pytest.raises(grpc.aio.AioRpcError) as late:
            await silent
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_senders_verify_the_certificate_of_the_server(
    owner: Person, app: FastAPI, settings: Settings, tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path)
    encrypted = settings.model_copy(update={"grpc_certificate_file": certificate, "grpc_key_file": key})
    credentials = grpc.ssl_channel_credentials(certificate.read_bytes())

    async with rpc.grpc_served(app, encrypted) as port, grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        answer = await channel.unary_unary(METHOD)(request().SerializeToString(), metadata=await bearing(owner))

    assert answer == b""


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_half_a_certificate_is_refused_at_the_start(settings: Settings, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(rpc.CertificateUnfit, match="SPECTRAL_GRPC_CERTIFICATE_FILE"):
        rpc.require_grpc(settings.model_copy(update={"grpc_key_file": file}))


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


async def test_calls_count_against_the_same_limit_as_requests(owner: Person, settings: Settings, database: Database) -> None:
    limited = settings.model_copy(update={"ingestion_requests_per_minute": 1})
    key = await bearing(owner)

    app = create_app(limited, database)

    async with rpc.grpc_served(app, limited) as port:
        assert await call(f"127.0.0.1:{port}", request().SerializeToString(), key) == b""
        code, status = await refusal(f"127.0.0.1:{port}", request().SerializeToString(), key)
    await app.state.limiter.close()

    assert (code, 0 < delay_in(status) <= 60) == ("RESOURCE_EXHAUSTED", True)


async def test_a_call_that_has_begun_is_carried_out_before_the_server_ends(
    owner: Person, app: FastAPI, settings: Settings
) -> None:
    key = await bearing(owner)
    begun = asyncio.Event()

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await app(scope, receive, send)

    async with rpc.grpc_served(noting, settings) as port:
        calling = asyncio.create_task(call(f"127.0.0.1:{port}", request().SerializeToString(), key))
        await begun.wait()

    assert await calling == b""
    assert (await statistics_of(owner))["stored"] == 1


async def test_without_a_port_there_is_no_grpc(app: FastAPI, settings: Settings) -> None:
    async with rpc.grpc_served(app, settings.model_copy(update={"grpc_port": None})) as port:
        assert port is None


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setattr(rpc, "grpc", None)

    with pytest.raises(rpc.ExtraMissing, match=r"pip install 'spectral-api\[grpc\]'"):
        rpc.require_grpc(settings)
    rpc.require_grpc(settings.model_copy(update={"grpc_port": None}))


async def test_a_taken_port_is_named(app: FastAPI, settings: Settings, target: str) -> None:
    taken = settings.model_copy(update={"grpc_port": int(target.rpartition(":")[2])})

    with pytest.raises(rpc.PortUnavailable, match="SPECTRAL_GRPC_PORT"):
        async with rpc.grpc_served(app, taken):
            pass


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:4000", ("127.0.0.1", 4000)),
        ("ipv6:%5B::1%5D:4000", ("::1", 4000)),
        ("ipv6:[2001:db8::1]:4000", ("2001:db8::1", 4000)),
        ("unix:/run/spectral", None),
    ],
)
def test_the_callers_address_is_read(peer: str, address: tuple[str, int] | None) -> None:
    assert rpc._address(peer) == address
