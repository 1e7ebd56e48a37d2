"""ID tokens that prove nothing: not for this login, or not signed by the issuer."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from spectral_platform.auth.oauth import protocol
from spectral_platform.core.settings import Settings
from tests.auth.oauth import CALLBACK, OAUTH, begin, come_back, refused, with_providers
from tests.fixtures.identity import CLIENT_ID, CLIENT_SECRET, Claims, Gateway, Somebody


@pytest.fixture
def settings(settings: Settings, gateway: Gateway, other_gateway: Gateway) -> Settings:
    return with_providers(settings, gateway, other_gateway)


def changed(**changes: object) -> Callable[[Claims], Claims]:
    return lambda claims: {name: value for name, value in {**claims, **changes}.items() if value is not None}


async def test_an_unchanged_token_signed_by_the_issuers_key_is_believed(
    client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody
) -> None:
    gateway.claims = changed()

    assert (await come_back(client, gateway, somebody[0])).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": ["another-client", CLIENT_ID]},
        {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
        {"aud": None},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"iat": 4_000_000_000},
        {"nonce": "of another login"},
        {"nonce": None},
        {"sub": None},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_this_login_is_refused(
    changes: Claims, client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody
) -> None:
    gateway.claims = changed(**changes)

    assert refused(await come_back(client, gateway, somebody[0]))


def part(token: str, number: int) -> Any:
    """A part of a token, in the clear."""
    encoded = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))


def unsigned(token: str) -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    return f"{header}.{token.split('.')[1]}."


def signed_with_the_clients_secret(token: str) -> str:
    return jwt.encode({"alg": "HS256"}, part(token, 1), OctKey.import_key(CLIENT_SECRET))


def signed_by_somebody(token: str) -> str:
    return jwt.encode(part(token, 0), part(token, 1), RSAKey.generate_key(2048))


@pytest.mark.parametrize(
    "forge",
    [unsigned, signed_with_the_clients_secret, signed_by_somebody, lambda token: token[:-8] + "AAAAAAAA", lambda _: "x"],
    ids=["unsigned", "shared secret", "another key", "broken", "no token"],
)
async def test_a_token_that_the_issuer_did_not_sign_is_refused(
    forge: Callable[[str], str], client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody
) -> None:
    gateway.token = forge

    assert refused(await come_back(client, gateway, somebody[0]))


async def test_a_discovery_document_of_another_issuer_is_refused(client: httpx.AsyncClient, gateway: Gateway) -> None:
    gateway.documents["/.well-known/openid-configuration"] = changed(issuer="https://evil.example")

    assert (await client.get(OAUTH)).status_code == 503


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/oauth2/token", "/jwks"])
async def test_an_answer_of_another_shape_is_the_providers_fault(
    path: str, client: httpx.AsyncClient, gateway: Gateway, somebody: Somebody
) -> None:
    begun = await begin(client)
    sent = await asyncio.to_thread(gateway.log_in, begun["authorize_url"], somebody[0])
    protocol._discovered.clear()
    gateway.documents[path] = lambda document: [document]  # type: ignore[assignment,return-value]  # that is what is wrong

    answer = await client.post(CALLBACK, json={"provider": "acme", "code": sent["code"], "state": sent["state"]})

    assert answer.status_code == 503
