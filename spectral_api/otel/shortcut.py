"""The way that most requests take: straight to the endpoint, past what the framework does for each of them.

Senders' requests come by the thousand, and finding a route, solving its dependencies and wrapping them takes the framework longer
than to decode and store a span. Whoever asks for more than the endpoint needs, such as with a query, is left to the framework,
which carries out the same function.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from fastapi.security import SecurityScopes
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from spectral_api.security import authenticate_sender
from spectral_platform.core.access import Caller

Endpoint = Callable[[Request, Caller], Awaitable[Response]]


class Shortcut(BaseRoute):
    """A route to a POST endpoint for senders. It stands before the documented one, whose name and template it goes by."""

    def __init__(self, documented: APIRoute, paths: tuple[str, ...], scopes: list[str]) -> None:
        self._documented = documented
        self._endpoint: Endpoint = documented.endpoint
        self._paths = frozenset(paths)
        self._required = SecurityScopes(scopes)
        self.path_format = documented.path_format

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the request is one that needs nothing but the endpoint."""
        if scope["type"] == "http" and scope["path"] in self._paths and scope["method"] == "POST" and not scope["query_string"]:
            return Match.FULL, {"route": self._documented}
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        """The documented route says where the endpoint is."""
        return self._documented.url_path_for(name, **path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the sender in and carry out the endpoint. Errors are told as they are everywhere."""
        request = Request(scope, receive, send)
        caller = await authenticate_sender(request, self._required)
        response = await self._endpoint(request, caller)
        await response(scope, receive, send)
