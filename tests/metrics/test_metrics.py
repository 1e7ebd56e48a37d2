"""What Prometheus reads: parsed by its own parser, true to what happened, and silent about tenants."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from spectral_api.app import create_app
from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import Lane, enqueue
from spectral_platform.core.settings import Settings
from spectral_platform.webhooks.work import DeliverWebhook
from spectral_platform.worker.runner import run_worker
from tests.fixtures.callers import Person, register

pytestmark = pytest.mark.own_database
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
KEYS = "/api/v1/workspaces/{workspace_id}/keys"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"metrics": True})


async def read(client: httpx.AsyncClient, url: str = "/metrics") -> Samples:
    """Every sample, by its name and labels."""
    answer = await client.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in families}) == len(families)
    assert all(family.documentation and family.type != "unknown" for family in families)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    """One sample; 0 where there is none yet."""
    return samples.get((name, frozenset(labels.items())), 0.0)


async def test_there_is_no_such_page_unless_it_is_switched_on(database: Database, settings: Settings) -> None:
    silent = create_app(settings.model_copy(update={"metrics": False}), database)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=silent), base_url="http://testserver") as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_requests_are_counted_by_the_template_of_their_route(client: httpx.AsyncClient, owner: Person) -> None:
    before = await read(client)
    for _ in range(3):
        await owner.client.get(f"{owner.w}/keys")
    await client.get(f"/nothing/{uuid4()}")
    await client.request("BREW", "/api/v1/health")
    after = await read(client)

    def rise(**labels: str) -> float:
        name = "spectral_http_request_duration_seconds_count"
        return value(after, name, **labels) - value(before, name, **labels)

    assert rise(method="GET", route=KEYS, status="200") == 3
    assert rise(method="GET", route="(none)", status="404") == 1
    assert rise(method="OTHER", route="(none)", status="405") == 1
    assert value(after, "spectral_http_requests_in_flight") == 1  # the one that asks


async def test_spans_are_counted_by_what_became_of_them(client: httpx.AsyncClient, owner: Person) -> None:
    before = await read(client)
    trace = {"trace_id": uuid4().hex, "input": "hello", "output": "hi"}
    for _ in range(2):
        answer = await owner.client.post(f"{owner.w}/traces", json={"traces": [trace, {"nonsense": True}]})
        assert answer.status_code == 202, answer.text
    after = await read(client)

    rises = {
        outcome: value(after, "spectral_spans_total", outcome=outcome) - value(before, "spectral_spans_total", outcome=outcome)
        for outcome in ("stored", "duplicate", "rejected")
    }
    assert rises == {"stored": 1, "duplicate": 1, "rejected": 2}


async def test_the_queue_and_the_pool_are_told(client: httpx.AsyncClient, owner: Person, database: Database) -> None:
    order = DeliverWebhook(account_id=owner.account_id, webhook_id=uuid4(), delivery_id=uuid4(), attempt=1)
    async with database.transaction() as session:
        for at in (None, clock.now() - timedelta(minutes=5), clock.now() + timedelta(days=1)):
            await enqueue(session, order, at=at)
    async with database.transaction():
        samples = await read(client)

    assert value(samples, "spectral_queue_jobs", lane="short", state="due") == 2
    assert value(samples, "spectral_queue_jobs", lane="short", state="scheduled") == 1
    assert value(samples, "spectral_queue_jobs", lane="long", state="due") == 0
    assert 300 <= value(samples, "spectral_queue_oldest_seconds", lane="short") < 400
    assert value(samples, "spectral_workers") == 0
    assert value(samples, "spectral_pool_connections_max") == 20
    assert ("spectral_pool_connections", frozenset({("state", "in_use")})) in samples


async def test_nothing_of_a_tenant_is_in_it(client: httpx.AsyncClient) -> None:
    person = await register(client)
    secret = await person.key()
    await person.client.get(f"{person.w}/traces", params={"search": "a-private-word"})
    page = (await client.get("/metrics")).text

    hidden = (str(person.account_id), str(person.workspace_id), str(person.user_id), person.email, secret, "a-private-word")
    assert [each for each in hidden if each in page] == []
    await person.client.aclose()


async def test_without_a_database_the_process_still_tells_of_itself(settings: Settings) -> None:
    lost = create_app(settings, Database("postgresql://127.0.0.1:1/nothing"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=lost), base_url="http://testserver") as client:
        samples = await read(client)

    assert value(samples, "spectral_metrics_failed_reads_total") >= 1
    assert "spectral_workers" not in {name for name, _ in samples}


@asynccontextmanager
async def working(settings: Settings, url: str) -> AsyncIterator[None]:
    """A worker as operators run it, once it answers at its port."""
    worker = asyncio.create_task(run_worker(settings, url))
    try:
        yield
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await worker


async def test_a_worker_tells_of_its_jobs_and_counts_as_alive(
    client: httpx.AsyncClient, owner: Person, database: Database, settings: Settings, database_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    order = DeliverWebhook(
        account_id=owner.account_id, workspace_id=owner.workspace_id, webhook_id=uuid4(), delivery_id=uuid4(), attempt=1
    )
    async with database.transaction() as session:
        await enqueue(session, order)
    done: Samples = {}
    labels = {"job": "webhooks.deliver", "outcome": "succeeded"}
    async with working(settings.model_copy(update={"worker_metrics_port": port}), database_url), asyncio.timeout(30):
        while not value(done, "spectral_job_duration_seconds_count", **labels):
            await asyncio.sleep(0.1)
            done = await read(client)
        async with httpx.AsyncClient() as outside:
            of_worker = await read(outside, f"http://127.0.0.1:{port}/metrics")

    assert value(of_worker, "spectral_job_duration_seconds_count", **labels) >= 1
    assert value(done, "spectral_workers") == 1
    assert len(Lane) == 2


def test_workers_on_one_machine_answer_at_ports_of_their_own() -> None:
    settings = Settings(metrics=True, worker_metrics_port=9464)

    assert [settings.for_worker(number).worker_metrics_port for number in range(3)] == [9464, 9465, 9466]
    assert Settings().for_worker(1).worker_metrics_port is None
