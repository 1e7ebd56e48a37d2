"""Errors as RFC 9457 problem documents: the only place that knows which family has which status."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from spectral_platform.core.errors import (
    AuthenticationError,
    BusinessRuleViolationError,
    ForbiddenError,
    InProgressError,
    InvalidTransitionError,
    KeyReusedError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitedError,
    SpectralError,
    UnavailableError,
    UnsupportedMediaTypeError,
    VersionConflictError,
)

logger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "https://spectral.dev/errors/"
RETRY_AFTER_SECONDS = "5"
MOST_MISTAKES_TOLD = 100
STATUS_OF_FAMILY: dict[type[SpectralError], int] = {
    NotFoundError: 404,
    InvalidTransitionError: 400,
    BusinessRuleViolationError: 400,
    AuthenticationError: 401,
    ForbiddenError: 403,
    InProgressError: 409,
    VersionConflictError: 412,
    PayloadTooLargeError: 413,
    UnsupportedMediaTypeError: 415,
    KeyReusedError: 422,
    RateLimitedError: 429,
    UnavailableError: 503,
}
SLUG_OF_STATUS: dict[int, tuple[str, str]] = {
    400: ("bad-request", "Bad Request"),
    401: ("unauthenticated", "Not Authenticated"),
    403: ("missing-scope", "Missing Scope"),
    404: ("not-found", "Resource Not Found"),
    405: ("method-not-allowed", "Method Not Allowed"),
    413: ("payload-too-large", "Payload Too Large"),
    415: ("unsupported-media-type", "Unsupported Media Type"),
    503: ("unavailable", "Service Unavailable"),
}
# What psycopg says itself (no state), "character not in repertoire" and "untranslatable character".
DISK_FULL = "53100"
SIGNED = re.compile(r"(/signed/\w+/).*")
UNSTORABLE_TEXT = {None, "22021", "22P05"}
declared_errors: set[type[SpectralError]] = set()
"""What the documentation of some endpoint names."""
VALIDATION_TITLE = "Validation Error"
Renderer = Callable[[Request, int, str], Response]
"""How another protocol says that something went wrong, from the HTTP status and the detail."""


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    location: list[str | int] = Field(description="Where the field is, from the part of the request inwards.")
    message: str = Field(description="What is wrong with it.")
    type: str = Field(description="The kind of mistake, for programs.")


class Problem(BaseModel):
    """An error, as RFC 9457 says; some problems carry further members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="What kind of problem this is; stable, for programs.")
    title: str = Field(description="The same for people.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time.")
    instance: str = Field(description="The path that was asked for.")
    request_id: str = Field(description="Names this request in the server's log.")


class ValidationProblem(Problem):
    """A request that was read and makes no sense."""

    errors: list[FieldProblem] = Field(
        default_factory=list,
        description="What is wrong with its shape, the first hundred mistakes at most; absent where the shape is right.",
    )


def loggable(path: str) -> str:
    """A path as the log may have it: of a signed link without the part that lets whoever reads it in."""
    return SIGNED.sub(r"\1…", path)


def status_of(error: SpectralError | type[SpectralError]) -> int:
    """The HTTP status of a named error, by its family."""
    kind = error if isinstance(error, type) else type(error)
    return next(status for family, status in STATUS_OF_FAMILY.items() if issubclass(kind, family))


def renderer_of(request: Request) -> Renderer | None:
    """How errors are told on a path of another protocol: one that is named, or any below one that is named with a ``*``."""
    renderers: dict[str, Renderer] = request.app.state.error_renderers
    path = request.url.path
    below = (each for name, each in renderers.items() if name.endswith("*") and path.startswith(name[:-1]))
    return renderers.get(path) or next(below, None)


def problem(request: Request, *, slug: str, title: str, status: int, detail: str, **extensions: Any) -> Response:
    """Render one problem document; on the paths of another protocol, what that protocol has instead."""
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer" if slug == "unauthenticated" else 'Bearer error="invalid_token"'
    if status in {409, 429, 503}:
        headers["Retry-After"] = str(extensions.get("retry_after_s", RETRY_AFTER_SECONDS))
    render_instead = renderer_of(request)
    if render_instead is not None:
        response = render_instead(request, status, detail)
        response.headers.update(headers)
        return response
    body = {
        "type": TYPE_BASE + slug,
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "request_id": getattr(request.state, "request_id", ""),
        **extensions,
    }
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def render(request: Request, error: SpectralError) -> Response:
    """A named error as a problem document."""
    return problem(request, slug=error.slug, title=error.title, status=status_of(error), detail=error.detail, **error.extensions)


async def handle_named(request: Request, error: Exception) -> Response:
    """Answer with the problem that a room raised."""
    assert isinstance(error, SpectralError)
    return render(request, error)


async def handle_validation(request: Request, error: Exception) -> Response:
    """Answer 422 with the mistakes in the request's shape; what was sent is not echoed."""
    assert isinstance(error, RequestValidationError)
    mistakes = error.errors()
    if request.method not in allowed_methods(request):
        return await handle_http(request, HTTPException(405))  # "DELETE sets" is no deletion of something with the id "sets"
    count = len(mistakes)
    errors = [
        # What our own validators say is a sentence already, before which the library writes what class raised it.
        {"location": list(item["loc"]), "message": item["msg"].removeprefix("Value error, "), "type": item["type"]}
        for item in mistakes[:MOST_MISTAKES_TOLD]
    ]
    detail = "One part of the request is not valid." if count == 1 else f"{count} parts of the request are not valid."
    return problem(request, slug="validation-error", title=VALIDATION_TITLE, status=422, detail=detail, errors=errors)


