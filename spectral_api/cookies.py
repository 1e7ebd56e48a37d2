"""Logging in with cookies, for pages in a browser: tokens that no script can read, and a token against forged requests.

A page on another site can make a browser send cookies, and cannot read them. So whoever is known by a cookie must, to change
something, repeat the readable one in a header (double submit), and it must be the one that belongs to the session (a keyed digest
of its id), so that a cookie planted by a neighbouring site does not do.
"""

import hmac
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response

from spectral_platform.auth.commands import Tokens
from spectral_platform.core.crypto import keyed_digest
from spectral_platform.core.errors import ForbiddenError
from spectral_platform.core.settings import Environment, Settings

ACCESS_COOKIE = "access_token"
REFRESH_COOKIE = "refresh_token"
CSRF_COOKIE = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"
REFRESH_PATH = "/api/v1/auth"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}  # RFC 9110, section 9.2.1
CSRF_PURPOSE = "csrf"

CookiesWanted = Annotated[
    bool,
    Query(
        alias="cookies",
        description="Set the tokens as cookies that no script can read, and leave them out of the body; for pages in a browser.",
    ),
]


class CsrfTokenWrong(ForbiddenError):
    """A request known by its cookies repeats the `csrf_token` cookie in no `X-CSRF-Token` header."""

    slug = "csrf-failed"
    title = "CSRF Token Missing Or Wrong"

    def __init__(self) -> None:
        super().__init__(f"Send the value of the cookie {CSRF_COOKIE} in the header {CSRF_HEADER}, or an Authorization header.")


def check_csrf(request: Request, settings: Settings, session_id: UUID | None) -> None:
    """Raise ``CsrfTokenWrong`` where a request that may change something could have been sent by another site's page."""
    if request.method in SAFE_METHODS:
        return
    sent = request.headers.get(CSRF_HEADER, "").encode()
    kept = request.cookies.get(CSRF_COOKIE, "").encode()
    own = [_csrf_token(secret, session_id).encode() for secret in settings.secrets]
    if not (hmac.compare_digest(sent, kept) and any(hmac.compare_digest(sent, each) for each in own)):
        raise CsrfTokenWrong


def handed_out(response: Response, settings: Settings, tokens: Tokens, *, cookies: bool) -> dict[str, Any]:
    """What the body of a login tells; with cookies the tokens are in those alone, where no script of the page gets at them."""
    told = asdict(tokens)
    if not cookies:
        return told
    lasting = {ACCESS_COOKIE: tokens.expires_in, REFRESH_COOKIE: settings.refresh_token_days * 86400}
    csrf_token = _csrf_token(settings.secret, tokens.session_id)
    _set(response, settings, ACCESS_COOKIE, tokens.access_token, max_age=lasting[ACCESS_COOKIE])
    _set(response, settings, REFRESH_COOKIE, tokens.refresh_token, max_age=lasting[REFRESH_COOKIE])
    _set(response, settings, CSRF_COOKIE, csrf_token, max_age=lasting[REFRESH_COOKIE])
    return told | {"access_token": None, "refresh_token": None}


def clear_cookies(response: Response, settings: Settings) -> None:
    """Let the browser forget the session."""
    for name in (ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE):
        _set(response, settings, name, "", max_age=0)


def _csrf_token(secret: str, session_id: UUID | None) -> str:
    return keyed_digest(secret.encode(), CSRF_PURPOSE, str(session_id)).hex()


def _set(response: Response, settings: Settings, name: str, value: str, *, max_age: int) -> None:
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path=REFRESH_PATH if name == REFRESH_COOKIE else "/",
        secure=settings.environment is not Environment.DEVELOPMENT,
        httponly=name != CSRF_COOKIE,
        samesite="lax",
    )
