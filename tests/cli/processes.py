"""The command line as operators run it: in processes of its own."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cli import preloaded
from tests.fixtures.forks import CLEAN, fork
from tests.fixtures.logs import keep_log, open_log

START_SECONDS = 60


def spectral(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, in a process of its own."""
    with TemporaryDirectory(prefix="spectral-command-") as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        process = fork(preloaded.run, arguments, CLEAN | environment, out, err)
        process.join(START_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"spectral {' '.join(arguments)} did not end: {err.read_text()}")
        ended = subprocess.CompletedProcess(arguments, process.exitcode, out.read_text(), err.read_text())
    keep_log("command", ended.stderr)
    return ended


@contextmanager
def serving(*options: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server on a free port, as ``python -m spectral_api`` starts it: its URL, once it listens, and its process."""
    command = [sys.executable, "-m", "spectral_api", "--port", "0", *options]
    with (
        open_log("server") as log,
        subprocess.Popen(command, env=CLEAN | environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            yield announced_url(process), process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(START_SECONDS)


@contextmanager
def serving_forked(*options: str) -> Iterator[tuple[str, ForkServerProcess]]:
    """The same of a server that is forked as commands are: most of what a start costs is to import everything."""
    with TemporaryDirectory(prefix="spectral-server-") as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        process = fork(preloaded.run, ("serve", "--port", "0", *options), CLEAN, out, err)
        try:
            yield _read_url(process, out, err), process
        finally:
            process.terminate()
            process.join(START_SECONDS)
            keep_log("server", err.read_text())


def _read_url(process: ForkServerProcess, out: Path, err: Path) -> str:
    until = time.monotonic() + START_SECONDS
    while process.is_alive() and time.monotonic() < until:
        announced = [line for line in (out.read_text() if out.exists() else "").splitlines() if "Spectral runs at" in line]
        if announced:
            return announced[0].split()[-1]
        time.sleep(0.05)
    raise AssertionError(f"the server ended with status {process.exitcode} before it listened: {err.read_text()}")


def announced_url(process: subprocess.Popen[str]) -> str:
    """The URL that a starting server prints."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        if "Spectral runs at" in line:
            return line.split()[-1]
    raise AssertionError(f"the server ended with status {process.wait()} before it listened")


def ends(process_id: int) -> bool:
    """Whether a process that is no child of this one ends within ten seconds."""
    try:
        handle = os.pidfd_open(process_id)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)