async def handle_http(request: Request, error: Exception) -> Response:
    """Answer the framework's own refusals (unknown route, wrong method, body too large) in the same form."""
    assert isinstance(error, HTTPException)
    slug, title = SLUG_OF_STATUS.get(error.status_code, ("bad-request", "Bad Request"))
    extensions = {}
    if error.status_code == 413:
        extensions["limit_bytes"] = getattr(request.state, "body_limit_bytes", request.app.state.settings.max_body_bytes)
    response = problem(request, slug=slug, title=title, status=error.status_code, detail=str(error.detail), **extensions)
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(sorted(allowed_methods(request)))
    return response


def allowed_methods(request: Request) -> set[str]:
    """The methods of a path: of all routes that name it, and not of those that could take its last part for an id."""
    path = request.scope["path"]  # the URL's own leaves line breaks out
    matching = [route for route in iter_route_contexts(request.app.routes) if route.methods and route.path_regex.match(path)]
    fewest = min((len(route.param_convertors) for route in matching), default=0)
    return set().union(*(route.methods or () for route in matching if len(route.param_convertors) == fewest))


async def handle_data(request: Request, error: Exception) -> Response:
    """Answer 422 for text that Postgres cannot hold; any other fault of the data is our own mistake."""
    assert isinstance(error, DataError)
    if getattr(error.orig, "sqlstate", None) not in UNSTORABLE_TEXT:
        return await handle_unexpected(request, error)
    return await _refuse_text(request, "Text cannot contain the zero character")


async def handle_half_characters(request: Request, error: Exception) -> Response:
    """Answer 422 for text that JSON can spell and UTF-8 cannot; it comes to light where the text is first written."""
    assert isinstance(error, UnicodeEncodeError)
    if error.encoding != "utf-8":
        return await handle_unexpected(request, error)
    return await _refuse_text(request, "Text cannot contain half of a surrogate pair")


async def _refuse_text(request: Request, message: str) -> Response:
    part = "query" if request.method in {"GET", "DELETE"} else "body"
    fault = {"loc": (part,), "msg": message, "type": "string_unstorable"}
    return await handle_validation(request, RequestValidationError([fault]))


async def handle_outage(request: Request, error: Exception) -> Response:
    """Answer 503 when Postgres does not answer or has no connection to spare; the same request may succeed later."""
    logger.error("database_unavailable", path=loggable(request.url.path), exc_info=error)
    detail = "The database does not answer now. Send the same request again a little later."
    if getattr(getattr(error, "orig", error), "sqlstate", None) == DISK_FULL:
        detail = "The database's disk is full. Whoever runs the server has to make room; send the same request again later."
    return problem(request, slug="unavailable", title=UnavailableError.title, status=503, detail=detail)


async def handle_unexpected(request: Request, error: Exception) -> Response:
    """Answer 500 without internals; the log has the traceback under the same request id."""
    logger.error("unexpected_error", path=loggable(request.url.path), exc_info=error)
    response = problem(
        request,
        slug="internal-error",
        title="Internal Error",
        status=500,
        detail="Something went wrong on our side; the log has the details under this request id.",
    )
    # This answer is made outside all middleware, so nothing else sends the id.
    response.headers["X-Request-Id"] = request.state.request_id
    return response


def install_problem_handlers(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.state.error_renderers = {}
    app.add_exception_handler(SpectralError, handle_named)
    app.add_exception_handler(RequestValidationError, handle_validation)
    app.add_exception_handler(HTTPException, handle_http)
    app.add_exception_handler(DataError, handle_data)
    app.add_exception_handler(UnicodeEncodeError, handle_half_characters)
    for outage in (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError):
        app.add_exception_handler(outage, handle_outage)
    app.add_exception_handler(Exception, handle_unexpected)


def problems(*errors: type[SpectralError], validation: bool = True) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of an endpoint that may raise these errors; 422, 500 and 503 are always among them."""
    by_status: dict[int, list[tuple[str, str, str]]] = {}
    declared_errors.update(errors)
    for error in errors:
        meaning = (error.__doc__ or error.title).strip().splitlines()[0]
        entries = by_status.setdefault(status_of(error), [])
        entries.append((error.slug, error.title, meaning))
    responses: dict[int | str, dict[str, Any]] = {
        status: _response(Problem, status, entries) for status, entries in sorted(by_status.items())
    }
    if validation:
        entry = ("validation-error", VALIDATION_TITLE, "A part of the request has the wrong shape.")
        responses[422] = _response(ValidationProblem, 422, [entry, *by_status.get(422, [])])
    unexpected = ("internal-error", "Internal Error", "Something went wrong on our side.")
    responses[500] = _response(Problem, 500, [unexpected])
    outage = ("unavailable", UnavailableError.title, "The database does not answer now; send the request again a little later.")
    responses[503] = _response(Problem, 503, [*by_status.get(503, []), outage])
    return responses


def _response(model: type[Problem], status: int, entries: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    examples = {
        f"{slug}-{number}" if number else slug: {
            "summary": meaning,
            "value": {
                "type": TYPE_BASE + slug,
                "title": title,
                "status": status,
                "detail": meaning,
                "instance": "/api/v1/…",
                "request_id": "0198c5a2-7b1e-7c3d-9f00-3b6f4c1d2e5a",
                **(
                    {"errors": [{"location": ["body", "name"], "message": "Field required", "type": "missing"}]}
                    if status == 422
                    else {}
                ),
            },
        }
        for number, (slug, title, meaning) in enumerate(entries)
    }
    return {
        "model": model,
        "description": " ".join(dict.fromkeys(meaning for _, _, meaning in entries)),
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "examples": examples}},
    }
