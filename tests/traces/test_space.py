"""Room for spans: without it they are refused, and everything else works."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.traces.errors import StorageFull
from spectral_platform.traces.space import Space
from tests.fixtures.callers import Person

REPORT = {"traces": [{"input": "Where is my order?", "output": "On its way"}]}
MEGABYTE = 1_000_000


@pytest.fixture
def small_disk(passable: Path) -> Iterator[Path]:
    """A disk of eight megabytes."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", passable], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a disk")
    yield passable
    subprocess.run(["umount", passable], check=True)


async def test_a_disk_that_fills_up_is_full_before_it_is_and_has_room_again_when_it_is_emptied(
    database: Database, small_disk: Path
) -> None:
    space = Space(database, folder=small_disk, least_free_bytes=3 * MEGABYTE, least_free_percent=25)
    await space.look()
    space.require()

    (small_disk / "rows").write_bytes(bytes(6 * MEGABYTE))
    await space.look()
    with pytest.raises(StorageFull):
        space.require()
    (small_disk / "rows").unlink()
    await space.look()

    space.require()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"database_limit_bytes": MEGABYTE})


async def test_without_room_spans_are_refused_and_everything_else_works(
    app: FastAPI, client: httpx.AsyncClient, owner: Person
) -> None:
    sent = (await owner.client.post(f"{owner.w}/traces", json=REPORT)).json()["trace_ids"]
    await app.state.space.look()

    refused = await owner.client.post(f"{owner.w}/traces", json=REPORT)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert "too little room" in refused.json()["detail"]
    headers = {"X-Workspace-Id": str(owner.workspace_id)}
    span = {"traceId": "1" * 32, "spanId": "1" * 16, "name": "x", "startTimeUnixNano": "1", "endTimeUnixNano": "2"}
    otlp = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    refused = await owner.client.post("/otel/v1/traces", json=otlp, headers=headers)
    assert (refused.status_code, refused.headers["retry-after"], refused.json()["code"]) == (503, "30", 14)
    health = await client.get("/api/v1/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["checks"]["storage"]["status"] == "degraded"
    assert (await owner.client.get(f"{owner.w}/traces/{sent[0]}")).status_code == 200
    assert (await owner.client.delete(f"{owner.w}/traces/{sent[0]}")).status_code == 204

    app.state.space._most_bytes = 10**15
    await app.state.space.look()
    assert (await owner.client.post(f"{owner.w}/traces", json=REPORT)).status_code == 202
    assert (await client.get("/api/v1/health")).json()["checks"]["storage"]["status"] == "ok"
