"""What is logged, and that a leak into it would be found: in this process, in the server and in a worker."""

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import structlog

from spectral_platform.core.settings import Settings
from tests.cli.processes import serving
from tests.fixtures import logs
from tests.fixtures.callers import PASSWORD, Person, register
from tests.fixtures.forks import CLEAN
from tests.fixtures.logs import CANARY, FOLDER, leaks

SECRETS = {
    "planted text": PASSWORD,
    "words of a prompt or sample": "Where is my order?",
    "API key": "sk_live_0123456789abcdef0123",
    "webhook secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "refresh token": "rt_0123456789abcdef0123",
    "access token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0XX.c2lnbmF0dXJlX19f",
    "sealed secret": "gAAAAABm0123456789abcdef0123456789abcdef",
    "e-mail address": f"{uuid4().hex}@example.com",
}


def kept(words: str) -> list[str]:
    """The lines of this run's logs that contain the words."""
    found = []
    for path in FOLDER.glob("*.log"):
        found += [line for line in path.read_text(errors="replace").splitlines() if words in line]
    return found


def test_each_kind_of_secret_is_told_apart_and_found_without_being_shown(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("".join(f"something happened to {secret} here\n" for secret in SECRETS.values()))

    found = list(leaks(tmp_path))

    assert [leak.split(" in a.log:")[0] for leak in found] == list(SECRETS)
    assert [leak for leak in found if any(secret in leak for secret in SECRETS.values())] == []
    assert all(leak.endswith("something happened to…") for leak in found)


def test_ids_paths_and_letters_of_a_development_server_are_no_leaks(tmp_path: Path) -> None:
    lines = [
        f"request method=GET path=/api/v1/workspaces/{uuid4()}/keys status=200 account_id={uuid4()} request_id={uuid4()}",
        f"mail_not_sent to={uuid4().hex}@example.com text='reset it with rt_0123456789abcdef0123'",
    ]
    (tmp_path / "a.log").write_text("\n".join(lines))

    assert list(leaks(tmp_path)) == []


def test_what_this_process_logs_is_kept() -> None:
    mark = uuid4().hex
    structlog.get_logger("tests").info(f"one {mark}")
    logging.getLogger("tests").warning("two %s", mark)
    try:
        raise ValueError(f"three {mark}")
    except ValueError:
        structlog.get_logger("tests").exception("failed")

    assert {line.split(mark)[0].split()[-1] for line in kept(mark)} == {"one", "two", "three"}


async def test_a_request_is_logged_with_its_id_account_and_workspace(owner: Person) -> None:
    answer = await owner.client.get(f"{owner.w}/keys", params={"sort": "created_at"})

    (line,) = kept(answer.headers["x-request-id"])
    for name, told in (("account_id", owner.account_id), ("workspace_id", owner.workspace_id), ("status", 200)):
        assert f"{name}={told}" in line
    assert "sort" not in line  # what is asked for may be content


async def test_what_the_server_logs_is_kept_and_says_nothing_of_content(shared_database_url: str, tmp_path: Path) -> None:
    with serving("--data-dir", str(tmp_path), "--workers", "0", SPECTRAL_DATABASE_URL=shared_database_url) as (url, _):
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            answer = await client.post("/api/v1/auth/login", json={"email": f"{CANARY}@example.com", "password": PASSWORD})
            invalid = await client.post("/api/v1/auth/login", json={"email": CANARY, "password": [PASSWORD]})
            searched = await client.get(f"/api/v1/workspaces/{uuid4()}/traces", params={"search": CANARY})

    assert (answer.status_code, invalid.status_code, searched.status_code) == (401, 422, 401)
    for each in (answer, invalid, searched):
        assert len(kept(each.headers["x-request-id"])) == 1
    assert [line for line in kept(CANARY) if "request" in line] == []


@pytest.mark.parametrize("leak", [f"the password is {PASSWORD}", "all is well"])
def test_a_run_with_a_leak_fails_also_over_several_processes(leak: str, tmp_path: Path) -> None:
    test = tmp_path / "test_leaking.py"
    test.write_text(f"import structlog\ndef test_it():\n    structlog.get_logger().info({leak!r})\n")
    command = [sys.executable, "-m", "pytest", "-n", "1", "-c", "pyproject.toml", "-p", "tests.fixtures.logs", str(test)]
    environment = {name: value for name, value in CLEAN.items() if not name.startswith(("PYTEST_", "TESTS_"))}
    root = Path(logs.__file__).parents[2]

    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120)

    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
    assert ended.returncode == (0 if leak == "all is well" else 1)
    assert ("planted text in" in ended.stdout) == (leak != "all is well")
    assert PASSWORD not in ended.stdout


async def test_registering_and_working_with_secrets_leaves_none_of_them(client: httpx.AsyncClient, settings: Settings) -> None:
    person = await register(client)
    secret = await person.key()
    await person.client.get(f"{person.w}/keys", headers=person.bearing(secret))
    await asyncio.gather(*(client.post("/api/v1/auth/refresh", json={"refresh_token": secret}) for _ in range(3)))
    await person.client.aclose()

    hidden = [secret, person.tokens["access_token"], person.tokens["refresh_token"], settings.secret, person.email]
    assert [kept(each) for each in hidden] == [[]] * len(hidden)
