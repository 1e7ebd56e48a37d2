"""What a provider's error answer means, told by its HTTP status: worth another attempt, refused, or denied altogether."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from spectral_platform.core import clock
from spectral_platform.llm.errors import ProviderDenied, ProviderRejected, ProviderUnavailable, RequestNotUnderstood
from spectral_platform.llm.messages import storable

WORTH_ANOTHER_ATTEMPT = {408, 409, 425, 429, 498, 499}
THROTTLING = {429, 503, 529}
DENIED = {401, 402, 403, 404}
NOT_UNDERSTOOD = {400, 422}
OUT_OF_CREDIT = ("insufficient_quota", "billing_error", "credit balance is too low")
KEY_UNKNOWN = ("api_key_invalid", "api key not valid")
"""What providers say with a status that would mean something milder."""
NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL)
LONGEST_QUOTE = 300
SHORTEST_SECRET = 8
"""Servers that ask for no key are given one such as ``none`` or ``EMPTY``, which is a word like any other."""


def refusal(status: int, said: str, headers: Mapping[str, str], *, api_key: str = "") -> ProviderUnavailable | ProviderRejected:
    """The error that an answer of this status stands for.

    The key is left out of it: tenants read what a provider said, and some gateways quote the key that they refuse.
    """
    if 300 <= status < 400:
        return ProviderDenied(f"The provider answered {status}, a redirect; the address it leads to has to be configured itself.")
    if status < 400:
        return unreadable(f"answer of status {status} holds nothing")
    if len(api_key) >= SHORTEST_SECRET:
        said = said.replace(api_key, "[key]")
    told = f"The provider answered {status}: {storable(said)[:LONGEST_QUOTE]}"
    if status == 401 or any(words in said.lower() for words in KEY_UNKNOWN):  # 403 may be about this one request
        return ProviderDenied(told, is_of_key=True)
    if any(words in said.lower() for words in OUT_OF_CREDIT):
        return ProviderDenied(told)
    if status in WORTH_ANOTHER_ATTEMPT or status >= 500:
        return ProviderUnavailable(told, retry_after_s=retry_after(headers), is_throttled=status in THROTTLING)
    if status in DENIED:
        return ProviderDenied(told)
    return RequestNotUnderstood(told) if status in NOT_UNDERSTOOD else ProviderRejected(told)


def unreadable(what: str) -> ProviderUnavailable:
    """The error for an answer that arrived and says nothing; the provider counts its tokens all the same."""
    return ProviderUnavailable(f"The provider's {what}.", is_charged=True)


def unreachable(error: Exception) -> ProviderUnavailable:
    """The error for a connection that failed; what failed after the request had left may have been worked on."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    named = next((cause for cause in reversed(causes) if isinstance(cause, OSError)), causes[-1])
    is_charged = not any(isinstance(cause, NOT_SENT) for cause in causes)
    return ProviderUnavailable(f"The provider cannot be reached: {type(named).__name__}.", is_charged=is_charged)


@asynccontextmanager
async def within(timeout_s: float) -> AsyncIterator[None]:
    """Give up after so many seconds in all, however busily the provider trickles."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise ProviderUnavailable(f"The provider did not answer within {timeout_s:g} s.", is_charged=True) from error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait, by RFC 9110 section 10.2.3 or in milliseconds; None = it does not say."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            asked = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        return None if math.isnan(asked) else max(0.0, asked)
    said = headers.get("retry-after", "")
    try:
        moment: datetime = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - clock.now()).total_seconds())
