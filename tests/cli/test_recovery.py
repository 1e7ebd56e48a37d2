"""Servers over one data directory after a crash, on a full disk, and after the end of the one that ran their Postgres."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.cli.processes import ends, serving_forked, spectral
from tests.fixtures.database import passable_directory

PERSON = {"email": "ada@example.com", "password": "correct horse battery"}
PATIENCE_S = 60
DISK = "512m"
PAGE = 4096


@contextmanager
def small_disk() -> Iterator[Path]:
    """A folder on a disk of its own."""
    with passable_directory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=711", "tmpfs", folder], capture_output=True)
        if mounted.returncode != 0:
            pytest.skip("only root may mount a disk, and not everywhere")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> Path:
    """Take all the room that is left; gives the file that does."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as taken, suppress(OSError):
        while taken.write(b"0" * PAGE):
            pass
    return filler


def postmaster_of(folder: Path) -> psutil.Process:
    """The Postgres that runs on a data directory."""
    noted = folder / "postgres" / "data" / "postmaster.pid"
    return psutil.Process(int(noted.read_text().splitlines()[0]))


def kill(*processes: psutil.Process) -> None:
    """End processes and those that they started, without their knowing."""
    doomed = [each for process in processes for each in (process, *process.children(recursive=True))]
    for process in doomed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    assert all(ends(process.pid) for process in doomed)


def lets_in(url: str) -> bool:
    """Whether the person can log in before patience ends; until then the server may say that it has no database."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        answer = httpx.post(f"{url}/api/v1/auth/login", json=PERSON, timeout=PATIENCE_S)
        if answer.status_code != 503:
            return answer.status_code == 200
        time.sleep(0.1)
    return False


def test_what_was_stored_outlives_crashes_and_servers_outlive_the_one_that_ran_their_postgres() -> None:
    with passable_directory() as folder:
        options = ("--data-dir", str(folder), "--workers", "0")
        with serving_forked(*options) as (url, process):
            httpx.post(f"{url}/api/v1/auth/register", json=PERSON | {"tenant_name": "Ada"}).raise_for_status()
            kill(psutil.Process(process.pid))
        with serving_forked(*options) as (first, owner):
            assert lets_in(first)
            with serving_forked(*options) as (second, _):
                assert lets_in(second)
                owner.terminate()
                owner.join(PATIENCE_S)
                assert owner.exitcode == 0
                assert lets_in(second)
                kill(postmaster_of(folder))
                assert lets_in(second)


def test_a_start_on_a_full_disk_says_so_and_succeeds_once_there_is_room() -> None:
    with small_disk() as folder:
        options = ("--data-dir", str(folder), "--workers", "0")
        filler = fill(folder)
        without_database = spectral("serve", *options)
        filler.unlink()
        with serving_forked(*options) as (url, process):
            httpx.post(f"{url}/api/v1/auth/register", json=PERSON | {"tenant_name": "Ada"}).raise_for_status()
            kill(psutil.Process(process.pid))
        filler = fill(folder)
        after_a_crash = spectral("serve", *options)
        filler.unlink()
        with serving_forked(*options) as (url, _):
            assert lets_in(url)

    for ended, reason in ((without_database, "No space left on device"), (after_a_crash, " bytes free on its disk")):
        assert ended.returncode == 1
        assert ended.stderr.startswith("spectral: ")
        assert "Traceback" not in ended.stderr
        assert reason in ended.stderr
