"""The HTTP connections of the providers' client libraries: many at once, no answer larger than any model's, no redirects.

A redirect may lead to another host, and the headers in which some libraries send their key would go there too.
"""

from collections.abc import AsyncIterator

import httpx2
from openai import DefaultAioHttpClient

MOST_ANSWER_BYTES = 20_000_000
MOST_CONNECTIONS = 1_000


class AnswerTooLarge(httpx2.TransportError):
    """An answer goes on beyond what a model says."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for chunk in self._stream:
            received += len(chunk)
            if received > MOST_ANSWER_BYTES:
                raise AnswerTooLarge(f"The answer is longer than {MOST_ANSWER_BYTES} bytes.")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _bound(response: httpx2.Response) -> None:
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Bounded(response.stream)


def open_connections(timeout_s: float) -> httpx2.AsyncClient:
    """A client on aiohttp, which carries several times the calls of the plain one."""
    return DefaultAioHttpClient(
        timeout=timeout_s,
        follow_redirects=False,
        limits=httpx2.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_CONNECTIONS),
        event_hooks={"response": [_bound]},
    )
