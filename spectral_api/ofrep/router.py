"""Endpoints of OpenFeature's remote evaluation protocol. A flag is an agent, its value the config that carries ``production``."""

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Depends, FastAPI, Request, Response, Security
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from spectral_api.dependencies import Database
from spectral_api.etags import ConditionalRead
from spectral_api.ofrep import schemas
from spectral_api.ofrep.schemas import ErrorCode
from spectral_api.problems import problems
from spectral_api.routing import Router, add_routes
from spectral_api.security import WORKSPACE_PARAMETER, authenticate_by_header
from spectral_api.v1.agents.schemas import Config
from spectral_api.v1.refusals import IN_WORKSPACE_OF_HEADER
from spectral_platform.agents import queries
from spectral_platform.agents.models import ConfigVersion
from spectral_platform.core.access import Caller, Scope
from spectral_platform.core.crypto import content_digest
from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError, SpectralError

FLAGS = "/ofrep/v1/evaluate/flags"

router = Router(tags=["OFREP"])
Reader = Annotated[Caller, Security(authenticate_by_header, scopes=[Scope.READ_AGENTS, Scope.READ_WORKSPACE])]


class FlagNotFound(NotFoundError):
    """No agent has this name, or none of its config versions is labelled production."""

    def __init__(self, key: str) -> None:
        super().__init__(f"No agent named {key!r} has a config that is labelled production.")


class ContextUnreadable(BusinessRuleViolationError):
    """The body is no evaluation request."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Flags:
    """What runs in a workspace, by name; the fingerprint stands for all of it."""

    running: list[tuple[str, ConfigVersion]]

    @property
    def fingerprint(self) -> str:
        """Another one whenever a name or a config is another."""
        return content_digest(*(part for name, version in self.running for part in (name, version.fingerprint)))


async def read_context(request: Request, caller: Reader) -> None:
    """See that the body is an evaluation request, or that there is none."""
    body = await request.body()
    try:
        told = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError:
        request.state.ofrep_error = ErrorCode.PARSE_ERROR
        raise ContextUnreadable("The body is not JSON.") from None
    try:
        schemas.EvaluationRequest.model_validate(told)
    except ValidationError:
        request.state.ofrep_error = ErrorCode.INVALID_CONTEXT
        raise ContextUnreadable("The body is no object, or its `context` is none.") from None


def failures(*errors: type[SpectralError]) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of an endpoint that may raise these errors."""
    return {
        status: {"model": schemas.EvaluationFailure, "description": response["description"]}
        for status, response in problems(*errors, validation=False).items()
    }


def document(request: str) -> dict[str, Any]:
    """What the framework cannot read off the function: the workspace's header and the body."""
    schema = schemas.EvaluationRequest.model_json_schema()
    content = {"application/json": {"schema": schema, "example": schema["examples"][0]}}
    return {"parameters": [WORKSPACE_PARAMETER], "requestBody": {"description": request, "content": content}}


@router.post(
    FLAGS,
    response_model=schemas.BulkEvaluation,
    summary="Evaluate all flags",
    dependencies=[Depends(read_context)],
    responses=failures(*IN_WORKSPACE_OF_HEADER, ContextUnreadable)
    | {304: {"description": "The caller holds the current values already."}},
    openapi_extra=document("For whom the flags are evaluated."),
)
async def evaluate_flags(caller: Reader, database: Database, conditional: ConditionalRead) -> Any:
    """Evaluate all flags of the workspace, as OpenFeature's providers for clients do: agents that have a config in production.

    The entity tag stands for all values; with `If-None-Match` it is 304 as long as none changes. An API key decides the
    workspace; a user's token needs the header `X-Workspace-Id`.
    """
    shown = conditional.show(Flags(await queries.list_running_configs(database, caller)))
    return shown if isinstance(shown, Response) else {"flags": [evaluation(*each) for each in shown.running]}


@router.post(
    f"{FLAGS}/{{key:path}}",
    response_model=schemas.Evaluation,
    summary="Evaluate a flag",
    dependencies=[Depends(read_context)],
    responses=failures(*IN_WORKSPACE_OF_HEADER, ContextUnreadable, FlagNotFound),
    openapi_extra=document("For whom the flag is evaluated."),
)
async def evaluate_flag(key: str, request: Request, caller: Reader, database: Database) -> Any:
    """Evaluate a flag, as OpenFeature's providers for servers do: what is the agent of this name to run with?

    The value is the config that is labelled `production`, the variant its version. Any OpenFeature SDK with an OFREP provider
    reads it: its base URL is this server, its `Authorization` header `Bearer sk_live_…`. An API key decides the workspace; a
    user's token needs the header `X-Workspace-Id`.
    """
    running = await queries.list_running_configs(database, caller, name=key)
    if not running:
        request.state.ofrep_error = ErrorCode.FLAG_NOT_FOUND
        raise FlagNotFound(key)
    return evaluation(*running[0])


def evaluation(key: str, version: ConfigVersion) -> schemas.Evaluation:
    """A config as a flag."""
    return schemas.Evaluation(
        key=key,
        reason="STATIC",
        variant=str(version.version),
        value=Config.model_validate(version),
        metadata=schemas.FlagMetadata(agent_id=str(version.agent_id), version=version.version, label="production"),
    )


def render_failure(request: Request, status: int, detail: str) -> Response:
    """A failure as OFREP has it. Shape errors are 400 there, not 422."""
    code: ErrorCode = getattr(request.state, "ofrep_error", ErrorCode.GENERAL)
    key = str(request.scope["path"]).removeprefix(FLAGS).removeprefix("/")
    failure = schemas.EvaluationFailure(key=key or None, errorCode=code, errorDetails=detail)
    return JSONResponse(failure.model_dump(mode="json", exclude_none=True), status_code=400 if status == 422 else status)


def install_ofrep(app: FastAPI) -> None:
    """Serve OFREP: its endpoints, and its way of saying that something went wrong."""
    app.state.error_renderers[f"{FLAGS}*"] = render_failure
    add_routes(app.router, router)
