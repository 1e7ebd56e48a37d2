"""Runs instrumented programs against the local model endpoint, and keeps what they send as golden recordings.

``uv run python -m tests.senders.record traceloop`` records one anew, without names all of them. A recording holds the bodies of
all requests that a program's exporter made, one after the other: by the rules of protobuf that is one body with all their spans.
"""

import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.senders import models

PROGRAMS = Path(__file__).parent / "python"
GOLDENS = Path(__file__).parent / "goldens"
PATIENCE_S = 300
PROTOBUF = "application/x-protobuf"
FOLDER = re.compile(r"/(?:[\w.+-]+/)+(?=[\w.+-]+\.py\b)")


@contextmanager
def listening(app: Starlette) -> Iterator[str]:
    """The URL of an application that listens on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def run(program: str, *, otlp: str, model: str, headers: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program in an environment of its own, configured as its libraries' documentation says: by variables."""
    folder = PROGRAMS / program
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise FileNotFoundError("uv, which makes the environments of the instrumented programs, is not installed")
    variables = folder / "sender.env"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPECTRAL_", "OTEL_", "VIRTUAL_ENV"))}
    # In a folder that is no checkout: SDKs write into their spans which commit the program is at.
    with tempfile.TemporaryDirectory() as nowhere:
        return subprocess.run(
            [
                *(uv, "run", "--quiet", "--no-project", "--python", sys.executable),
                *("--with-requirements", str(folder / "requirements.txt")),
                *(("--env-file", str(variables)) if variables.exists() else ()),
                str(folder / "sender.py"),
            ],
            cwd=nowhere,
            env=kept
            | {
                "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
                "OTEL_EXPORTER_OTLP_HEADERS": headers,
                "OPENAI_BASE_URL": f"{model}/v1",
                "OPENAI_API_KEY": "none",
                "ANTHROPIC_BASE_URL": model,
                "ANTHROPIC_API_KEY": "none",
                "NO_PROXY": "127.0.0.1",
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )


def record(program: str) -> Path:
    """Run a program and keep what it sent."""
    bodies: list[bytes] = []

    async def receive(request: Request) -> Response:
        body = await request.body()
        bodies.append(gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body)
        return Response(media_type=PROTOBUF)

    receiver = Starlette(routes=[Route("/v1/traces", receive, methods=["POST"])])
    with listening(receiver) as otlp, listening(models.app) as model:
        ended = run(program, otlp=otlp, model=model)
    if ended.returncode or not bodies:
        raise RuntimeError(f"{program} ended with {ended.returncode} after {len(bodies)} requests:\n{ended.stderr}")
    golden = GOLDENS / f"{program}.binpb"
    golden.write_bytes(anonymous(b"".join(bodies)))
    return golden


def anonymous(body: bytes) -> bytes:
    """The body without what it says of the machine that it was recorded on: its name, and its folders in stack traces."""
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        for attribute in resource_spans.resource.attributes:
            if attribute.key in {"host.name", "host.id"}:
                attribute.value.string_value = "recorded"
        for span in (span for scope_spans in resource_spans.scope_spans for span in scope_spans.spans):
            span.status.message = FOLDER.sub("", span.status.message)
            for attribute in chain(span.attributes, *(event.attributes for event in span.events)):
                if attribute.value.HasField("string_value"):
                    attribute.value.string_value = FOLDER.sub("", attribute.value.string_value)
    return request.SerializeToString()


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.name for path in PROGRAMS.iterdir()):
        written = record(name)
        sys.stdout.write(f"{written.name}: {written.stat().st_size} bytes\n")
