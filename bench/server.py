"""A Spectral server of a measurement's own: its process, its Postgres, a workspace with a key, and how much it all uses."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from uuid import UUID, uuid4

import httpx
import psutil
import psycopg

from spectral_platform.core.children import end_with_parent
from spectral_platform.core.database import connection_string
from spectral_platform.core.embedded import join
from spectral_platform.core.postgres_binaries import PostgresBinaries, ServerUser

SECRET = "a secret that only this measurement uses, and nobody else"
STOP_SECONDS = 60
UNLIMITED = str(10**9)
"""Requests in a minute: they are counted as ever, and never refused for being many."""


class ServerEnded(Exception):
    """The server ended before it listened."""


@dataclass(frozen=True)
class Usage:
    """Seconds of processor that the server process and Postgres have used."""

    api: float
    postgres: float

    def __sub__(self, earlier: "Usage") -> "Usage":
        return Usage(self.api - earlier.api, self.postgres - earlier.postgres)


class Server:
    """One server process over a data directory, without workers unless told; it can be ended in every way and started again."""

    def __init__(self, directory: Path, *options: str, **environment: str) -> None:
        self.directory = directory
        self._options, self._environment = options or ("--workers", "0"), environment
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        """Start the server and wait until it listens."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SPECTRAL_")} | {
            "SPECTRAL_SECRET_KEY": SECRET,
            "SPECTRAL_REQUESTS_PER_MINUTE": UNLIMITED,
            "SPECTRAL_INGESTION_REQUESTS_PER_MINUTE": UNLIMITED,
            "COLUMNS": "200",
            **self._environment,
        }
        options = ["--port", "0", "--log-level", "error", "--data-dir", str(self.directory), *self._options]
        command = [sys.executable, "-m", "spectral_api", *options]
        with (self.directory / "server.log").open("a") as log:
            end = end_with_parent(signal.SIGTERM)
            self._process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=end
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Spectral runs at" in line:
                self.url = line.split()[-1].replace("localhost", "127.0.0.1")
                return
        raise ServerEnded((self.directory / "server.log").read_text()[-2000:])

    def stop(self) -> None:
        """End the server as an operator would, and by force if that does not help."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    def kill(self) -> None:
        """End the server process without its knowing; its Postgres ends with it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_postgres(self) -> None:
        """End all processes of Postgres without their knowing."""
        postmaster = self.postmaster
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def stop_postgres_immediately(self) -> None:
        """End Postgres without a checkpoint, so that it has to recover from its log."""
        arguments = ("stop", "--mode=immediate", f"--pgdata={self.cluster}")
        status, output = ServerUser.current().run(str(self.binary("pg_ctl")), *arguments)
        assert status == 0, output

    @property
    def api(self) -> psutil.Process:
        """The server process."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def postmaster(self) -> psutil.Process:
        """The process that Postgres' other processes are children of."""
        return next(child for child in self.api.children() if child.name() == "postgres")

    @property
    def cluster(self) -> Path:
        """Postgres' data directory."""
        return (self.directory / "postgres").resolve() / "data"

    def usage(self) -> Usage:
        """What has been used since the start. A connection that ended in between is counted with the postmaster."""
        api, postmaster = self.api.cpu_times(), self.postmaster
        own = postmaster.cpu_times()
        postgres = own.user + own.system + own.children_user + own.children_system
        for child in postmaster.children(recursive=True):
            times = child.cpu_times()
            postgres += times.user + times.system
        return Usage(api.user + api.system, postgres)

    def connect(self) -> psycopg.Connection:
        """A connection of the superuser, which sees every tenant's rows."""
        return psycopg.connect(connection_string(join(self.directory)), autocommit=True)

    def binary(self, name: str) -> Path:
        """A program of the Postgres that runs."""
        found = PostgresBinaries.find(ServerUser.current(), chosen=None, copies=self.cluster.parent)
        return found.folder / name


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A new directory that the user whom Postgres runs as can reach; it is deleted at the end, and at SIGTERM too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = Path(mkdtemp(prefix="spectral-bench-", dir="/var/lib" if os.geteuid() == 0 else None))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def serving(*options: str, **environment: str) -> Iterator[Server]:
    """A server over a new data directory, which is deleted at the end."""
    with scratch_directory() as directory:
        server = Server(directory, *options, **environment)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def new_key(url: str) -> tuple[dict[str, str], UUID]:
    """The headers of a key that may send traces to a new workspace of a new account, and that workspace."""
    with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as client:
        person = {"email": f"{uuid4()}@example.com", "password": "correct horse battery", "tenant_name": "Bench"}
        registered = client.post("/auth/register", json=person).raise_for_status().json()
        bearer = {"Authorization": f"Bearer {registered['access_token']}"}
        (workspace,) = client.get("/workspaces", headers=bearer).raise_for_status().json()["results"]
        key = client.post(f"/workspaces/{workspace['id']}/keys", json={"name": "bench"}, headers=bearer).raise_for_status()
        return {"Authorization": f"Bearer {key.json()['key']}"}, UUID(workspace["id"])
