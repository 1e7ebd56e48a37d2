"""Speaking with identity providers: discovery, the authorization URL, and the exchange of a code for what it proves.

OpenID Connect Core 1.0 and Discovery 1.0, with PKCE (RFC 7636). Nothing here touches the database, and nothing that a provider
says is believed before its signature, issuer, audience, time and nonce were checked. Providers are the operator's word, so their
URLs are called directly; redirects are not followed.
"""

import time
from typing import Any

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from spectral_platform.auth.oauth.errors import AuthorizationRefused, ProviderUnavailable
from spectral_platform.auth.oauth.providers import Claims, Provider, Transaction

TIMEOUT = httpx.Timeout(10.0)
LEEWAY_S = 60
KEPT_S = 300.0
SIGNATURES = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
"""Asymmetric ones only: with a shared secret, who knows the client's secret could sign."""
Document = dict[str, Any]

_discovered: dict[str, tuple[float, Document]] = {}


async def authorize_url(provider: Provider, transaction: Transaction, *, state: str) -> str:
    """Where the person goes to log in."""
    options = {
        "redirect_uri": provider.redirect_uri,
        "state": state,
        "code_challenge": create_s256_code_challenge(transaction.verifier),  # type: ignore[no-untyped-call]  # the stubs leave it open
        "code_challenge_method": "S256",
    }
    if not provider.speaks_openid:
        endpoint = f"{provider.issuer}/login/oauth/authorize"
        return str(prepare_grant_uri(endpoint, provider.client.client_id, "code", scope="read:user user:email", **options))
    endpoint = (await _discover(provider))["authorization_endpoint"]
    options |= {"scope": "openid email profile", "nonce": transaction.nonce}
    return str(prepare_grant_uri(endpoint, provider.client.client_id, "code", **options))


async def redeem(provider: Provider, transaction: Transaction, *, code: str) -> Claims:
    """Exchange a code for what it proves. Raises ``AuthorizationRefused`` or ``ProviderUnavailable``."""
    if not provider.speaks_openid:
        return await _redeem_at_github(provider, transaction, code)
    configuration = await _discover(provider)
    answer = await _token(provider, configuration["token_endpoint"], transaction, code)
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise AuthorizationRefused
    keys = await _get(configuration["jwks_uri"])
    claims = _verified(provider, transaction, token, keys, access_token=answer.get("access_token"))
    if "email" not in claims and "userinfo_endpoint" in configuration and isinstance(answer.get("access_token"), str):
        told = await _get(configuration["userinfo_endpoint"], bearer=answer["access_token"])
        if told.get("sub") == claims["sub"]:  # OpenID Connect Core 1.0, 5.3.2
            claims = {**told, **claims}
    email = claims.get("email") if claims.get("email_verified") is True else None
    return Claims(provider.issuer, str(claims["sub"]), _text(email), _text(claims.get("name")))


def _verified(provider: Provider, transaction: Transaction, token: str, keys: Document, *, access_token: str | None) -> Document:
    """The claims of an ID token, checked as OpenID Connect Core 1.0, 3.1.3.7 says."""
    client_id = provider.client.client_id
    try:
        signed = jwt.decode(token, KeySet.import_key_set(keys), algorithms=SIGNATURES)  # type: ignore[arg-type]  # a document
        CodeIDToken(
            signed.claims,
            signed.header,
            {"iss": {"essential": True, "value": provider.issuer}, "aud": {"essential": True, "value": client_id}},
            {"nonce": transaction.nonce, "client_id": client_id, "access_token": access_token},
        ).validate(leeway=LEEWAY_S)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise AuthorizationRefused from error
    return dict(signed.claims)


async def _redeem_at_github(provider: Provider, transaction: Transaction, code: str) -> Claims:
    base = provider.issuer
    api = "https://api.github.com" if base == "https://github.com" else f"{base}/api/v3"
    answer = await _token(provider, f"{base}/login/oauth/access_token", transaction, code)
    token = answer.get("access_token")
    if not isinstance(token, str):
        raise AuthorizationRefused
    person = await _get(f"{api}/user", bearer=token)
    addresses = _json(await _fetch(f"{api}/user/emails", token))
    if (
        not isinstance(addresses, list)
        or not all(isinstance(each, dict) for each in addresses)
        or not isinstance(person.get("id"), int)
    ):
        raise ProviderUnavailable("it tells nothing about the person")
    vouched = (each.get("email") for each in addresses if each.get("primary") is True and each.get("verified") is True)
    return Claims(base, str(person["id"]), _text(next(vouched, None)), _text(person.get("name") or person.get("login")))


async def _discover(provider: Provider) -> Document:
    """The provider's own description, which must be of the issuer that was asked for (OpenID Connect Discovery 1.0, 4.3)."""
    kept_until, configuration = _discovered.get(provider.issuer, (0.0, {}))
    if kept_until < time.monotonic():
        configuration = await _get(provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
        needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if configuration.get("issuer") != provider.issuer or not all(isinstance(configuration.get(n), str) for n in needed):
            raise ProviderUnavailable("its discovery document is of another issuer, or incomplete")
        _discovered[provider.issuer] = (time.monotonic() + KEPT_S, configuration)
    return configuration


async def _token(provider: Provider, endpoint: str, transaction: Transaction, code: str) -> Document:
    """What the token endpoint gives for a code; the verifier proves that it is ours."""
    secret = provider.client.client_secret
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": provider.redirect_uri,
        "client_id": provider.client.client_id,
        "code_verifier": transaction.verifier,
    }
    if secret is not None:
        form["client_secret"] = secret.get_secret_value()
    answer = await _call("POST", endpoint, data=form)
    if answer.is_client_error:
        raise AuthorizationRefused
    return _document(answer)


async def _get(url: str, *, bearer: str | None = None) -> Document:
    return _document(await _fetch(url, bearer))


async def _fetch(url: str, bearer: str | None) -> httpx.Response:
    return await _call("GET", url, headers={} if bearer is None else {"Authorization": f"Bearer {bearer}"})


async def _call(
    method: str, url: str, *, headers: dict[str, str] | None = None, data: dict[str, str] | None = None
) -> httpx.Response:
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as client:
            return await client.request(method, url, headers={"Accept": "application/json", **(headers or {})}, data=data)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderUnavailable(type(error).__name__) from None


def _document(answer: httpx.Response) -> Document:
    told = _json(answer)
    if not isinstance(told, dict):
        raise ProviderUnavailable("no JSON object")
    return told


def _json(answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise ProviderUnavailable(f"status {answer.status_code}")
    try:
        return answer.json()
    except ValueError:
        raise ProviderUnavailable("no JSON") from None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
