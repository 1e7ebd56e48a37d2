"""Logging in through GitHub, which is no OpenID provider, against a local server that answers as its documentation says."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit
from uuid import uuid4

import httpx
import pytest
import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from spectral_platform.core.settings import OAuthClient, Settings

OAUTH, CALLBACK = "/api/v1/auth/oauth/github", "/api/v1/auth/callback"


class GitHub:
    """A GitHub Enterprise server with one person."""

    def __init__(self) -> None:
        self.url = ""
        self.challenge = ""
        self.addresses: Any = []
        self.number = uuid4().int % 10**9

    async def token(self, request: Request) -> Response:
        """Exchange a code; like the real one it answers 200 for errors too."""
        form = dict(parse_qsl((await request.body()).decode()))
        proven = create_s256_code_challenge(form["code_verifier"]) == self.challenge  # type: ignore[no-untyped-call]  # the stubs leave it open
        is_fine = proven and form["code"] == "good" and form["client_secret"] == "secret"
        return JSONResponse({"access_token": "gho_x", "token_type": "bearer"} if is_fine else {"error": "bad_verification_code"})

    async def user(self, request: Request) -> Response:
        """Who the token belongs to; the address here is what the person shows, and proves nothing."""
        if request.headers["authorization"] != "Bearer gho_x":
            return Response(status_code=401)
        return JSONResponse({"id": self.number, "login": "octo", "name": None, "email": "shown@example.com"})

    async def emails(self, request: Request) -> Response:
        """The person's addresses."""
        return Response(json.dumps(self.addresses), media_type="application/json")


@pytest.fixture
def github() -> Iterator[GitHub]:
    """The server, on a port of its own."""
    played = GitHub()
    routes = [
        Route("/login/oauth/access_token", played.token, methods=["POST"]),
        Route("/api/v3/user", played.user),
        Route("/api/v3/user/emails", played.emails),
    ]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off"))
    listener = socket.create_server(("127.0.0.1", 0))
    played.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    yield played
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def settings(settings: Settings, github: GitHub) -> Settings:
    client = OAuthClient.model_validate({"issuer": github.url, "client_id": "spectral", "client_secret": "secret"})
    return settings.model_copy(update={"oauth": {"github": client}, "public_url": "https://spectral.example"})


async def come_back(client: httpx.AsyncClient, github: GitHub, code: str = "good") -> httpx.Response:
    """Begin a login and come back with a code."""
    begun = (await client.get(OAUTH)).json()
    url = urlsplit(begun["authorize_url"])
    assert url.path == "/login/oauth/authorize"
    github.challenge = parse_qs(url.query)["code_challenge"][0]
    return await client.post(CALLBACK, json={"provider": "github", "code": code, "state": begun["state"]})


def address(email: str, **changes: bool) -> dict[str, Any]:
    return {"email": email, "primary": True, "verified": True, "visibility": None, **changes}


async def test_the_primary_verified_address_counts(client: httpx.AsyncClient, github: GitHub) -> None:
    email = f"{uuid4().hex}@example.com"
    github.addresses = [address("second@example.com", primary=False), address(email)]

    tokens = (await come_back(client, github)).json()
    told = (await client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})).json()

    assert (told["email"], told["account"]["name"]) == (email, "octo")


async def test_the_number_counts_once_it_is_known(client: httpx.AsyncClient, github: GitHub) -> None:
    github.addresses = [address(f"{uuid4().hex}@example.com")]
    first = (await come_back(client, github)).json()
    github.addresses = []

    assert (await come_back(client, github)).json()["user_id"] == first["user_id"]


@pytest.mark.parametrize("changes", [{"verified": False}, {"primary": False}], ids=str)
async def test_no_other_address_counts(changes: dict[str, bool], client: httpx.AsyncClient, github: GitHub) -> None:
    github.addresses = [address(f"{uuid4().hex}@example.com", **changes)]

    assert (await come_back(client, github)).status_code == 400


async def test_a_code_that_github_refuses_is_refused(client: httpx.AsyncClient, github: GitHub) -> None:
    assert (await come_back(client, github, code="bad")).status_code == 401


async def test_an_answer_that_makes_no_sense_is_an_outage(client: httpx.AsyncClient, github: GitHub) -> None:
    github.addresses = {"message": "Server Error"}

    assert (await come_back(client, github)).status_code == 503
