"""The router of every endpoint: it refuses strangers before malformed requests, and unknown query parameters."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from spectral_api.idempotency import answer_once, read_key, takes_key
from spectral_api.ratelimits import limit_address
from spectral_api.security import Entrance, access_cookie, authenticate_by_header, authenticate_sender, bearer, presented
from spectral_platform.core.database import Database

V1 = "/api/v1"
IN_WORKSPACE = V1 + "/workspaces/{workspace_id}"


def query_parameters(dependant: Dependant) -> set[str]:
    """The names of all query parameters that a route reads, its dependencies' included."""
    own: set[str] = set()
    for field in dependant.query_params:
        nested = getattr(field.field_info.annotation, "model_fields", None)
        own |= {details.alias or name for name, details in nested.items()} if nested else {field.alias}
    return own.union(*(query_parameters(dependency) for dependency in dependant.dependencies))


def gate(dependant: Dependant) -> Dependant | None:
    """The dependency that lets callers in; None for a public route."""
    if isinstance(dependant.call, Entrance) or dependant.call is authenticate_sender:
        return dependant
    found = (gate(dependency) for dependency in dependant.dependencies)
    return next((each for each in found if each is not None), None)


class StrictRoute(APIRoute):
    """A route that refuses in the contract's order: credential, workspace, scope, and only then the request's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()
        known = query_parameters(self.dependant)
        entrance = gate(self.dependant)

        async def strict(request: Request) -> Response:
            try:
                if entrance is None:
                    await limit_address(request)
                refuse_unknown_parameters(request, known)
                with unreadable_bodies_as_invalid():
                    if entrance is not None and takes_key(request.method, request.url.path, self.name):
                        await read_key(request)
                    return await answer_once(request, handle)
            except RequestValidationError:
                # Once is enough, and twice would wait for itself: the first transaction may hold the row of the key.
                if entrance is not None and not getattr(request.state, "was_examined", False):
                    await check_caller(request, entrance)
                raise

        return strict


@contextmanager
def unreadable_bodies_as_invalid() -> Iterator[None]:
    """Raise the 422 for bodies that cannot be parsed at all, for which the framework raises a 400."""
    try:
        yield
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise RequestValidationError(
            [{"loc": ("body",), "msg": "The body cannot be read: it is not well formed", "type": "body_unreadable"}]
        ) from error


def refuse_unknown_parameters(request: Request, known: set[str]) -> None:
    """Raise the 422 for query parameters that the route does not read."""
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        raise RequestValidationError(
            [{"loc": ("query", name), "msg": "Unknown query parameter", "type": "extra_forbidden"} for name in unknown]
        )


async def check_caller(request: Request, found: Dependant) -> None:
    """Raise the refusal that comes before any word about the request's shape, if there is one."""
    credential = await presented(request, await bearer(request), await access_cookie(request))
    entrance = found.call if isinstance(found.call, Entrance) else authenticate_by_header
    holder: Database = request.app.state.database
    async with holder.transaction() as session:
        await entrance.examine(request, session, credential, list(found.own_oauth_scopes or []))


def operation_id(route: APIRoute) -> str:
    """The function's own name: the name that generated clients get."""
    return route.name


class Router(APIRouter):
    """An ``APIRouter`` whose routes are strict. Its prefix is the whole path that they have in common."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=StrictRoute, generate_unique_id_function=operation_id, **options)


def add_routes(to: APIRouter, *routers: APIRouter) -> None:
    """Serve the routes of other routers as they are.

    ``include_router`` would have the framework make each anew under its prefix, when it is included and at the first request, and
    search router within router at every request.
    """
    for router in routers:
        to.routes.extend(router.routes)
