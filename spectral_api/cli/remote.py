"""A running server as the command line's own requests see it."""

from collections.abc import Generator
from typing import Any

import httpx

from spectral_api.cli.terminal import Failed

TIMEOUT_SECONDS = 15.0


class Refused(Failed):
    """The server did not do what it was asked for."""


class PersonAuth(httpx.Auth):
    """Logs in with a password, and again when the access token has expired."""

    requires_response_body = True

    def __init__(self, login: httpx.URL, email: str, password: str) -> None:
        self._login = httpx.Request("POST", login, json={"email": email, "password": password})
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The request with a token that is good; raises ``Refused`` when the credentials are not."""
        for last in (False, True):
            if self._token is None:
                self._token = str(expect((yield self._login), "logging in")["access_token"])
            request.headers["Authorization"] = f"Bearer {self._token}"
            answer = yield request
            if answer.status_code != httpx.codes.UNAUTHORIZED or last:
                return
            self._token = None


def open_server(url: str, *, email: str | None = None, password: str | None = None, api_key: str | None = None) -> httpx.Client:
    """Requests to a server as the key or the person; close it after use. Raises ``Refused`` without address or credentials."""
    try:
        base = httpx.URL(url.rstrip("/") + "/api/v1/")
    except httpx.InvalidURL as mistake:
        raise Refused(f"{url} is no address: {mistake}") from mistake
    if api_key:
        return httpx.Client(base_url=base, headers={"Authorization": f"Bearer {api_key}"}, timeout=TIMEOUT_SECONDS)
    if email and password:
        auth = PersonAuth(base.join("auth/login"), email, password)
        return httpx.Client(base_url=base, auth=auth, timeout=TIMEOUT_SECONDS)
    raise Refused("give --api-key, or --email and --password")


def only_workspace(client: httpx.Client) -> str:
    """The workspace of a caller who has just one. Raises ``Refused`` when there is a choice, or none."""
    found = expect(client.get("workspaces"), "reading the workspaces")["results"]
    if len(found) != 1:
        raise Refused(f"name the --workspace: {', '.join(workspace['id'] for workspace in found) or 'you have none'}")
    return str(found[0]["id"])


def expect(answer: httpx.Response, doing: str) -> dict[str, Any]:
    """The body of an answer that should be a success. Raises ``Refused``, with the server's own words where it has some."""
    if not answer.is_success:
        raise Refused(f"{doing} failed: {reason(answer)}")
    try:
        body: dict[str, Any] = answer.json()
    except ValueError as mistake:
        raise Refused(f"{doing} failed: what answers at {answer.url} is no Spectral server") from mistake
    return body


def address_of(error: httpx.HTTPError) -> str:
    """Whom the request was for, as far as that is known."""
    try:
        url = error.request.url
    except RuntimeError:
        return "the server"
    return f"{url.scheme}://{url.netloc.decode()}"


def reason(answer: httpx.Response) -> str:
    """Why an answer is not what was hoped for, in its own words where it has some."""
    try:
        problem = answer.json()
        mistakes = [f"{'.'.join(map(str, each['location']))}: {each['message']}" for each in problem.get("errors", ())]
        return f"{answer.status_code}, " + " ".join([problem["detail"], *mistakes])
    except (ValueError, KeyError, TypeError, AttributeError):
        return str(answer.status_code)
