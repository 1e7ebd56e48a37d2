"""How long it takes to find out who is asking, and what logins cost everybody else. Run it with: uv run python -m bench.auth

It starts a Postgres of its own and, for what is measured over HTTP, a server process, and ends both.
"""

import asyncio
import gc
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import uvloop
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.auth.commands import register
from spectral_platform.auth.devices import Device
from spectral_platform.auth.queries import resolve_caller
from spectral_platform.core import crypto, schema
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.core.embedded import EmbeddedPostgres
from spectral_platform.core.settings import Settings
from spectral_platform.keys.commands import SECRET_PREFIX
from spectral_platform.keys.models import ApiKey

KEYS = 1000
REPETITIONS = 1000
WARM_UP = 50
LOGINS_AT_ONCE = 20
ROUNDS_OF_LOGINS = 3
LOGINS_ALONE = 10
PROBES_AT_REST = 300
PROBED_EVERY_S = 0.01
EMAIL, PASSWORD = "bench@example.com", "correct horse battery"
SECRET = "a secret that only this measurement uses, and nobody else"


def at(share: float, seconds: list[float]) -> float:
    """A quantile in milliseconds."""
    return statistics.quantiles(seconds, n=1000, method="inclusive")[round(share * 1000) - 1] * 1000


async def timed(database: Database, ask: Callable[[AsyncSession], Awaitable[object]]) -> float:
    """Seconds in an open transaction, which a request has anyway: what asking adds to it."""
    async with database.transaction() as session:
        await session.connection()
        started = time.perf_counter()
        await ask(session)
        return time.perf_counter() - started


def key_of(owner: Caller, secret: str) -> ApiKey:
    """A key of the owner's workspace."""
    return ApiKey(
        account_id=owner.account_id,
        workspace_id=owner.workspace,
        name="bench",
        prefix=secret[:12],
        secret_digest=crypto.digest_secret(secret),
        scopes=["read:agents"],
    )


async def measure_verification(url: str, directory: Path, table: Table) -> None:
    """Keys and tokens against a bare round trip, taking turns, so that all three meet the same moments of the machine."""
    settings = Settings(database_url=url, data_dir=directory, secret_key=SECRET)
    database = Database(url)
    tokens, workspace_id = await register(
        database, settings, email=EMAIL, password=PASSWORD, tenant_name="Bench", device=Device()
    )
    async with database.transaction() as session:
        owner = await resolve_caller(session, tokens.access_token, keyring=settings.keyring, workspace_id=workspace_id)
        keys = [crypto.new_secret(SECRET_PREFIX) for _ in range(KEYS)]
        session.add_all(key_of(owner, secret) for secret in keys)
    gc.collect()
    gc.freeze()  # as the server does
    chosen = random.Random(0)
    asked: dict[str, Callable[[AsyncSession], Awaitable[object]]] = {
        "SELECT 1": lambda session: session.execute(text("SELECT 1")),
        f"API key, one of {KEYS}": lambda session: resolve_caller(session, chosen.choice(keys), keyring=settings.keyring),
        "access token": lambda session: resolve_caller(session, tokens.access_token, keyring=settings.keyring),
        "access token, in a workspace": lambda session: resolve_caller(
            session, tokens.access_token, keyring=settings.keyring, workspace_id=workspace_id
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    for repetition in range(REPETITIONS + WARM_UP):
        for name, ask in asked.items():
            took = await timed(database, ask)
            if repetition >= WARM_UP:
                seconds[name].append(took)
    await database.close()
    bare = at(0.5, seconds["SELECT 1"])
    for name, took_each in seconds.items():
        row = (at(0.5, took_each), at(0.99, took_each))
        table.add_row(name, f"{row[0]:.2f} ms", f"{row[1]:.2f} ms", f"{row[0] / bare:.1f} times SELECT 1 (p50)")


@contextmanager
def serving(url: str, directory: Path) -> Iterator[str]:
    """The URL of a server process over the database, without workers."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPECTRAL_")} | {
        "SPECTRAL_DATABASE_URL": url,
        "SPECTRAL_DATA_DIR": str(directory),
        "SPECTRAL_SECRET_KEY": SECRET,
        "COLUMNS": "200",
    }
    command = [sys.executable, "-m", "spectral_api", "--port", "0", "--workers", "0", "--log-level", "error"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(line.split()[-1] for line in process.stdout if "Spectral runs at" in line)
        finally:
            process.terminate()


async def probe(client: httpx.AsyncClient, seconds: list[float]) -> None:
    """Ask for the server's health once."""
    started = time.perf_counter()
    (await client.get("/api/v1/health")).raise_for_status()
    seconds.append(time.perf_counter() - started)


@asynccontextmanager
async def probing(client: httpx.AsyncClient) -> AsyncIterator[list[float]]:
    """Ask for the server's health again and again for the length of the block: how long each answer took."""
    seconds: list[float] = []

    async def keep_asking() -> None:
        while True:
            await probe(client, seconds)
            await asyncio.sleep(PROBED_EVERY_S)

    asking = asyncio.create_task(keep_asking())
    try:
        yield seconds
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def measure_logins(url: str, table: Table) -> None:
    """The rate of logins, and the health of the server while twenty of them run at once."""
    limits = httpx.Limits(max_connections=LOGINS_AT_ONCE + 1)
    async with (
        httpx.AsyncClient(base_url=url, timeout=None, limits=limits) as client,
        httpx.AsyncClient(base_url=url, timeout=None) as prober,
    ):

        async def log_in() -> float:
            started = time.perf_counter()
            answer = await client.post("/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
            answer.raise_for_status()
            return time.perf_counter() - started

        async def keep_logging_in() -> None:
            for _ in range(ROUNDS_OF_LOGINS):
                await log_in()

        at_rest: list[float] = []
        for _ in range(PROBES_AT_REST):
            await probe(prober, at_rest)
            await asyncio.sleep(PROBED_EVERY_S)
        alone = [await log_in() for _ in range(LOGINS_ALONE)]
        started = time.perf_counter()
        async with probing(prober) as under_logins:
            await asyncio.gather(*(keep_logging_in() for _ in range(LOGINS_AT_ONCE)))
        rate = ROUNDS_OF_LOGINS * LOGINS_AT_ONCE / (time.perf_counter() - started)
    table.add_row("login, alone", f"{at(0.5, alone):.0f} ms", f"{at(0.99, alone):.0f} ms", "")
    table.add_row("GET /api/v1/health, at rest", f"{at(0.5, at_rest):.1f} ms", f"{at(0.99, at_rest):.1f} ms", "")
    table.add_row(
        f"GET /api/v1/health, {LOGINS_AT_ONCE} logins at once",
        f"{at(0.5, under_logins):.1f} ms",
        f"{at(0.99, under_logins):.1f} ms",
        f"{len(under_logins)} probes, {rate:.1f} logins/s",
    )


def main() -> None:
    """Measure and print."""
    table = Table("", "p50", "p99", "")
    load = os.getloadavg()[0]
    with TemporaryDirectory(prefix="spectral-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        with EmbeddedPostgres(directory) as postgres:
            schema.upgrade(postgres.url)
            url = schema.application_login(postgres.url)
            uvloop.run(measure_verification(url, directory, table))
            with serving(url, directory) as server_url:
                uvloop.run(measure_logins(server_url, table))
    machine = f"{os.cpu_count()} CPUs, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    Console(width=120).print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine}, load {load:.2f} before, {os.getloadavg()[0]:.2f} after", table
    )


if __name__ == "__main__":
    main()
