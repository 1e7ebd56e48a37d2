"""JavaScript programs, run as they are, against a server that listens."""

import asyncio
import os
import shutil

import pytest

from tests.fixtures.callers import Person
from tests.otel.test_exporter import address as address
from tests.senders import models, npm
from tests.senders.record import listening

pytestmark = [
    pytest.mark.senders,
    pytest.mark.skipif(shutil.which("npm") is None and "CI" not in os.environ, reason="npm installs the programs' packages"),
]


@pytest.mark.parametrize(
    ("variant", "protocol", "spans"), [("vercel_6", "http/protobuf", 17), ("opentelemetry_js", "http/json", 3)]
)
async def test_a_javascript_program_is_received(variant: str, protocol: str, spans: int, owner: Person, address: str) -> None:
    with listening(models.app) as model:
        ended = await asyncio.to_thread(
            npm.run,
            variant,
            otlp=f"{address}/otel",
            model=model,
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
            OTEL_EXPORTER_OTLP_HEADERS=f"Authorization=Bearer {await owner.key()}",
        )
    assert (ended.returncode, ended.stderr) == (0, "")

    answer = await owner.client.get(f"{owner.w}/traces")
    traces = answer.json()["results"]
    assert sum(trace["span_count"] for trace in traces) == spans
    assert {trace["agent_name"] for trace in traces} >= {"support"}
