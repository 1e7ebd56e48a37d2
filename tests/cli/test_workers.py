"""Keeping worker processes running."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spectral_api.workers import WORKER_COMMAND, keep_running
from tests.cli.processes import START_SECONDS
from tests.fixtures.forks import CLEAN

REPORTING = """
import signal, sys
def report(line):
    with open(sys.argv[1], "w") as pipe:
        pipe.write(line)
"""
ENDS_AT_ONCE = REPORTING + "report('started')"
TELLS_ITS_DATABASE = REPORTING + "report('started')\nreport(sys.stdin.read())"
ENDS_GRACEFULLY = (
    REPORTING + "signal.signal(signal.SIGTERM, lambda *_: (report('ended'), sys.exit()))\nreport('started')\nsignal.pause()"
)


def reports(folder: Path) -> Path:
    """A pipe that worker processes report to; each report is read once, after waiting for it."""
    pipe = folder / "reports"
    os.mkfifo(pipe)
    return pipe


def known(url: str) -> asyncio.Future[str]:
    """A database that is there already."""
    database: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    database.set_result(url)
    return database


async def test_a_worker_that_ends_is_started_again(tmp_path: Path) -> None:
    pipe = reports(tmp_path)
    keeper = asyncio.create_task(
        keep_running([sys.executable, "-c", ENDS_AT_ONCE, str(pipe)], os.environ, known("postgresql://x"))
    )

    assert await asyncio.to_thread(pipe.read_text) == "started"
    assert await asyncio.to_thread(pipe.read_text) == "started"

    keeper.cancel()


async def test_a_worker_starts_before_there_is_a_database_and_is_told_its_url(tmp_path: Path) -> None:
    pipe = reports(tmp_path)
    database: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    keeper = asyncio.create_task(keep_running([sys.executable, "-c", TELLS_ITS_DATABASE, str(pipe)], os.environ, database))
    assert await asyncio.to_thread(pipe.read_text) == "started"

    database.set_result("postgresql://x")

    assert await asyncio.to_thread(pipe.read_text) == "postgresql://x"
    keeper.cancel()


async def test_a_worker_ends_that_was_never_told_a_database(tmp_path: Path) -> None:
    pipe = reports(tmp_path)
    never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    keeper = asyncio.create_task(keep_running([sys.executable, "-c", ENDS_GRACEFULLY, str(pipe)], os.environ, never))
    assert await asyncio.to_thread(pipe.read_text) == "started"

    keeper.cancel()

    assert await asyncio.to_thread(pipe.read_text) == "ended"
    await asyncio.wait([keeper])
    assert keeper.cancelled()


async def test_a_worker_is_asked_to_end_and_waited_for(tmp_path: Path) -> None:
    pipe = reports(tmp_path)
    keeper = asyncio.create_task(
        keep_running([sys.executable, "-c", ENDS_GRACEFULLY, str(pipe)], os.environ, known("postgresql://x"))
    )
    assert await asyncio.to_thread(pipe.read_text) == "started"

    keeper.cancel()

    assert await asyncio.to_thread(pipe.read_text) == "ended"
    await asyncio.wait([keeper])
    assert keeper.cancelled()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has loaded")
def test_a_worker_interrupted_while_it_imports_ends_without_a_traceback() -> None:
    environment = CLEAN | {"SPECTRAL_DATABASE_URL": "-"}
    worker = subprocess.Popen(WORKER_COMMAND, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + START_SECONDS
    while "uvloop" not in Path(f"/proc/{worker.pid}/maps").read_text() and time.monotonic() < until:
        time.sleep(0.01)

    worker.send_signal(signal.SIGINT)

    _, told = worker.communicate(timeout=START_SECONDS)
    assert (worker.returncode, told) == (-signal.SIGINT, "")
