"""Endpoints of customers' own agents: one documented request, one documented answer, and nothing that they could reach inside.

Failures are told apart by whose they are. What says nothing about the agent (no connection, an overloaded gateway, a refused key)
is no answer at all; what the agent made of the request (a crash, silence, an answer that is none) is the agent's own failure.
"""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from importlib.metadata import version
from typing import Any, Self
from uuid import UUID

import httpcore
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spectral_platform.core.crypto import content_digest
from spectral_platform.core.outbound import Answer, Outbound, OutboundFailed, OutboundRefused, OutboundTimedOut
from spectral_platform.llm.errors import ProviderDenied, ProviderRejected, ProviderUnavailable
from spectral_platform.llm.messages import MOST_TOKENS, EndpointCall, ModelAnswer, ModelRequest, ToolCall
from spectral_platform.llm.providers.refusals import retry_after

PROTOCOL = "1"
USER_AGENT = f"Spectral/{version('spectral-api')} (replay)"
MOST_ANSWER_BYTES = 1_000_000
MOST_USD = 1_000_000
MOST_TOOL_CALLS = 1_000
CALL_ID_LENGTH = 32
RETRYABLE = {425, 429, 502, 503}
THROTTLING = {429, 503}
TEXT = {"text/plain", "text/markdown"}
DENIED = {401, 402, 403, 404, 405, 407, 410, 421, 501}


class Usage(BaseModel):
    """What an answer took, as far as the endpoint says."""

    model_config = ConfigDict(strict=True)

    input_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)
    output_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)
    cached_input_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)
    reasoning_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)


class CalledTool(BaseModel):
    """A tool that the agent called on its way to the output."""

    name: str = Field(min_length=1, max_length=200)
    arguments: dict[str, Any] | str | None = None


class EndpointAnswer(BaseModel):
    """The JSON object that an endpoint answers; members that it has besides are its own."""

    output: Any = None
    error: Any = None
    tool_calls: list[CalledTool] = Field(default=[], max_length=MOST_TOOL_CALLS)
    usage: Usage | None = None
    cost_usd: Decimal | None = Field(default=None, ge=0, le=MOST_USD)


class EndpointProvider:
    """Calls the endpoints of one scan's agents, each with its secret headers and at most so often at once as it bears."""

    name = "customer"
    is_simulated = False

    def __init__(
        self, outbound: Outbound, *, scan_id: UUID | None, headers: Mapping[UUID, Mapping[str, str]], timeout_s: float
    ) -> None:
        self._outbound = outbound
        self._scan_id = scan_id
        self._headers = headers
        self._timeout_s = timeout_s
        self._connections: httpcore.AsyncConnectionPool = outbound.connections()
        self._slots: dict[tuple[str, int], asyncio.Semaphore] = {}

    async def __aenter__(self) -> Self:
        """Keep connections until the block ends."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections; where none was made, closing would only load what it takes to do so."""
        if self._connections.connections:
            await self._connections.aclose()

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Run the agent once. Raises ``ProviderUnavailable`` (worth a retry), ``ProviderDenied`` or ``ProviderRejected``."""
        call = request.endpoint
        assert call is not None
        if call.max_concurrency is None:
            return await self._call(request, call)
        async with self._slots.setdefault((call.url, call.max_concurrency), asyncio.Semaphore(call.max_concurrency)):
            return await self._call(request, call)

    async def _call(self, request: ModelRequest, call: EndpointCall) -> ModelAnswer:
        try:
            answer = await self._outbound.call_on(
                self._connections,
                "POST",
                call.url,
                headers=self._headers_of(request, call),
                content=orjson.dumps(call.body),
                total_s=call.timeout_ms / 1000 if call.timeout_ms else self._timeout_s,
                most_bytes=MOST_ANSWER_BYTES,
            )
        except OutboundTimedOut as error:
            raise ProviderRejected("The endpoint did not answer in time.") from error
        except OutboundFailed as error:
            raise ProviderUnavailable(f"The endpoint cannot be reached. {error.detail}") from error
        except OutboundRefused as error:
            raise ProviderDenied(f"The endpoint may not be called. {error.detail}") from error
        return read_answer(answer)

    def _headers_of(self, request: ModelRequest, call: EndpointCall) -> dict[str, str]:
        secret = self._headers[call.headers_id] if call.headers_id is not None else {}
        scan = {"Spectral-Scan-Id": str(self._scan_id)} if self._scan_id is not None else {}
        return {
            "Content-Type": "application/json",
            "Accept": "application/json, text/plain",
            "User-Agent": USER_AGENT,
            "Spectral-Replay": PROTOCOL,
            "Spectral-Call-Id": content_digest(str(self._scan_id), request.model_dump_json())[:CALL_ID_LENGTH],
            **scan,
            **secret,
        }


def read_answer(answer: Answer) -> ModelAnswer:
    """What the endpoint said. Raises ``ProviderUnavailable``, ``ProviderDenied`` or ``ProviderRejected``, as the case may be."""
    if answer.status in RETRYABLE:
        raise ProviderUnavailable(
            f"The endpoint answered {answer.status}.",
            retry_after_s=retry_after(answer.headers),
            is_throttled=answer.status in THROTTLING,
        )
    if answer.status in DENIED or 300 <= answer.status < 400:
        raise ProviderDenied(f"The endpoint answered {answer.status}.")
    if not 200 <= answer.status < 300:
        raise ProviderRejected(f"The endpoint answered {answer.status}.")
    if not answer.is_whole:
        raise ProviderRejected(f"The endpoint's answer is longer than {MOST_ANSWER_BYTES} bytes.")
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in TEXT:
        return ModelAnswer(
            text=answer.body.decode(errors="replace"), input_tokens=0, output_tokens=0, latency_ms=answer.latency_ms
        )
    try:
        document = orjson.loads(answer.body)
        orjson.dumps(document)  # what is nested too deeply to be written again could not be stored either
        said = EndpointAnswer.model_validate(document)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, ValidationError) as error:
        raise ProviderRejected("The endpoint's answer is neither the JSON object that is asked for nor text.") from error
    if said.error is not None:
        raise ProviderRejected("The endpoint answered with an error.")
    usage = said.usage or Usage()
    return ModelAnswer(
        text=_as_text(said.output),
        tool_calls=tuple(ToolCall.read(tool.name, tool.arguments) for tool in said.tool_calls),
        **usage.model_dump(),
        latency_ms=answer.latency_ms,
        cost_usd=said.cost_usd,
    )


def _as_text(output: Any) -> str:
    """The output as evaluators read it: text as it is, anything else as JSON."""
    if output is None:
        return ""
    return output if isinstance(output, str) else orjson.dumps(output).decode()
