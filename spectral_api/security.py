"""Who may call an endpoint: credential, workspace and scope, refused in this order."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.contextvars import bind_contextvars

from spectral_api.cookies import ACCESS_COOKIE, CSRF_COOKIE, CSRF_HEADER, check_csrf
from spectral_api.dependencies import Database
from spectral_api.idempotency import hold_request
from spectral_api.ratelimits import limit_address, limit_caller
from spectral_platform.auth.commands import note_visit
from spectral_platform.auth.errors import CredentialInvalid, CredentialMissing
from spectral_platform.auth.queries import resolve_caller
from spectral_platform.auth.verification import Verifier
from spectral_platform.core.access import Caller, CallerKind
from spectral_platform.core.errors import BusinessRuleViolationError, ForbiddenError, SpectralError
from spectral_platform.core.settings import Settings
from spectral_platform.scans.schedules.queries import TOKEN_PREFIX, resolve_token
from spectral_platform.workspaces.errors import WorkspaceNotFound

WORKSPACE_HEADER = "X-Workspace-Id"
Resolve = Callable[[str, UUID | None], Awaitable[Caller]]
"""Tells who holds a credential, inside the workspace if one is named."""
WORKSPACE_PARAMETER: dict[str, Any] = {
    "name": WORKSPACE_HEADER,
    "in": "header",
    "required": False,
    "description": "The workspace; needed with a user's token. An API key has only the one it was made for.",
    "schema": {"type": "string", "format": "uuid"},
}
"""How endpoints document the header when their path names no workspace."""

access_cookie = APIKeyCookie(
    name=ACCESS_COOKIE,
    auto_error=False,
    scheme_name="cookie",
    description=(
        "The cookie that `POST /api/v1/auth/login?cookies=true` sets; an `Authorization` header goes before it. Requests other"
        f" than GET must repeat the cookie `{CSRF_COOKIE}` in the header `{CSRF_HEADER}`, or are refused with 403 `csrf-failed`."
    ),
)
bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="An access token from `POST /api/v1/auth/login`, or an API key (`sk_live_…`) of one workspace.",
)


CREDENTIALS: list[dict[str, list[str]]] = [{bearer.scheme_name: []}, {access_cookie.scheme_name: []}]
"""How an endpoint documents that it takes either, where that cannot be read off its dependencies."""


class ScopeMissing(ForbiddenError):
    """The caller lacks the scope that this endpoint needs."""

    def __init__(self, required: list[str]) -> None:
        super().__init__(f"This needs the scope {' or '.join(required)}.", required_scope=required[0])


class PeopleOnly(ForbiddenError):
    """API keys are no people; this is for people."""

    def __init__(self) -> None:
        super().__init__("An API key is not a person: log in to use this.", required_scope=None)


class WorkspaceMismatch(BusinessRuleViolationError):
    """The header names another workspace than the path."""

    slug = "workspace-mismatch"
    title = "Workspace Mismatch"

    def __init__(self) -> None:
        super().__init__(f"{WORKSPACE_HEADER} names another workspace than the path.")


class WorkspaceRequired(BusinessRuleViolationError):
    """Neither the path nor the credential names a workspace."""

    slug = "bad-request"
    title = "Bad Request"

    def __init__(self) -> None:
        super().__init__(f"Say which workspace is meant with the header {WORKSPACE_HEADER}.")


def person(caller: Caller) -> Caller:
    """The caller, if it is a person."""
    if caller.kind is not CallerKind.USER:
        raise PeopleOnly
    return caller


@dataclass(frozen=True, slots=True)
class Presented:
    """The credential that came with a request. Browsers add cookies by themselves, so one in a cookie proves less."""

    credential: str
    in_cookie: bool


async def presented(
    request: Request,
    header: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    cookie: Annotated[str | None, Depends(access_cookie)],
) -> Presented | None:
    """The credential of a request. An `Authorization` header goes before the cookie, whatever is in it."""
    if "Authorization" in request.headers:
        return Presented(header.credentials, in_cookie=False) if header is not None else None
    return Presented(cookie, in_cookie=True) if cookie else None


Credential = Annotated[Presented | None, Depends(presented)]


@dataclass(frozen=True)
class Entrance:
    """A dependency by which callers come in. Any one of the scopes that an endpoint asks of it is enough.

    ``resolving`` makes what tells who holds a credential. Where no path names a workspace, the API key or the header may.
    """

    resolving: Callable[[Request, AsyncSession], Resolve]
    names_workspace_by_header: bool = False

    async def __call__(self, request: Request, required: SecurityScopes, session: Database, credential: Credential) -> Caller:
        """The caller of an endpoint, whose request is carried out once."""
        caller = await self.examine(request, session, credential, required.scopes)
        await hold_request(request, session, caller)
        return caller

    async def examine(self, request: Request, session: AsyncSession, credential: Presented | None, required: list[str]) -> Caller:
        """Who asks, if they may. Raises what refuses them."""
        resolve = self.resolving(request, session)
        caller = await admit(request, credential, required, resolve, names_workspace_by_header=self.names_workspace_by_header)
        await note_visit(session, caller)
        return caller


class WorkspaceEntrance(Entrance):
    """The same where the path names the workspace; so that its endpoints need not say so, nor ask for what the caller knows."""

    async def __call__(  # type: ignore[override]  # the framework gives what the signature asks for
        self, request: Request, required: SecurityScopes, session: Database, credential: Credential, workspace_id: UUID
    ) -> Caller:
        """The caller of an endpoint, inside this workspace."""
        return await super().__call__(request, required, session, credential)


async def authenticate_sender(request: Request, required: SecurityScopes) -> Caller:
    """The same by header where requests come by the thousand: who presents the same credential at once is verified together.

    It has no dependencies of its own, each of which takes the framework as long as decoding a span.
    """
    verifier: Verifier = request.app.state.verifier
    credential = await presented(request, await bearer(request), await access_cookie(request))
    return await admit(request, credential, required.scopes, verifier.resolve, names_workspace_by_header=True)


def within(request: Request, session: AsyncSession, *, even_deleted: bool = False) -> Resolve:
    """Resolve credentials in the request's own transaction, which is then bound to the tenant."""
    settings: Settings = request.app.state.settings

    async def resolve(credential: str, workspace_id: UUID | None) -> Caller:
        return await resolve_caller(
            session, credential, keyring=settings.keyring, workspace_id=workspace_id, even_deleted=even_deleted
        )

    return resolve


