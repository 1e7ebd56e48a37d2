"""The commands beside ``serve``."""

import errno
import json
import os
import runpy
import secrets
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from spectral_api import cli
from spectral_api.cli.configuring import failures_told
from spectral_platform.core import logging
from spectral_platform.core.settings import Settings
from tests.cli.processes import spectral
from tests.fixtures.callers import Person
from tests.fixtures.forks import CLEAN

HEAVY = {"numpy", "openai", "scipy", "sklearn"}


def test_the_openapi_document_needs_no_database_and_no_numerics() -> None:
    program = (
        "import json, sys\n"
        "from spectral_api.cli import main\n"
        "try: main(['openapi'])\n"
        "finally: sys.stderr.write(json.dumps(sorted(sys.modules)))"
    )

    ended = subprocess.run([sys.executable, "-c", program], env=CLEAN, capture_output=True, text=True, check=True)

    modules = set(json.loads(ended.stderr))
    assert "spectral_api.app" in modules
    assert not modules & HEAVY
    assert json.loads(ended.stdout)["info"]["title"] == "Spectral"


def test_a_mistyped_command_is_told_the_one_that_was_meant() -> None:
    ended = spectral("migrat")

    assert ended.returncode == 2
    assert "Did you mean 'migrate'?" in ended.stderr


def test_migrating_twice_changes_nothing_the_second_time(database_url: str) -> None:
    ended = [spectral("migrate", SPECTRAL_DATABASE_URL=database_url) for _ in range(2)]

    assert [each.returncode for each in ended] == [0, 0]
    assert ended[0].stdout == ended[1].stdout


def test_a_worker_on_a_host_of_its_own_is_given_the_secret_and_makes_none(database_url: str, tmp_path: Path) -> None:
    ended = spectral("worker", "--data-dir", str(tmp_path), SPECTRAL_DATABASE_URL=database_url)

    assert ended.returncode != 0
    assert "SPECTRAL_SECRET_KEY" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_is_started_by_hand_makes_no_secret_either(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECTRAL_DATABASE_URL", database_url)
    monkeypatch.setenv("SPECTRAL_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(logging, "configure_logging", lambda _: None)  # the tests' own stays

    with pytest.raises(SystemExit, match="SPECTRAL_SECRET_KEY"):
        runpy.run_module("spectral_platform.worker", run_name="__main__")

    assert list(tmp_path.iterdir()) == []


async def test_granting_operations_gives_the_account_role(database_url: str, owner: Person) -> None:
    ended = spectral("grant-operations", owner.email, SPECTRAL_DATABASE_URL=database_url)

    assert ended.returncode == 0, ended.stderr
    profile = (await owner.client.get("/api/v1/auth/me")).json()
    assert profile["account"]["role"] == "operations"
    assert "read:operations" in profile["scopes"]


def test_granting_operations_to_nobody_is_told(database_url: str) -> None:
    ended = spectral("grant-operations", "nobody@example.com", SPECTRAL_DATABASE_URL=database_url)

    assert ended.returncode == 1
    assert ended.stderr == "spectral: Nobody is registered as nobody@example.com.\n"


def test_a_worker_without_a_server_to_join_is_told(tmp_path: Path) -> None:
    ended = spectral("worker", "--data-dir", str(tmp_path))

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"spectral: no server runs on the data directory {tmp_path}")


FULL = psycopg.errors.DiskFull("could not extend file")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FULL, "the disk of the database is full: could not extend file"),
        (OperationalError("SELECT 1", {}, FULL), "the disk of the database is full: could not extend file"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "the data directory: No space left on device"),
    ],
)
def test_a_full_disk_is_told_in_one_line(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @failures_told()
    def fill(_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "application", fill)

    with pytest.raises(SystemExit, match="1"):
        cli.main([])

    assert capsys.readouterr().err == f"spectral: {told}\n"


@pytest.mark.parametrize(
    "trouble", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()], ids=["full disk", "interrupted"]
)
def test_a_secret_that_was_not_written_is_made_by_the_next_start(
    trouble: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(_: int) -> str:
        raise trouble

    with monkeypatch.context() as troubled:
        troubled.setattr(secrets, "token_urlsafe", break_off)
        with pytest.raises(type(trouble)):
            _ = Settings(data_dir=tmp_path).secret

    assert Settings(data_dir=tmp_path).secret
