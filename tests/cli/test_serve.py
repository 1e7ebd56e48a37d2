"""The server as a process: started, drained, killed, misconfigured."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from spectral_api.problems import RETRY_AFTER_SECONDS
from spectral_api.server import IDLE_SECONDS
from spectral_platform.core.database import connection_string
from spectral_platform.core.embedded import NoRunningPostgres, join
from spectral_platform.core.schema import MIGRATION_LOCK
from spectral_platform.traces.errors import StorageFull
from tests.cli import preloaded
from tests.cli.processes import START_SECONDS, ends, serving, spectral
from tests.fixtures.database import passable_directory, run_sql
from tests.fixtures.forks import CLEAN, fork

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the death of a parent")


def test_a_bare_data_directory_becomes_a_server_that_drains_on_a_signal() -> None:
    with passable_directory() as folder:
        with serving("--data-dir", str(folder), "--workers", "0", SPECTRAL_SECRET_KEY="s" * 32) as (url, process):
            health = httpx.get(f"{url}/api/v1/health").json()
            worker = spectral("worker", "--data-dir", str(folder))  # which is not told the secret that the server has
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0

        with pytest.raises(NoRunningPostgres):
            join(folder)
    assert health["checks"]["database"]["status"] == health["checks"]["migrations"]["status"] == "ok"
    assert (worker.returncode, "SPECTRAL_SECRET_KEY" in worker.stderr) == (2, True)


def test_a_server_takes_more_connections_than_the_shell_that_starts_it(empty_database: str, tmp_path: Path) -> None:
    environment = {"SPECTRAL_DATABASE_URL": empty_database, "SPECTRAL_REQUEST_ARRIVAL_S": "0.1"}
    shell, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    try:
        with serving("--data-dir", str(tmp_path), "--workers", "0", **environment) as (url, _):
            resource.setrlimit(resource.RLIMIT_NOFILE, (shell, most))
            address = httpx.URL(url)
            with ExitStack() as connections:
                for _ in range(300):
                    last = connections.enter_context(socket.create_connection((address.host, address.port), timeout=30))
                assert httpx.get(f"{url}/api/v1/health").status_code == 200
                last.sendall(b"GET /api/v1/health HTTP/1.1")  # and no more of it
                assert last.recv(1000).startswith(b"HTTP/1.1 408 ")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (shell, most))


def test_two_servers_may_start_at_once_on_an_empty_database(empty_database: str, tmp_path: Path) -> None:
    def start_and_ask(replica: str) -> int:
        with serving("--data-dir", str(tmp_path / replica), "--workers", "0", SPECTRAL_DATABASE_URL=empty_database) as (url, _):
            return httpx.get(f"{url}/api/v1/health").status_code

    with ThreadPoolExecutor() as threads:
        assert list(threads.map(start_and_ask, ["one", "two"])) == [200, 200]


def test_the_demo_can_be_entered_with_what_is_printed_and_is_made_once(empty_database: str, tmp_path: Path) -> None:
    options = ("--demo", "--data-dir", str(tmp_path), "--workers", "0")
    printed = []
    for _ in range(2):
        with serving(*options, SPECTRAL_DATABASE_URL=empty_database) as (url, process):
            printed.append(demo_lines(process))
            told = spectral("demo", "--export", "--data-dir", str(tmp_path), SPECTRAL_DATABASE_URL=empty_database).stdout
            assert f"export SPECTRAL_URL={url}\n" in told  # whatever free port it took
            login = {"email": printed[-1]["Demo login"], "password": printed[-1]["Password"]}
            token = httpx.post(f"{url}/api/v1/auth/login", json=login).json()["access_token"]
            workspace = f"{url}/api/v1/workspaces/{printed[-1]['Workspace']}"
            agents = httpx.get(f"{workspace}/agents", headers={"Authorization": f"Bearer {token}"}).json()

    assert printed[0] == printed[1]
    assert [agent["id"] for agent in agents["results"]] == [printed[0]["Agent"]]


def demo_lines(process: subprocess.Popen[str]) -> dict[str, str]:
    """What a server with a demo prints of it, by name."""
    assert process.stdout is not None
    found: dict[str, str] = {}
    while "Agent" not in found:
        name, _, value = process.stdout.readline().strip().partition("  ")
        found[name] = value.strip()
    return {name: found[name] for name in ("Demo login", "Password", "Workspace", "Agent")}


@on_linux
def test_a_killed_server_leaves_no_worker_behind(shared_database_url: str, tmp_path: Path) -> None:
    with serving("--data-dir", str(tmp_path), "--workers", "2", SPECTRAL_DATABASE_URL=shared_database_url) as (_, process):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 2
        process.kill()
        assert all(ends(int(child)) for child in children)


@on_linux
def test_an_interrupted_start_unwinds_and_leaves_no_worker_behind(empty_database: str, tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    with psycopg.connect(connection_string(empty_database)) as migrating:
        migrating.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        options = ("--port", "0", "--data-dir", str(tmp_path), "--database-url", empty_database)
        process = fork(preloaded.run, ("serve", *options), CLEAN, out, err)
        until = time.monotonic() + START_SECONDS
        while "another_process_migrates" not in (err.read_text() if err.exists() else "") and time.monotonic() < until:
            time.sleep(0.05)
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        process.join(START_SECONDS)

    assert process.exitcode == 130, err.read_text()
    assert ends(int(worker))


def test_a_start_ends_though_its_interruption_was_dropped(shared_database_url: str, tmp_path: Path) -> None:
    out, err = tmp_path / "out", tmp_path / "err"
    options = ("--port", "0", "--data-dir", str(tmp_path), "--database-url", shared_database_url)
    process = fork(preloaded.run_interrupted_by_fork, ("serve", *options), CLEAN, out, err)

    process.join(START_SECONDS)

    assert "Exception ignored" in err.read_text()
    assert (process.exitcode, out.read_text()) == (130, "")


@pytest.mark.parametrize("secret", [None, "change-me", "short but not a known default"])
def test_production_refuses_to_start_with_a_weak_secret(secret: str | None, tmp_path: Path) -> None:
    chosen = {"SPECTRAL_SECRET_KEY": secret} if secret else {}

    ended = spectral("serve", "--environment", "production", "--data-dir", str(tmp_path), **chosen)

    assert ended.returncode == 2
    assert ended.stderr.startswith("spectral: SPECTRAL_SECRET_KEY must be set")
    assert ended.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = spectral("serve", "--port", str(port), "--data-dir", str(tmp_path))

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"spectral: cannot listen on 127.0.0.1:{port}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "status", "message"),
    [
        ("mysql://localhost/spectral", 2, "spectral: SPECTRAL_DATABASE_URL must be a Postgres URL"),
        ("nonsense", 2, "spectral: "),
        ("postgresql://localhost:1/spectral", 1, "spectral: the database does not answer"),
    ],
)
def test_a_wrong_database_url_is_told_without_a_traceback(url: str, status: int, message: str, tmp_path: Path) -> None:
    ended = spectral("serve", "--port", "0", "--data-dir", str(tmp_path), SPECTRAL_DATABASE_URL=url)

    assert ended.returncode == status
    assert ended.stderr.startswith(message)
    assert "Traceback" not in ended.stderr


def test_a_data_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    ended = spectral("serve", "--port", "0", "--data-dir", str(tmp_path / "file" / "data"))

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"spectral: {tmp_path / 'file'}")
    assert ended.stderr.count("\n") == 1


def test_a_role_without_the_rights_to_migrate_is_told(postgres: str, empty_database: str, tmp_path: Path) -> None:
    role = f"guest_{uuid4().hex}"
    run_sql(postgres, f"CREATE ROLE {role} LOGIN NOSUPERUSER")
    url = make_url(empty_database).set(username=role).render_as_string(hide_password=False)

    ended = spectral("migrate", SPECTRAL_DATABASE_URL=url)

    assert ended.returncode == 1
    assert ended.stderr.startswith("spectral: the database refuses: permission denied")
    assert "Traceback" not in ended.stderr


def test_a_setting_that_cannot_be_read_is_named() -> None:
    ended = spectral("migrate", SPECTRAL_PORT="eighty")

    assert ended.returncode == 2
    assert ended.stderr.startswith("spectral: SPECTRAL_PORT: Input should be a valid integer")


def test_connections_stay_open_for_longer_than_senders_are_told_to_wait() -> None:
    assert 2 * max(int(RETRY_AFTER_SECONDS), StorageFull().extensions["retry_after_s"]) < IDLE_SECONDS
