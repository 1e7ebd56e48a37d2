"""The server process: workers, Postgres, schema and HTTP, brought up in this order, because a worker imports for seconds.

Only threads that stay start children, because each dies with the thread that started it: a server killed outright leaves neither
Postgres nor workers behind. A Ctrl-C reaches this process alone; it drains HTTP, then ends the workers, then Postgres.
"""

import asyncio
import gc
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from types import FrameType

import psycopg
import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from spectral_api.app import create_app
from spectral_api.connections import Connection
from spectral_api.demonstration import DemoAccess, ensure_demo
from spectral_api.otel.rpc import require_grpc
from spectral_api.workers import worker_processes
from spectral_platform.core import schema
from spectral_platform.core.database import Database
from spectral_platform.core.embedded import EmbeddedPostgres
from spectral_platform.core.postgres_binaries import EmbeddedPostgresError
from spectral_platform.core.settings import Settings
from spectral_platform.traces.partitions import make_partitions

logger = structlog.get_logger(__name__)

ADDRESS_FILE = "server.url"
"""In the data directory: where the server was reached when it last started."""
DRAIN_SECONDS = 20
LOOK_SECONDS = 1
"""How often to look whether the embedded Postgres still runs."""
IDLE_SECONDS = 75
"""So long a connection stays open on which nothing is asked: longer than senders are told to wait, than exporters collect spans
(five seconds), and than proxies keep theirs (a minute, mostly). Who comes back just when it is closed loses a request."""
UNREAD_SECONDS = 60
"""So long a client may take in nothing of what it is sent, be it that it is gone, or that it does not read."""
OPEN_FILES = 65_536
"""So many files a server may have open where the system lets it: each connection of a sender is one, for as long as it stays."""


class AddressUnavailable(Exception):
    """The server cannot listen where it was told to."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"cannot listen on {host}:{port} ({reason}); choose another with --host and --port")


class Server(uvicorn.Server):
    """Uvicorn that says when it listens, and returns after a signal instead of dying of it.

    ``release`` lets those go who wait for something to happen, so that the server need not wait for them.
    """

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None], release: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce
        self._release = release

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self._release()
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._announce()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on SIGTERM and SIGINT. Uvicorn's own way raises the signal again, which would skip the workers and Postgres."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self.handle_exit, each, None)
        yield


def listen(settings: Settings) -> socket.socket:
    """A socket bound to the address in the settings; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "linux":  # connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise AddressUnavailable(settings.host, settings.port, error.strerror or str(error)) from error
    return listener


def reachable_url(settings: Settings, listener: socket.socket) -> str:
    """Where people reach the server: the public URL, else the address that it listens on."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = {"0.0.0.0": "localhost", "127.0.0.1": "localhost", "::": "localhost"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def keep_address(settings: Settings, url: str) -> None:
    """Let commands beside the server find it; one that may not write here does without."""
    with suppress(OSError):
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        (settings.data_dir / ADDRESS_FILE).write_text(url)


def known_url(settings: Settings) -> str:
    """Where the server of these settings is reached, or was when it last ran."""
    try:
        kept = (settings.data_dir / ADDRESS_FILE).read_text()
    except OSError:
        kept = f"http://localhost:{settings.port}"
    return (settings.public_url or kept).rstrip("/")


@contextmanager
def open_database(settings: Settings) -> Iterator[str]:
    """The URL of the configured database; without one, of the embedded Postgres, which runs until the end of the block."""
    if settings.database_url:
        yield settings.database_url
    else:
        with EmbeddedPostgres(settings.data_dir, settings.postgres_bin) as postgres:
            yield postgres.url


@asynccontextmanager
async def kept_up(postgres: EmbeddedPostgres) -> AsyncIterator[None]:
    """Bring Postgres up again whenever it ends during the block.

    That it does so by itself is rare. But a server that joined the Postgres of another one loses it with that one; whichever
    of those that are left looks first owns it from then on.
    """
    with ThreadPoolExecutor(1, "postgres") as thread:  # one thread, for Postgres ends with the thread that starts it
        keeper = asyncio.create_task(_keep_up(postgres, thread))
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)


async def _keep_up(postgres: EmbeddedPostgres, thread: Executor) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if postgres.is_up:
            continue
        logger.warning("postgres_ended")
        try:
            await asyncio.get_running_loop().run_in_executor(thread, postgres.start)
            logger.warning("postgres_runs_again")
        except (EmbeddedPostgresError, OSError, psycopg.OperationalError) as error:
            logger.error("postgres_did_not_start", exc_info=error)


def serve(settings: Settings, *, demo: bool, announce: Callable[[str, DemoAccess | None], None]) -> None:
    """Run the server until SIGTERM or SIGINT; ``announce`` is told its URL, and the demo's access, once it listens."""
    require_grpc(settings)
    allow_connections()
    start = Start()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, start.end)
    with listen(settings) as listener, ExitStack() as until_end, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, start, listener, until_end, demo=demo, announce=announce))


class Start:
    """A start that signals end wherever it is, be it that it waits for Postgres or within a migration."""

    def __init__(self) -> None:
        self._is_to_end = False

    def end(self, *_: object) -> None:
        """Unwind."""
        self._is_to_end = True
        raise KeyboardInterrupt

    def go_on(self) -> None:
        """Unwind if the start was told to end and did not: Python drops what is raised in a fork's hooks, or as objects go."""
        if self._is_to_end:
            raise KeyboardInterrupt


async def _serve(
    settings: Settings,
    start: Start,
    listener: socket.socket,
    until_end: ExitStack,
    *,
    demo: bool,
    announce: Callable[[str, DemoAccess | None], None],
) -> None:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with worker_processes(settings, ready):
        postgres = None if settings.database_url else EmbeddedPostgres(settings.data_dir, settings.postgres_bin)
        owner_url = until_end.enter_context(postgres).url if postgres else str(settings.database_url)
        schema.upgrade(owner_url)
        url = settings.database_url or schema.application_login(owner_url)
        app = create_app(settings, Database(url, pool_size=settings.database_pool_size))
        await prepare_partitions(url)
        ready.set_result(url)
        access = await ensure_demo(settings, url) if demo else None
        found_at = reachable_url(settings, listener)
        keep_address(settings, found_at)
        server = Server(configuration(settings, app), lambda: announce(found_at, access), app.state.watch.close)
        gc.freeze()  # what is there now stays; going through it again and again would stop every request for tens of milliseconds
        async with kept_up(postgres) if postgres else nullcontext():
            start.go_on()
            await server.serve([listener])


def configuration(settings: Settings, app: FastAPI) -> uvicorn.Config:
    """How HTTP is spoken."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def allow_connections() -> None:
    """Let this process have ``OPEN_FILES`` open, or as many as it may; systems begin at a thousand or less."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(most, OPEN_FILES)
    if resource.RLIM_INFINITY != now < wanted:
        with suppress(OSError, ValueError):  # a limit of the whole system may be lower than what this one says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def prepare_partitions(url: str) -> None:
    """Have a partition ready for the spans of today; where no worker runs, nobody else makes it."""
    database = Database(url, pool_size=1)
    try:
        await make_partitions(database)
    except OperationalError as error:  # spans of a day without a partition are stored too
        logger.warning("span_partitions_not_made", exc_info=error)
    finally:
        await database.close()
