"""``GET /metrics`` in Prometheus' text format, where the operator has switched it on."""

import time

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute, iter_route_contexts
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spectral_api.routing import Router, add_routes
from spectral_platform.core.database import Database
from spectral_platform.core.jobs import Lane
from spectral_platform.core.metrics import REGISTRY, measure_pool

IN_FLIGHT = Gauge("spectral_http_requests_in_flight", "Requests that this process is answering.", registry=REGISTRY)
LATENCY = Histogram(
    "spectral_http_request_duration_seconds",
    "How long answers took to their end, by method, route and status.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
FAILED_READS = Counter("spectral_metrics_failed_reads", "How often the queue could not be read for this page.", registry=REGISTRY)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
NO_ROUTE = "(none)"
NO_ANSWER = "0"
"""The status where none was sent: the client left, or the server failed."""

QUEUE = text(
    """
    SELECT j.queue_name,
           count(*) FILTER (WHERE j.status = 'doing') AS running,
           count(*) FILTER (WHERE j.status = 'todo' AND coalesce(j.scheduled_at, now()) <= now()) AS due,
           count(*) FILTER (WHERE j.status = 'todo' AND j.scheduled_at > now()) AS scheduled,
           coalesce(extract(epoch FROM now() - min(coalesce(j.scheduled_at, e.at)) FILTER (
               WHERE j.status = 'todo' AND coalesce(j.scheduled_at, now()) <= now())), 0) AS oldest_s
    FROM procrastinate_jobs j
    LEFT JOIN LATERAL (
        SELECT min(at) AS at FROM procrastinate_events WHERE job_id = j.id AND type = 'deferred'
    ) e ON true
    WHERE j.status IN ('todo', 'doing')
    GROUP BY j.queue_name
    """
)
WORKERS = text(
    """
    SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => :silence_s)
    """
)
LONGEST_SILENCE_S = 8

router = Router()


class Measurement:
    """Counts the requests under way and how long each takes, under the template of its route: paths hold ids."""

    def __init__(self, app: ASGIApp, templates: dict[tuple[str, str], str]) -> None:
        self.app = app
        self.templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = NO_ANSWER
        started = time.perf_counter()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            with IN_FLIGHT.track_inprogress():
                await self.app(scope, receive, send_and_note)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            template = self.templates.get((method, getattr(scope.get("route"), "name", "")), NO_ROUTE)
            LATENCY.labels(method, template, status).observe(time.perf_counter() - started)


def install_metrics(app: FastAPI, database: Database) -> None:
    """Measure every request and answer ``/metrics``; called when every other route is there."""
    add_routes(app.router, router)
    measure_pool(database)
    templates: dict[tuple[str, str], str] = {}
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            for method in context.methods or ():
                templates.setdefault((method, context.original_route.name), str(context.path))
    app.add_middleware(Measurement, templates=templates)


async def read_queue(database: Database) -> CollectorRegistry:
    """What the database tells of all processes together. Raises what the database raises."""
    registry = CollectorRegistry()
    jobs = Gauge("spectral_queue_jobs", "Jobs in the queue, by lane and state.", ["lane", "state"], registry=registry)
    oldest = Gauge(
        "spectral_queue_oldest_seconds", "How long the oldest job that is due has waited.", ["lane"], registry=registry
    )
    workers = Gauge("spectral_workers", "Worker processes that are alive.", registry=registry)
    async with database.transaction() as session:
        waiting = {row.queue_name: row for row in await session.execute(QUEUE)}
        # A process registers once for each lane.
        alive = await session.scalar(WORKERS, {"silence_s": LONGEST_SILENCE_S}) or 0
    for lane in Lane:
        row = waiting.get(lane)
        for state in ("running", "due", "scheduled"):
            jobs.labels(lane.name.lower(), state).set(getattr(row, state) if row else 0)
        oldest.labels(lane.name.lower()).set(float(row.oldest_s) if row else 0)
    workers.set(-(-alive // len(Lane)))
    return registry


@router.get("/metrics", include_in_schema=False)
async def get_metrics(request: Request) -> Response:
    """What this process measures, and what the database tells of the queue; without the database, the former alone."""
    try:
        shared = generate_latest(await read_queue(request.app.state.database))
    except (SQLAlchemyError, OSError):
        FAILED_READS.inc()
        shared = b""
    return Response(generate_latest(REGISTRY) + shared, media_type=CONTENT_TYPE_LATEST)
