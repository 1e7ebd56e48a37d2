"""What the tests of logging in through an identity provider share."""

import asyncio
from typing import Any

import httpx

from spectral_platform.core.settings import OAuthClient, Settings
from tests.fixtures.identity import CLIENT_ID, CLIENT_SECRET, Gateway

OAUTH, CALLBACK, ME = "/api/v1/auth/oauth/acme", "/api/v1/auth/callback", "/api/v1/auth/me"


def with_providers(settings: Settings, acme: Gateway, other: Gateway) -> Settings:
    """The settings of a server that is a client of two issuers."""
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    configured = {
        "acme": OAuthClient.model_validate({"issuer": acme.url, **client}),
        "other": OAuthClient.model_validate({"issuer": other.url, **client}),
    }
    return settings.model_copy(update={"oauth": configured, "public_url": "https://spectral.example"})


async def begin(client: httpx.AsyncClient, path: str = OAUTH, **query: str) -> dict[str, str]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    begun: dict[str, str] = answer.json()
    return begun


async def come_back(client: httpx.AsyncClient, gateway: Gateway, subject: str, **query: str) -> httpx.Response:
    """Go all the way: begin, log in at the provider, come back."""
    begun = await begin(client, **query)
    sent = await asyncio.to_thread(gateway.log_in, begun["authorize_url"], subject)
    assert sent["state"] == begun["state"]
    return await client.post(CALLBACK, json={"provider": "acme", "code": sent["code"], "state": sent["state"]})


async def profile(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """Who an answer logs in."""
    assert answer.status_code == 200, answer.text
    own = await client.get(ME, headers={"Authorization": f"Bearer {answer.json()['access_token']}"})
    told: dict[str, Any] = own.json()
    return told


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 401 and answer.json()["type"].endswith("/invalid-credentials")
