"""Endpoints of logging in through identity providers."""

from typing import Annotated

from fastapi import Path, Query, Request, Response

from spectral_api.cookies import CookiesWanted, handed_out
from spectral_api.dependencies import CurrentDevice, CurrentSettings, DatabaseHolder
from spectral_api.problems import problems
from spectral_api.routing import V1, Router
from spectral_api.v1.auth import schemas as logins
from spectral_api.v1.auth.oauth import schemas
from spectral_platform.accounts.errors import AccountSuspended, EmailTaken
from spectral_platform.auth.errors import LoginRefused, RegistrationClosed
from spectral_platform.auth.oauth import commands
from spectral_platform.auth.oauth.errors import (
    AuthorizationRefused,
    EmailUnverified,
    ProviderUnavailable,
    ProviderUnknown,
    ReturnUnconfigured,
)
from spectral_platform.core.settings import Settings
from spectral_platform.invites.errors import InviteRefused

router = Router(prefix=V1 + "/auth", tags=["Auth"])
STATE_COOKIE = "oauth_state"
CALLBACK_PATH = "/api/v1/auth/callback"


@router.get(
    "/oauth/{provider}",
    response_model=schemas.OAuthLogin,
    summary="Begin a login with a provider",
    responses=problems(ProviderUnknown, ReturnUnconfigured, ProviderUnavailable)
    | {302: {"description": "With `redirect=true`: on to the provider, with the state in a cookie that only the callback gets."}},
)
async def start_oauth_login(
    provider: Annotated[str, Path(description="`google`, `github`, or a name that the operator gave.", max_length=100)],
    database: DatabaseHolder,
    settings: CurrentSettings,
    redirect: Annotated[bool, Query(description="Send the browser to the provider at once.")] = False,
    invite_token: Annotated[
        str | None,
        Query(description="An invite into an account; the provider must vouch for the invited address.", max_length=200),
    ] = None,
) -> schemas.OAuthLogin | Response:
    """Begin a login with an identity provider. Who comes back from there within ten minutes is logged in by `POST callback`."""
    url, state = await commands.start_oauth_login(
        database, settings, provider=provider, invite_token=invite_token, is_bound=redirect
    )
    if not redirect:
        return schemas.OAuthLogin(authorize_url=url, state=state)
    response = Response(status_code=302, headers={"Location": url})
    _keep_state(response, settings, state, max_age=int(commands.LIFETIME.total_seconds()))
    return response


@router.post(
    "/callback",
    summary="Finish a login with a provider",
    responses=problems(
        ProviderUnknown,
        ReturnUnconfigured,
        ProviderUnavailable,
        AuthorizationRefused,
        EmailUnverified,
        EmailTaken,
        LoginRefused,
        RegistrationClosed,
        InviteRefused,
        AccountSuspended,
    ),
)
async def finish_oauth_login(
    body: schemas.Callback,
    request: Request,
    response: Response,
    database: DatabaseHolder,
    settings: CurrentSettings,
    device: CurrentDevice,
    cookies: CookiesWanted = False,
) -> logins.Tokens:
    """Exchange what the provider sent back for tokens, as `POST login` does for a password.

    Who comes for the first time is known by their email address if the provider says that it is verified, and registered if
    nobody has it; the first person of a new account owns it. From then on it is the provider's own id that counts.
    """
    tokens = await commands.finish_oauth_login(
        database,
        settings,
        provider=body.provider,
        code=body.code,
        state=body.state,
        kept_state=request.cookies.get(STATE_COOKIE),
        device=device,
    )
    _keep_state(response, settings, "", max_age=0)
    return logins.Tokens(**handed_out(response, settings, tokens, cookies=cookies))


def _keep_state(response: Response, settings: Settings, state: str, *, max_age: int) -> None:
    """Bind a login to the browser that began it: nobody can make another's browser finish a login of theirs."""
    is_secure = (settings.public_url or "").startswith("https:")
    response.set_cookie(STATE_COOKIE, state, max_age=max_age, path=CALLBACK_PATH, secure=is_secure, httponly=True, samesite="lax")
