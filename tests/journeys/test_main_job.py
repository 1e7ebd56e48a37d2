"""The main job, end to end: from a span to a change that the agent fetches, and back."""

import asyncio
import socket
import sys
import textwrap
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from spectral_platform.core.database import Database
from tests.fixtures.callers import Person
from tests.fixtures.worker import Drain
from tests.scans.workspaces import make_scannable

EXPORTER = textwrap.dedent(
    """
    import sys
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    url, key = sys.argv[1:]
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, headers={"authorization": f"Bearer {key}"})))
    tracer = provider.get_tracer("journey")
    with tracer.start_as_current_span("invoke_agent support-agent") as span:
        span.set_attribute("gen_ai.operation.name", "invoke_agent")
        span.set_attribute("gen_ai.agent.name", "support-agent")
        with tracer.start_as_current_span("chat sim/standard") as call:
            call.set_attribute("gen_ai.operation.name", "chat")
            call.set_attribute("gen_ai.request.model", "sim/standard")
            call.set_attribute("gen_ai.usage.input_tokens", 120)
            call.set_attribute("gen_ai.usage.output_tokens", 30)
    provider.shutdown()
    """
)


@pytest.fixture
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """The application on a real port, for programs outside this process."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


async def test_from_a_span_to_a_change_and_back(
    owner: Person, client: httpx.AsyncClient, database: Database, work: Drain, listening: str
) -> None:
    scannable = await make_scannable(owner, database)
    key = await owner.key()
    config_path = f"{owner.w}/agents/{scannable.agent_id}/config"

    # An instrumented agent sends a trace, and it is the declared agent's.
    exporting = await asyncio.create_subprocess_exec(sys.executable, "-c", EXPORTER, f"{listening}/otel/v1/traces", key)
    assert await exporting.wait() == 0
    traces = await scannable.get("traces")
    assert traces["pagination"]["total"] == 1
    assert traces["results"][0]["agent_id"] == str(scannable.agent_id)
    assert traces["results"][0]["total_tokens"] == 150

    # A scan finds something better.
    started = await scannable.start()
    await work()
    scan = await scannable.get(f"scans/{started['scan_id']}")
    assert scan["verdict"]["outcome"] == "improve"
    changeset = f"{owner.w}/changesets/{scan['changeset_id']}"

    async def fetch(etag: str | None = None) -> httpx.Response:
        headers = owner.bearing(key) | ({"If-None-Match": etag} if etag else {})
        return await client.get(config_path, headers=headers)

    before = await fetch()
    assert before.json()["version"] == 1

    # Accepting approves it; what runs does not change.
    assert (await owner.client.post(f"{changeset}/accept")).json()["status"] == "accepted"
    assert (await fetch(before.headers["ETag"])).status_code == 304
    approved = await owner.client.get(config_path, params={"label": "approved"})
    assert approved.json()["version"] == 2

    # Applying changes what the agent fetches.
    assert (await owner.client.post(f"{changeset}/apply")).json()["status"] == "applied"
    after = await fetch(before.headers["ETag"])
    assert after.status_code == 200
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.json()["template"]["base_prompt"] != before.json()["template"]["base_prompt"]

    # Rolling back restores it to the letter.
    rolled = await owner.client.post(f"{changeset}/rollback", json={"reason": "We changed our minds."})
    assert rolled.json()["status"] == "rolled_back"
    restored = await fetch()
    assert (restored.json(), restored.headers["ETag"]) == (before.json(), before.headers["ETag"])

    # Every step is in the audit log, and the log is whole.
    log = (await owner.client.get("/api/v1/account/audit-log", params={"resource": "changeset", "limit": 50})).json()
    assert [entry["action"] for entry in reversed(log["results"])][-3:] == [
        "changeset.accepted",
        "changeset.applied",
        "changeset.rolled_back",
    ]
    assert (await owner.client.get("/api/v1/account/audit-log/verify")).json()["valid"] is True
