"""Endpoints of registration, login and profile."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Request, Response

from spectral_api.cookies import REFRESH_COOKIE, CookiesWanted, CsrfTokenWrong, check_csrf, clear_cookies, handed_out
from spectral_api.dependencies import CurrentDevice, CurrentSettings, Database, DatabaseHolder, ReleasedDatabase
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.problems import problems, render
from spectral_api.routing import V1, Router
from spectral_api.security import PeopleOnly, person
from spectral_api.v1.auth import schemas
from spectral_api.v1.callers import AnyCaller
from spectral_api.v1.refusals import WITHOUT_SCOPE
from spectral_platform.accounts.errors import AccountSuspended, EmailTaken, LastOwner
from spectral_platform.auth import commands, queries
from spectral_platform.auth.errors import (
    CredentialMissing,
    CredentialRevoked,
    LoginRefused,
    PasswordTooWeak,
    RegistrationClosed,
    SessionNotFound,
)
from spectral_platform.auth.lockout.errors import TooManyAttempts
from spectral_platform.auth.passwords import commands as passwords
from spectral_platform.auth.passwords.errors import PasswordWrong, ResetTokenInvalid
from spectral_platform.core.paging import Page
from spectral_platform.invites.errors import InviteRefused
from spectral_platform.mail.errors import MailUnconfigured

router = Router(prefix=V1 + "/auth", tags=["Auth"])


@router.post(
    "/register",
    status_code=201,
    summary="Register",
    responses=problems(EmailTaken, PasswordTooWeak, RegistrationClosed, InviteRefused, AccountSuspended),
)
async def register(
    body: schemas.Registration,
    database: DatabaseHolder,
    settings: CurrentSettings,
    device: CurrentDevice,
    response: Response,
    cookies: CookiesWanted = False,
) -> schemas.Registered:
    """Make an account with its first workspace (named "Default"). The caller owns the account and is logged in.

    With an `invite_token` the caller joins the account that invites them instead, with the roles that the invite gives; the
    email address must be the invited one.
    """
    tokens, workspace_id = await commands.register(database, settings, **body.model_dump(), device=device)
    return schemas.Registered(**handed_out(response, settings, tokens, cookies=cookies), workspace_id=workspace_id)


@router.post("/login", summary="Log in", responses=problems(LoginRefused, AccountSuspended, TooManyAttempts))
async def login(
    body: schemas.Login,
    database: DatabaseHolder,
    settings: CurrentSettings,
    device: CurrentDevice,
    response: Response,
    cookies: CookiesWanted = False,
) -> schemas.Tokens:
    """Exchange email and password for tokens. An unknown email and a wrong password give the same answer."""
    tokens = await commands.login(database, settings, email=body.email, password=body.password, device=device)
    return schemas.Tokens(**handed_out(response, settings, tokens, cookies=cookies))


@router.post(
    "/refresh",
    response_model=schemas.Tokens,
    summary="Refresh tokens",
    responses=problems(*WITHOUT_SCOPE, CsrfTokenWrong),
)
async def refresh(
    request: Request,
    response: Response,
    database: Database,
    settings: CurrentSettings,
    body: Annotated[schemas.Refresh | None, Body(examples=[schemas.REFRESH_EXAMPLE])] = None,
    cookies: CookiesWanted = False,
) -> schemas.Tokens | Response:
    """Exchange a refresh token for new tokens. Each is good for one exchange; using a spent one ends the session everywhere.

    Without a body the token is the one in the cookie, the new ones are set as cookies, and the header `X-CSRF-Token` is needed.
    """
    in_cookie = request.cookies.get(REFRESH_COOKIE) if body is None else None
    refresh_token = body.refresh_token if body is not None else in_cookie
    if not refresh_token:
        raise CredentialMissing
    if in_cookie is not None:
        check_csrf(request, settings, (await queries.get_refresh_token(database, in_cookie)).session_id)
    tokens = await commands.refresh(database, settings, refresh_token=refresh_token)
    if tokens is None:  # the session's end must be committed, so this is answered and not raised
        return render(request, CredentialRevoked())
    return schemas.Tokens(**handed_out(response, settings, tokens, cookies=cookies or in_cookie is not None))


@router.post(
    "/change-password",
    status_code=204,
    summary="Change the password",
    responses=problems(*WITHOUT_SCOPE, PeopleOnly, PasswordWrong, PasswordTooWeak, TooManyAttempts),
)
async def change_password(
    body: schemas.PasswordChange,
    caller: AnyCaller,
    database: ReleasedDatabase,
    settings: CurrentSettings,
    device: CurrentDevice,
) -> None:
    """Set a new password. Every other session ends; this one stays."""
    await passwords.change_password(
        database,
        settings,
        person(caller),
        current_password=body.current_password,
        new_password=body.new_password,
        device=device,
    )


@router.post(
    "/reset-password",
    status_code=202,
    response_model=None,
    response_class=Response,
    summary="Set a new password by mail",
    responses=problems(MailUnconfigured, ResetTokenInvalid, PasswordTooWeak, TooManyAttempts)
    | {204: {"description": "The password was set; every session of the person has ended."}},
)
async def reset_password(
    body: schemas.PasswordReset, database: DatabaseHolder, settings: CurrentSettings, device: CurrentDevice
) -> Response:
    """Ask for a token with `{email}`, then set a new password with `{token, new_password}`.

    Asking is answered with 202 whether or not anybody is registered under the address; who is gets the token by mail. It is good
    once and for an hour, and void as soon as the password or the address has changed.
    """
    if isinstance(body, schemas.ResetRequest):
        await passwords.request_password_reset(database, settings, email=body.email, device=device)
        return Response(status_code=202)
    await passwords.reset_password(database, settings, token=body.token, new_password=body.new_password, device=device)
    return Response(status_code=204)


@router.post("/logout", status_code=204, summary="Log out", responses=problems(*WITHOUT_SCOPE, PeopleOnly, CsrfTokenWrong))
async def logout(caller: AnyCaller, database: Database, settings: CurrentSettings, response: Response) -> None:
    """End this session: its access token and refresh token are refused from now on, and its cookies are cleared."""
    await commands.logout(database, person(caller))
    clear_cookies(response, settings)


@router.get(
    "/sessions", response_model=Results[schemas.Session], summary="List sessions", responses=problems(*WITHOUT_SCOPE, PeopleOnly)
)
async def list_sessions(caller: AnyCaller, database: Database, page: PageByTime) -> dict[str, Any]:
    """List where you are logged in: every session of yours that still goes on."""
    found = await queries.list_sessions(database, person(caller), page=page)
    sessions = [schemas.Session.of(each, current=each.id == caller.session_id) for each in found.results]
    return envelope(Page(sessions, found.total, found.limit, found.offset))


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    summary="End a session",
    responses=problems(*WITHOUT_SCOPE, PeopleOnly, SessionNotFound),
)
async def end_session(session_id: UUID, caller: AnyCaller, database: Database) -> None:
    """End a session of yours: its access and refresh tokens are refused from now on."""
    await commands.end_session(database, person(caller), session_id)


@router.get("/me", summary="Own profile", responses=problems(*WITHOUT_SCOPE, PeopleOnly))
async def get_profile(caller: AnyCaller, database: Database) -> schemas.Profile:
    """Tell who is logged in, in which account and with which workspaces and scopes."""
    return schemas.Profile.of(await queries.get_profile(database, person(caller)), caller)


@router.patch("/me", summary="Change the own profile", responses=problems(*WITHOUT_SCOPE, PeopleOnly))
async def update_profile(body: schemas.ProfileUpdate, caller: AnyCaller, database: Database) -> schemas.Profile:
    """Change the name that is shown for you."""
    await commands.update_profile(database, person(caller), changes=body.model_dump(exclude_unset=True))
    return schemas.Profile.of(await queries.get_profile(database, caller), caller)


@router.delete("/me", status_code=204, summary="Erase yourself", responses=problems(*WITHOUT_SCOPE, PeopleOnly, LastOwner))
async def delete_profile(caller: AnyCaller, database: Database) -> None:
    """Erase yourself: your row, memberships, sessions and all else that refers to you.

    The last owner of an account cannot go; delete the account instead, or make somebody else its owner. The audit log keeps what
    you did, under an id that names nobody any more.
    """
    await commands.delete_profile(database, person(caller))
