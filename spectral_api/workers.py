"""The worker processes that a server keeps beside itself."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import structlog

from spectral_platform.core.children import end_with_parent
from spectral_platform.core.settings import Settings

logger = structlog.get_logger(__name__)

WORKER_COMMAND = [sys.executable, "-m", "spectral_platform.worker"]
WORKER_STOP_SECONDS = 30
LONGEST_BACKOFF_SECONDS = 60
HEALTHY_AFTER_SECONDS = 60


@asynccontextmanager
async def worker_processes(settings: Settings, database: asyncio.Future[str]) -> AsyncIterator[None]:
    """As many workers as the settings say, for the length of the block.

    They are there when it begins, to import what they need while the database is made, and work once its URL is known.
    """
    keepers = [
        asyncio.create_task(
            keep_running(WORKER_COMMAND, settings.for_worker(number).environment_of_child(database_url="-"), database)
        )
        for number in range(settings.workers)
    ]
    await asyncio.sleep(0)  # here they start; what follows may keep the thread for itself
    try:
        yield
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


async def keep_running(command: list[str], environment: Mapping[str, str], database: asyncio.Future[str]) -> None:
    """Run a command again whenever it ends, each time later if it ends early; cancelling this ends the process gracefully.

    The URL of the database is told to it on its standard input, when there is one.
    """
    backoff = 1
    while True:
        started = time.monotonic()
        try:
            outcome = f"status {await run_to_end(command, environment, database)}"
        except OSError as error:
            outcome = f"did not start: {error}"
        if time.monotonic() - started > HEALTHY_AFTER_SECONDS:
            backoff = 1
        logger.warning("worker_ended", outcome=outcome, restart_in_s=backoff)
        await asyncio.sleep(backoff)
        backoff = min(2 * backoff, LONGEST_BACKOFF_SECONDS)


async def run_to_end(command: list[str], environment: Mapping[str, str], database: asyncio.Future[str]) -> int:
    """The exit status of a command. Cancelling this ends the process: it is asked first, then killed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=subprocess.PIPE,
        start_new_session=True,
        # Not SIGTERM: with its server killed, and Postgres perhaps too, a worker may have nothing to end gracefully with.
        preexec_fn=end_with_parent(signal.SIGKILL),
    )
    try:
        await process.communicate((await asyncio.shield(database)).encode())
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), WORKER_STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode
