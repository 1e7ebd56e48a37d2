"""Runs JavaScript programs against the local model endpoint, and keeps what they send as golden recordings.

``uv run python -m tests.senders.npm vercel_6`` records one anew, without names all of them. The packages of a program are those
of its lock file, installed by ``npm ci`` once into the user's cache.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.senders import models
from tests.senders.record import GOLDENS, listening

PROGRAMS = Path(__file__).parent / "js"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "spectral-senders"
PATIENCE_S = 120
VARIANTS = {
    "opentelemetry_js": ("vercel_6", "plain.mjs", {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}),
    "vercel_4": ("vercel_4", "vercel.mjs", {}),
    "vercel_5": ("vercel_5", "vercel.mjs", {}),
    "vercel_6": ("vercel_6", "vercel.mjs", {}),
    "vercel_7": ("vercel_7", "vercel.mjs", {"AI_TELEMETRY": "genai"}),
    "vercel_7_legacy": ("vercel_7", "vercel.mjs", {"AI_TELEMETRY": "legacy"}),
}
"""Recording → packages, script and what it is told."""


def install(packages: str) -> Path:
    """A folder with the packages of a lock file and the scripts beside them."""
    lock = (PROGRAMS / packages / "package-lock.json").read_bytes()
    installed = CACHE / f"{packages}-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not installed.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError("npm, which installs the packages of the JavaScript programs, is not there")
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=CACHE))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROGRAMS / packages / name, fresh)
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--loglevel=error"]
        subprocess.run([npm, "ci", *options], cwd=fresh, check=True, timeout=PATIENCE_S, capture_output=True)
        try:
            fresh.rename(installed)
        except OSError:  # somebody else was faster
            shutil.rmtree(fresh)
    return installed


def run(variant: str, *, otlp: str, model: str, **told: str) -> subprocess.CompletedProcess[str]:
    """Run a program, configured as its libraries' documentation says: by variables."""
    packages, script, variables = VARIANTS[variant]
    installed = install(packages)
    # Node looks for packages from where the script lies, so it must lie beside them.
    with tempfile.TemporaryDirectory(dir=installed) as folder:
        for source in PROGRAMS.glob("*.mjs"):
            shutil.copy(source, folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPECTRAL_", "OTEL_", "NODE_"))}
        configured = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
            "OTEL_SERVICE_NAME": "shop",
            "OPENAI_BASE_URL": f"{model}/v1",
            "ANTHROPIC_BASE_URL": model,
            "NO_PROXY": "127.0.0.1",
            "NODE_NO_WARNINGS": "1",
        }
        return subprocess.run(
            ["node", str(Path(folder) / script)],
            env=kept | configured | variables | told,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )


def record(variant: str) -> Path:
    """Run a program and keep what it sent; by the rules of protobuf, bodies one after the other are one body."""
    bodies: list[bytes] = []

    async def receive(request: Request) -> Response:
        bodies.append(await request.body())
        return Response(media_type=request.headers["content-type"])

    receiver = Starlette(routes=[Route("/v1/traces", receive, methods=["POST"])])
    with listening(receiver) as otlp, listening(models.app) as model:
        ended = run(variant, otlp=otlp, model=model)
    is_json = VARIANTS[variant][2].get("OTEL_EXPORTER_OTLP_PROTOCOL") == "http/json"
    if ended.returncode or not bodies or (is_json and len(bodies) > 1):
        raise RuntimeError(f"{variant} ended with {ended.returncode} after {len(bodies)} requests:\n{ended.stderr}")
    golden = GOLDENS / f"{variant}.{'json' if is_json else 'binpb'}"
    golden.write_bytes(b"".join(bodies) if is_json else without_paths(b"".join(bodies)))
    return golden


def without_paths(body: bytes) -> bytes:
    """The body without the recording machine's folders, which stack traces name."""
    folder = re.compile(rf"(?:file://)?{re.escape(str(CACHE))}/[^/\s]+/(?:tmp\w+/)?")
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for event in (event for span in scope_spans.spans for event in span.events):
                for attribute in event.attributes:
                    if attribute.key == "exception.stacktrace":
                        attribute.value.string_value = folder.sub("", attribute.value.string_value)
    return request.SerializeToString()


if __name__ == "__main__":
    for name in sys.argv[1:] or VARIANTS:
        written = record(name)
        sys.stdout.write(f"{written.name}: {written.stat().st_size} bytes\n")
