"""The application: middleware, problem documents, documentation pages and every router."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from spectral_api import health, jwks, v1
from spectral_api.docs.pages import mount_documentation
from spectral_api.idempotency import document_key, takes_key
from spectral_api.metrics import install_metrics
from spectral_api.middleware import BodyLimit, HeadAsGet, OpenLinks, RequestContext
from spectral_api.ofrep.router import FLAGS, install_ofrep
from spectral_api.otel.receiving import BODIES_AT_ONCE
from spectral_api.otel.router import install_otel
from spectral_api.otel.rpc import grpc_served
from spectral_api.problems import MEDIA_TYPE, install_problem_handlers
from spectral_api.ratelimits import document_limit
from spectral_api.routing import add_routes
from spectral_api.simulator.router import router as simulator
from spectral_api.v1.samples.uploads import carries_file
from spectral_platform.auth.last_uses import LastUses
from spectral_platform.auth.verification import Verifier
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.core.watching import Watch
from spectral_platform.llm.prices import load_price_book
from spectral_platform.ratelimits.limiter import Limiter
from spectral_platform.traces.intake import Intake
from spectral_platform.traces.space import Space

LINK_BODY_BYTES = 200_000
DESCRIPTION = """
Spectral improves AI agents and proves it: it takes in traces, finds what fails, proposes changes to prompts and parameters,
checks them on a sealed holdout, and hands over a changeset that people accept, apply and can roll back.

**Coming in.** Register or log in under *Auth* and send `Authorization: Bearer <access_token>`; agents use an API key
(`sk_live_…`) instead. Here, press **Authorize** and paste either.

**Sending again.** Every `POST` but those of authentication and ingestion takes an `Idempotency-Key`: the same request with the
same key is answered again, with `Idempotent-Replayed: true`, and not carried out again. While the first is still being carried
out it is 409 `request-in-progress`; the key of another request is 422 `idempotency-key-reused`.

**Collections** answer `{"results": […], "pagination": {"total", "limit", "offset"}}`; errors are RFC 9457 problem documents.
"""

TAGS = (
    "Health",
    "Auth",
    "Accounts",
    "Invites",
    "Members",
    "Workspaces",
    "Keys",
    "Webhooks",
    "Agents",
    "OFREP",
    "Traces",
    "OTEL",
    "Samples",
    "Rubrics",
    "Objectives",
    "Scans",
    "Changeset Clusters",
    "Changesets",
    "Simulator",
)
"""The order in which the documentation shows what there is; routes are in the order in which they are tried."""


class Application(FastAPI):
    """An application whose document says of problems only what is sent."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document. The framework claims that documented errors may also come as plain JSON and in its own form."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        document = super().openapi()
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if "security" in operation and takes_key(method.upper(), path, operation["operationId"]):
                    document_key(operation)
                document_limit(operation)
                # Those of the path first and in its order, whichever of an endpoint's dependencies reads them.
                operation.get("parameters", []).sort(key=lambda each: path.find(f"{{{each['name']}}}") % (len(path) + 1))
                if path.startswith(FLAGS):
                    del operation["responses"]["422"]  # what is 422 elsewhere is 400 there
                for response in operation["responses"].values():
                    if MEDIA_TYPE in response.get("content", {}):
                        response["content"].pop("application/json", None)
        for unused in ("HTTPValidationError", "ValidationError"):  # what the framework says of those 422
            document["components"]["schemas"].pop(unused, None)
        return document


def create_app(settings: Settings, database: Database) -> FastAPI:
    """The HTTP application over one database."""

    last_uses = LastUses(database)
    limiter = Limiter(database.url, settings)
    space = Space.of(settings, database)
    intake = Intake(database, most_bytes=BODIES_AT_ONCE * settings.max_body_bytes, space=space)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(load_price_book)
        async with last_uses.written_behind(), space.watched(), grpc_served(app, settings):
            yield
        await intake.drain()
        await limiter.close()
        await database.close()

    app = Application(
        title="Spectral",
        version=version("spectral-api"),
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_tags=[{"name": tag} for tag in TAGS],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # nobody provides any, and every request would ask
    )
    app.state.settings = settings
    app.state.database = database
    app.state.last_uses = last_uses
    app.state.limiter = limiter
    app.state.intake = intake
    app.state.space = space
    app.state.verifier = Verifier(database, settings.keyring)
    app.state.watch = Watch(database)
    app.state.streams = Counter()
    app.add_middleware(BodyLimit, limit_bytes=settings.max_body_bytes, exceptions=((carries_file, settings.max_upload_bytes),))
    app.add_middleware(OpenLinks, prefix="/api/v1/signed/feedback/", limit_bytes=LINK_BODY_BYTES)
    app.add_middleware(HeadAsGet)
    app.add_middleware(RequestContext)
    install_problem_handlers(app)
    mount_documentation(app)
    install_otel(app)  # first, because routes are tried in their order and senders come most often
    add_routes(app.router, health.router, jwks.router, v1.router)
    install_ofrep(app)
    add_routes(app.router, simulator)
    if settings.metrics:
        install_metrics(app, database)
    return app
