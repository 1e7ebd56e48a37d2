"""Scans from the command line, against a server and a worker."""

import asyncio
import json
import signal
import sys
from functools import partial
from subprocess import CompletedProcess

import pytest

from spectral_platform.core.database import Database
from tests.cli.processes import spectral
from tests.fixtures.callers import PASSWORD, Person
from tests.fixtures.forks import CLEAN
from tests.fixtures.worker import Drain
from tests.scans.workspaces import QUICK, Scannable, make_scannable

SETTINGS = json.dumps(QUICK)


@pytest.fixture
async def scannable(owner: Person, database: Database) -> Scannable:
    return await make_scannable(owner, database, samples=20)


@pytest.fixture
def environment(owner: Person, server_url: str) -> dict[str, str]:
    """What a person exports once."""
    return {"SPECTRAL_URL": server_url, "SPECTRAL_EMAIL": owner.email, "SPECTRAL_PASSWORD": PASSWORD}


async def run(*arguments: str, **environment: str) -> CompletedProcess[str]:
    return await asyncio.to_thread(spectral, "scan", *arguments, **environment)


async def test_a_scan_is_started_and_followed_to_its_verdict(
    scannable: Scannable, environment: dict[str, str], work: Drain
) -> None:
    started = await run("--settings", SETTINGS, "--json", **environment)
    assert (started.returncode, started.stderr) == (0, "")
    scan_id = json.loads(started.stdout)["id"]
    ended, _ = await asyncio.gather(run(scan_id, "--watch", "--expect", "improve", **environment), work())

    scan = await scannable.get(f"scans/{scan_id}")
    verdict = scan["verdict"]
    lines = ended.stdout.splitlines()
    assert lines[0] == f"Scan {scan['id']}: insufficient_evidence (simulated)"
    assert lines[1 : 1 + len(verdict["reasons"])] == verdict["reasons"]
    assert f"{verdict['need']['cases']} sealed cases" in ended.stdout
    assert f"{scan['progress']['done']} model calls" in ended.stdout
    events = (await scannable.get(f"scans/{scan['id']}/events?limit=200"))["results"]
    told = ended.stderr.splitlines()
    assert told == [f"Scan {scan['id']}", *(f"{event['phase'] or '':<9} {event['message']}" for event in events)]
    assert ended.returncode == 3  # another verdict than the one that was asked for


async def test_a_scan_is_started_with_a_key_shown_and_cancelled(scannable: Scannable, server_url: str) -> None:
    key = await scannable.owner.key("read:workspace", "write:workspace")
    options = ("--url", server_url, "--api-key", key)

    started = await run("--settings", SETTINGS, "--json", *options)
    scan = json.loads(started.stdout)
    assert (started.returncode, scan["status"], scan["settings"]["seed"]) == (0, "scheduled", 1)

    cancelled = await run(scan["id"], "--cancel", *options)
    assert (cancelled.returncode, cancelled.stdout) == (0, f"Scan {scan['id']}: cancelled\n")
    watched = await run(scan["id"], "--watch", *options)
    assert (watched.returncode, watched.stdout) == (1, f"Scan {scan['id']}: cancelled\n")


async def test_an_interrupted_watcher_leaves_the_scan_running(scannable: Scannable, environment: dict[str, str]) -> None:
    command = (sys.executable, "-m", "spectral_api.cli", "scan", "--settings", SETTINGS, "--watch")
    listens = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what runs in the background may be told to ignore it
    watcher = await asyncio.create_subprocess_exec(
        *command, env=CLEAN | environment, stderr=asyncio.subprocess.PIPE, preexec_fn=listens
    )
    assert watcher.stderr is not None
    scan_id = (await watcher.stderr.readline()).decode().split()[1]
    watcher.send_signal(signal.SIGINT)
    _, told = await watcher.communicate()

    assert watcher.returncode == 130
    assert f"spectral scan {scan_id} --cancel" in told.decode()
    assert (await scannable.get(f"scans/{scan_id}"))["status"] == "scheduled"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--settings", "{"], "the settings are not JSON"),
        (["--settings", "[]"], "the settings are not a JSON object"),
        (["--settings", '{"seed": -1}'], "starting the scan failed: 422, One part of the request is not valid. body.seed: Input"),
        (["00000000-0000-0000-0000-000000000000"], "reading the scan failed: 404"),
        (["--workspace", "00000000-0000-0000-0000-000000000000"], "starting the scan failed: 404"),
        (["--password", "another"], "logging in failed: 401"),
        (["--url", "http://[::1"], "http://[::1 is no address"),
        (["--url", "http://127.0.0.1:1"], "http://127.0.0.1:1 does not answer"),
        (["--cancel"], "--cancel needs the scan that it stops"),
        (["--expect", "improve"], "--expect needs --watch"),
        (["--email", ""], "give --api-key, or --email and --password"),
    ],
)
async def test_what_is_wrong_is_told_in_one_line(arguments: list[str], reason: str, environment: dict[str, str]) -> None:
    ended = await run(*arguments, **environment)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"spectral: {reason}")
    assert ended.stderr.count("\n") == 1
