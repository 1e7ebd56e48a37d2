"""Examining a running server."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.cli.processes import spectral
from tests.fixtures.callers import PASSWORD, Person


async def test_the_doctor_sends_a_span_and_reads_it_back(server_url: str, owner: Person) -> None:
    ended = spectral("doctor", server_url, "--email", owner.email, "--password", PASSWORD)

    outcomes = outcomes_of(ended.stdout)
    assert {part for part, outcome in outcomes.items() if outcome == "passed"} >= {
        "database",
        "migrations",
        "ingestion",
        "reading",
    }
    assert outcomes["worker"] == "failed"
    assert ended.returncode == 1
    keys = (await owner.client.get(f"{owner.w}/keys")).json()["results"]
    assert [key["name"] for key in keys if key["revoked_at"] is None] == []


async def test_the_doctor_works_with_a_key_that_may_only_send(server_url: str, owner: Person) -> None:
    ended = spectral("doctor", server_url, "--api-key", await owner.key())

    outcomes = outcomes_of(ended.stdout)
    assert outcomes["ingestion"] == "passed"
    assert outcomes["reading"] == "not checked"


def test_the_doctor_tells_wrong_credentials_and_a_silent_server(server_url: str) -> None:
    refused = spectral("doctor", server_url, "--email", "nobody@example.com", "--password", "wrong password")
    silent = spectral("doctor", "http://127.0.0.1:1")

    assert refused.returncode == silent.returncode == 1
    assert "logging in failed: 401, Email or password is wrong." in refused.stdout
    assert outcomes_of(silent.stdout)["server"] == "failed"


class ModelList(BaseHTTPRequestHandler):
    """A model endpoint that serves one model to whoever has the key."""

    def do_GET(self) -> None:
        is_known = self.path == "/v1/models" and self.headers["Authorization"] == "Bearer right"
        body = json.dumps({"data": [{"id": "small"}]} if is_known else {"detail": "wrong key"}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep the tests' output quiet."""


@pytest.fixture
def provider_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), ModelList) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("model", "key", "outcome", "detail"),
    [
        ("small", "right", "passed", "answers"),
        ("large", "right", "failed", "does not list large"),
        ("small", "wrong", "failed", "401, wrong key"),
    ],
)
def test_the_doctor_asks_the_provider_what_it_serves(
    model: str, key: str, outcome: str, detail: str, provider_url: str, server_url: str
) -> None:
    ended = spectral(
        "doctor",
        server_url,
        SPECTRAL_OPENAI_BASE_URL=provider_url,
        SPECTRAL_OPENAI_API_KEY=key,
        SPECTRAL_OPENAI_MODEL=model,
    )

    assert outcomes_of(ended.stdout)["provider"] == outcome
    assert detail in ended.stdout


def outcomes_of(shown: str) -> dict[str, str]:
    """The outcome of each part in the doctor's table."""
    rows = [line.split("│")[1:3] for line in shown.splitlines() if line.startswith("│")]
    return {part.strip(): outcome.strip() for part, outcome in rows}
