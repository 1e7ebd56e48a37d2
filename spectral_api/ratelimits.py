"""Rate limits of every route, and the headers that tell of them (draft-ietf-httpapi-ratelimit-headers-10)."""

from collections.abc import Mapping
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from fastapi import Request

from spectral_api.problems import MEDIA_TYPE, problems
from spectral_platform.core.access import Caller
from spectral_platform.ratelimits.errors import TooManyRequests
from spectral_platform.ratelimits.limiter import Limiter, Policy, Standing

INGESTION = {"create_traces", "export_traces"}
UNLIMITED = {
    "get_health": "Whoever watches over the server asks it all the time.",
    "get_public_keys": "Whoever verifies tokens fetches it at will; it costs nothing.",
}
"""Public endpoints without a limit, with the reason."""
HEADERS: dict[str, dict[str, Any]] = {
    "RateLimit-Policy": {
        "description": "How many requests (`q`) a window of so many seconds (`w`) takes.",
        "schema": {"type": "string", "examples": ['"default";q=6000;w=60']},
    },
    "RateLimit": {
        "description": "How many requests remain (`r`) and in how many seconds the window ends (`t`).",
        "schema": {"type": "string", "examples": ['"default";r=5999;t=42']},
    },
}


async def limit_caller(request: Request, caller: Caller) -> None:
    """Count a request of a known caller. Raises ``TooManyRequests``."""
    settings = request.app.state.settings
    if getattr(request.scope.get("route"), "name", None) in INGESTION:
        policy = Policy("ingestion", settings.ingestion_requests_per_minute)
    else:
        policy = Policy("default", settings.requests_per_minute)
    await _count(request, policy, f"{caller.account_id} {caller.kind} {caller.id}")


async def limit_address(request: Request) -> None:
    """Count a request whose sender is not known, by the address it comes from. Raises ``TooManyRequests``."""
    if getattr(request.scope.get("route"), "name", None) not in UNLIMITED:
        policy = Policy("public", request.app.state.settings.public_requests_per_minute)
        await _count(request, policy, origin(request.client.host if request.client else ""))


def origin(host: str) -> str:
    """Whom an address stands for: who has one of IPv6 has at least a network of 64 bits (RFC 6177), and all addresses in it."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False))


async def _count(request: Request, policy: Policy, whom: str) -> None:
    if policy.quota == 0:
        return
    limiter: Limiter = request.app.state.limiter
    standing = await limiter.count(policy, whom)
    request.state.rate_standing = standing
    if not standing.is_allowed:
        raise TooManyRequests(quota=policy.quota, window_s=policy.window_s, retry_after_s=standing.resets_in_s)


def rate_headers(state: Mapping[str, Any]) -> dict[str, str]:
    """The headers that tell of the limit that a request was counted against, if it was; from the state of its scope."""
    standing: Standing | None = state.get("rate_standing")
    if standing is None:
        return {}
    policy = standing.policy
    return {
        "RateLimit-Policy": f'"{policy.name}";q={policy.quota};w={policy.window_s}',
        "RateLimit": f'"{policy.name}";r={standing.remaining};t={standing.resets_in_s}',
    }


def document_limit(operation: dict[str, Any]) -> None:
    """Say in the OpenAPI document of an endpoint that it is limited, and what its answers tell of that."""
    if operation["operationId"] in UNLIMITED:
        return
    refusal = problems(TooManyRequests, validation=False)[429]
    tells_problems = any(MEDIA_TYPE in response.get("content", {}) for response in operation["responses"].values())
    content = {"content": refusal["content"]} if tells_problems else {}
    operation["responses"].setdefault("429", {"description": refusal["description"], **content})
    for status, response in operation["responses"].items():
        if status != "401":
            response.setdefault("headers", {}).update(HEADERS)
