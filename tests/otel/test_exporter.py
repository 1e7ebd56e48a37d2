"""The stock exporter in a process of its own, against a server that listens."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import uvicorn
from fastapi import FastAPI

from tests.fixtures.callers import Person
from tests.otel.test_api import statistics_of, traces_of

SENDER = """
import sys
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

endpoint, key = sys.argv[1:]
exporter = OTLPSpanExporter(
    endpoint=endpoint, headers={"Authorization": f"Bearer {key}"}, compression=Compression.Gzip
)
provider = TracerProvider(resource=Resource({"service.name": "shop"}))
provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=4096, max_export_batch_size=200))
tracer = provider.get_tracer("tests")
for number in range(200):
    with tracer.start_as_current_span("invoke_agent support", attributes={"gen_ai.agent.name": "support"}):
        for step in range(4):
            with tracer.start_as_current_span("chat") as span:
                span.set_attribute("gen_ai.operation.name", "chat")
                span.set_attribute("gen_ai.request.model", "sim/mini")
                span.set_attribute("gen_ai.usage.input_tokens", 100)
                span.set_attribute("gen_ai.usage.output_tokens", 10)
provider.shutdown()
"""


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    """The URL of the application behind a real socket."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await serving


@pytest.mark.parametrize("base", ["", "/otel"])
async def test_a_thousand_spans_of_the_stock_exporter_all_show_up(owner: Person, address: str, base: str) -> None:
    sender = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SENDER, f"{address}{base}/v1/traces", await owner.key(), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await sender.communicate()

    assert (sender.returncode, errors) == (0, b"")
    statistics = await statistics_of(owner)
    assert (statistics["received"], statistics["stored"], statistics["rejected"]) == (1000, 1000, 0)
    answer = await owner.client.get(f"{owner.w}/traces", params={"limit": 200})
    traces = answer.json()["results"]
    assert answer.json()["pagination"]["total"] == len(traces) == 200
    assert {(trace["span_count"], trace["total_tokens"], trace["cost_usd"]) for trace in traces} == {(5, 440, "0.00014")}
    assert {trace["agent_name"] for trace in await traces_of(owner)} == {"support"}
