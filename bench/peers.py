"""Arize Phoenix and MLflow under the load that Spectral is measured with, on the same Postgres, as they start by default.

They are installed into environments of their own in a temporary directory, and end and disappear with the measurement.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import psycopg
from sqlalchemy import make_url

from bench.load import Load, send
from bench.server import scratch_directory
from spectral_platform.core.children import end_with_parent
from spectral_platform.core.database import connection_string
from spectral_platform.core.embedded import EmbeddedPostgres

START_SECONDS = 600.0
DRAIN_SECONDS = 120.0
"""How long rows that arrive after the last answer are waited for."""
QUIET_SECONDS = 20.0
"""After so long without another row no more is waited for."""
BURST_SECONDS = 3.0
KILLED_SECONDS = 1.0
"""In which Postgres carries out what it was told before the peer was killed."""


class PeerDidNotStart(Exception):
    """A peer ended, or did not answer in time."""


@dataclass(frozen=True)
class Peer:
    """A server that takes OTLP over HTTP: what to install, how to start it, and what its clients send along."""

    name: str
    packages: tuple[str, ...]
    command: Callable[[Path, int, str], list[str]]
    """Made of the environment's folder of programs, the port and the URL of the database."""
    environment: Callable[[Path, int, str], dict[str, str]]
    headers: Mapping[str, str]


PHOENIX = Peer(
    "arize-phoenix",
    ("arize-phoenix[pg]",),
    lambda programs, port, url: [str(programs / "phoenix"), "serve"],
    lambda home, port, url: {
        "PHOENIX_WORKING_DIR": str(home),
        "PHOENIX_SQL_DATABASE_URL": url,
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    },
    {},
)
MLFLOW = Peer(
    "mlflow",
    ("mlflow", "psycopg2-binary"),
    lambda programs, port, url: [
        *(str(programs / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", make_url(url).set(drivername="postgresql+psycopg2").render_as_string()),
    ],
    lambda home, port, url: {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{home.parent / 'bin'}:{os.environ['PATH']}"},
    {"x-mlflow-experiment-id": "0"},
)
PEERS = (PHOENIX, MLFLOW)


@dataclass(frozen=True)
class PeerResult:
    """What a peer came to."""

    version: str
    acknowledged_per_second: float
    stored_per_second: float
    """Rows that are there when the last answer comes, by the time until then."""
    drained_per_second: float
    """Rows that are there when no more come, by the time until the last came."""
    lost_at_kill: int
    """Spans that were acknowledged and are not there after kill -9 at the end of one more burst."""
    failures: int

    @property
    def best(self) -> float:
        """The better of both ways to count what is stored a second."""
        return max(self.stored_per_second, self.drained_per_second)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def install(peer: Peer, directory: Path) -> str:
    """Make the peer's environment there. Returns the version that was installed."""
    python = directory / "bin" / "python"
    uv = os.environ.get("UV", "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, directory], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *peer.packages], check=True)
    ask = f"import importlib.metadata; print(importlib.metadata.version({peer.name!r}))"
    return subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def running(peer: Peer, directory: Path, database_url: str) -> Iterator[tuple[str, psutil.Popen]]:
    """The peer's URL and process, over an empty database."""
    home, port = directory / "home", free_port()
    home.mkdir()
    clean = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    with (directory / "log").open("wb") as log:
        process = psutil.Popen(
            peer.command(directory / "bin", port, database_url),
            env=clean | peer.environment(home, port, database_url),
            cwd=home,
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent(signal.SIGTERM),
        )
    try:
        await_answer(f"http://127.0.0.1:{port}", process, directory / "log")
        yield f"http://127.0.0.1:{port}", process
    finally:
        kill(process)


def await_answer(url: str, process: psutil.Popen, log: Path) -> None:
    """Wait until the peer answers."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=5, follow_redirects=True).is_success:
                return
        time.sleep(0.5)
    raise PeerDidNotStart(log.read_text(errors="replace")[-2000:])


def kill(process: psutil.Popen) -> None:
    """End a process and all that it started, without their knowing."""
    with suppress(psutil.NoSuchProcess):
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait()


def stored(database: psycopg.Connection) -> int:
    """How many spans the peer's database holds; both peers call the table so."""
    row = database.execute("SELECT count(*) FROM spans").fetchone()
    assert row is not None
    return int(row[0])


def await_stored(database: psycopg.Connection, expected: int) -> tuple[int, float]:
    """Wait for the spans that were acknowledged, as long as more come. Returns how many there are, and when the last came."""
    started = last = time.monotonic()
    count = stored(database)
    while count < expected and time.monotonic() - last < QUIET_SECONDS and time.monotonic() - started < DRAIN_SECONDS:
        time.sleep(0.25)
        if (now := stored(database)) != count:
            count, last = now, time.monotonic()
    return count, last - started


def measure_peer(peer: Peer, senders: ProcessPoolExecutor, load: Load) -> PeerResult:
    """Install and start a peer, and send it what ``load`` says, to its own address and with its own headers."""
    with (
        TemporaryDirectory(prefix=f"bench-{peer.name}-") as name,
        scratch_directory() as cluster,
        EmbeddedPostgres(cluster) as postgres,
    ):
        directory = Path(name)
        version = install(peer, directory)
        url = make_url(connection_string(postgres.url)).set(database=peer.name.replace("-", "_"))
        with psycopg.connect(connection_string(postgres.url), autocommit=True) as owner:
            owner.execute(f'CREATE DATABASE "{url.database}"'.encode())
        with (
            running(peer, directory, url.render_as_string()) as (address, process),
            psycopg.connect(url.render_as_string(), autocommit=True) as database,
        ):
            load = replace(load, url=f"{address}/v1/traces", headers=dict(peer.headers))
            warm_up = senders.submit(send, replace(load, seconds=load.seconds / 4)).result()
            before, _ = await_stored(database, warm_up.spans)
            outcome = senders.submit(send, load).result()
            at_once = stored(database)
            drained, drained_after = await_stored(database, warm_up.spans + outcome.spans)
            burst = senders.submit(send, replace(load, seconds=BURST_SECONDS)).result()
            kill(process)
            time.sleep(KILLED_SECONDS)
            acknowledged = warm_up.spans + outcome.spans + burst.spans
            return PeerResult(
                version,
                outcome.spans / outcome.seconds,
                (at_once - before) / outcome.seconds,
                (drained - before) / (outcome.seconds + drained_after),
                acknowledged - stored(database),
                outcome.failures + outcome.rejected,
            )
