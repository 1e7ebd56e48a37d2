"""What every request passes: an id, log context, the access line, and the limit on its body."""

import time
from collections.abc import Callable, Sequence

import structlog
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from spectral_api.problems import loggable
from spectral_api.ratelimits import rate_headers
from spectral_platform.core import clock

logger = structlog.get_logger(__name__)

REQUEST_ID_HEADER = b"x-request-id"


class RequestContext:
    """Gives each request an id, sends it back in ``X-Request-Id`` and binds it to every log line of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = str(clock.new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                headers.append((REQUEST_ID_HEADER, request_id.encode()))
                headers += [(name.lower().encode(), value.encode()) for name, value in rate_headers(scope["state"]).items()]
                logger.info(
                    "request",
                    method=scope["method"],
                    path=loggable(scope["path"]),
                    status=message["status"],
                    duration_ms=round((time.perf_counter() - started) * 1000, 1),
                )
            await send(message)

        await self.app(scope, receive, send_with_id)


class HeadAsGet:
    """Answers ``HEAD`` wherever ``GET`` is answered: with the same headers and without the content (RFC 9110, section 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_without_content(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, send_without_content)


class OpenLinks:
    """Lets pages of any origin use signed links, which need no credential, and takes no more from them than they have to say."""

    def __init__(self, app: ASGIApp, prefix: str, limit_bytes: int) -> None:
        self.app = app
        self.prefix = prefix
        limited = BodyLimit(app, limit_bytes=limit_bytes)
        self.open = CORSMiddleware(limited, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["Content-Type"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        is_link = scope["type"] == "http" and scope["path"].startswith(self.prefix)
        await (self.open if is_link else self.app)(scope, receive, send)


class BodyLimit:
    """Refuses bodies over the limit while they arrive.

    FastAPI's own limit answers in plain text, and does so in place of whatever the application answers. ``exceptions`` gives some
    requests a limit of their own.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, exceptions: Sequence[tuple[Callable[[Scope], bool], int]] = ()) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.exceptions = exceptions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit_bytes = next((limit for applies, limit in self.exceptions if applies(scope)), self.limit_bytes)
        announced = Headers(scope=scope).get("Content-Length", "")
        received = int(announced) if announced.isdecimal() and int(announced) > limit_bytes else 0

        async def receive_within_limit() -> Message:
            nonlocal received
            if received <= limit_bytes:
                message = await receive()
                received += len(message.get("body", b""))
            if received > limit_bytes:
                scope.setdefault("state", {})["body_limit_bytes"] = limit_bytes
                raise HTTPException(413, f"The body is larger than {limit_bytes} bytes.")
            return message

        await self.app(scope, receive_within_limit, send)
