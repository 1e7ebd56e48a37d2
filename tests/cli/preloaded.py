"""What runs in a process forked for one command: the command line, already imported."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from spectral_api import cli
from spectral_api.cli import operating, scanning, working  # noqa: F401 - what commands import when they are asked for


def run(arguments: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> None:
    """Be the command: with this environment alone, and with files for what it prints."""
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream.fileno())
    sys.argv = ["spectral", *arguments]
    cli.main(list(arguments))


def run_interrupted_by_fork(arguments: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> None:
    """Be the command, to which a Ctrl-C comes whenever it starts a process: in a hook, where Python drops what is raised."""
    os.register_at_fork(after_in_parent=lambda: signal.raise_signal(signal.SIGINT))
    run(arguments, environment, out, err)