def within_schedule(request: Request, session: AsyncSession) -> Resolve:
    """The same where the path names a schedule, whose own token is good for this and for nothing else."""
    resolve_person = within(request, session)
    schedule_id = _id(request.path_params.get("schedule_id"))

    async def resolve(credential: str, workspace_id: UUID | None) -> Caller:
        if credential.startswith(TOKEN_PREFIX):
            return await resolve_token(session, credential, workspace_id=workspace_id, schedule_id=schedule_id)
        return await resolve_person(credential, workspace_id)

    return resolve


authenticate = WorkspaceEntrance(within)
authenticate_in_account = Entrance(within)
authenticate_by_header = Entrance(within, names_workspace_by_header=True)
authenticate_restorer = WorkspaceEntrance(partial(within, even_deleted=True))
"""By which a workspace can be reached after it was deleted."""
authenticate_trigger = WorkspaceEntrance(within_schedule)
"""For anybody who has one of the scopes, and for the holder of the schedule's own token."""


def let_in_again(request: Request, credential: Presented | None, workspace_id: UUID) -> Callable[[], Awaitable[Caller]]:
    """Ask whether who was let in would be let in now, for what goes on after the request; it raises what refuses them."""
    verifier: Verifier = request.app.state.verifier

    async def ask() -> Caller:
        if credential is None:
            raise CredentialMissing
        return await verifier.resolve(credential.credential, workspace_id)

    return ask


async def admit(
    request: Request,
    credential: Presented | None,
    required: list[str],
    resolve: Resolve,
    *,
    names_workspace_by_header: bool = False,
) -> Caller:
    """Check credential (401), workspace (404, 400) and scope (403), in this order."""
    request.state.was_examined = True
    if credential is None or not credential.credential:
        raise CredentialMissing
    in_path, in_header = request.path_params.get("workspace_id"), request.headers.get(WORKSPACE_HEADER)
    try:
        caller = await resolve(credential.credential, _id(in_header if names_workspace_by_header else in_path))
    except SpectralError:  # whoever guesses credentials or workspaces is held off by address
        await limit_address(request)
        raise
    await limit_caller(request, caller)
    if credential.in_cookie:
        if caller.session_id is None:  # an API key is no session of a browser
            raise CredentialInvalid
        check_csrf(request, request.app.state.settings, caller.session_id)
    request.app.state.last_uses.note(caller)
    bind_contextvars(account_id=str(caller.account_id), caller=f"{caller.kind}:{caller.id}")
    if names_workspace_by_header:
        _check_header(caller, in_header)
    elif in_path is not None:
        _check_path(in_path, in_header)
    if caller.workspace_id is not None:
        bind_contextvars(workspace_id=str(caller.workspace_id))
    if required and caller.scopes.isdisjoint(required):
        raise ScopeMissing(required)
    return caller


def _check_path(in_path: str, in_header: str | None) -> None:
    if _id(in_path) is None:
        raise malformed_id("path", "workspace_id")
    if in_header is not None and _id(in_header) != _id(in_path):
        raise WorkspaceMismatch


def _check_header(caller: Caller, in_header: str | None) -> None:
    if in_header is None:
        if caller.workspace_id is None:
            raise WorkspaceRequired
    elif _id(in_header) is None:
        raise WorkspaceNotFound(in_header) if caller.kind is CallerKind.KEY else malformed_id("header", WORKSPACE_HEADER)


def _id(text: str | None) -> UUID | None:
    """An id in any of the ways to write a UUID; None if it is absent or none."""
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        return None


def malformed_id(*location: str) -> RequestValidationError:
    """The 422 for something that should be a UUID and is not."""
    fault: dict[str, Any] = {"loc": location, "msg": "Input should be a valid UUID", "type": "uuid_parsing"}
    return RequestValidationError([fault])
