"""Anthropic's Messages API, through Anthropic's own client with its retries turned off."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Self, cast

import orjson
from anthropic import AnthropicError, APIConnectionError, APIStatusError, AsyncAnthropic, omit
from anthropic.types import Message as Said
from anthropic.types import MessageParam, ToolChoiceToolParam, ToolParam

from spectral_platform.llm.errors import ProviderRejected
from spectral_platform.llm.messages import Message, ModelAnswer, ModelRequest, Role, ToolCall, storable
from spectral_platform.llm.providers.connections import open_connections
from spectral_platform.llm.providers.ladder import Ladder, Rung, check_extra
from spectral_platform.llm.providers.refusals import refusal, unreachable, unreadable, within

PUBLIC_URL = "https://api.anthropic.com"
RESERVED = frozenset({"model", "messages", "system", "max_tokens", "stream"})
ANSWER_TOOL = "answer"
"""A tool whose arguments are the answer: how models give JSON that do not take a schema for their text."""
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class AnthropicProvider:
    """The models named ``anthropic/…``."""

    name = "anthropic"
    is_simulated = False

    def __init__(self, *, base_url: str | None, api_key: str, timeout_s: float) -> None:
        self._client = AsyncAnthropic(
            base_url=base_url or PUBLIC_URL,
            api_key=api_key,
            timeout=timeout_s,
            max_retries=0,
            http_client=open_connections(timeout_s),
        )
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._ladder = Ladder()

    async def __aenter__(self) -> Self:
        """Use the provider's connections until the block ends."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._client.close()

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Ask once. Raises ``ProviderUnavailable`` (worth a retry), ``ProviderRejected`` (not) or ``ProviderDenied``."""
        if request.compares:
            raise ProviderRejected("Anthropic embeds nothing; name another provider's model for embeddings.")
        check_extra(request, RESERVED)
        return await self._ladder.climb(request, self._ask)

    async def reach(self) -> None:
        """Ask for a list of models, which costs nothing. Raises as ``complete`` does."""
        async with within(self._timeout_s):
            with _named_errors(self._api_key):
                await self._client.models.list(limit=1)

    async def _ask(self, request: ModelRequest, rung: Rung) -> ModelAnswer:
        schema = request.json_schema
        answers_by_tool = schema is not None and rung is Rung.JSON_OBJECT and not request.tools
        answer_tool: ToolParam = {"name": ANSWER_TOOL, "description": "Give the answer.", "input_schema": schema or {}}
        tools = [answer_tool] if answers_by_tool else [_tool(tool) for tool in request.tools]
        choice: ToolChoiceToolParam = {"type": "tool", "name": ANSWER_TOOL}
        system = "\n\n".join(message.content for message in request.messages if message.role is Role.SYSTEM)
        started = time.perf_counter()
        async with within(self._timeout_s):
            with _named_errors(self._api_key):
                message = await self._client.messages.create(
                    model=request.model.removeprefix(f"{self.name}/"),
                    messages=list(_turns(request.messages)),
                    system=system or omit,
                    max_tokens=request.max_output_tokens,
                    stop_sequences=list(request.stop) or omit,
                    tools=tools or omit,
                    tool_choice=choice if answers_by_tool else omit,
                    extra_body=_besides(request, schema if rung is Rung.JSON_SCHEMA else None) or None,
                )
        try:
            return _answer(message, answers_by_tool=answers_by_tool, latency_ms=round((time.perf_counter() - started) * 1000))
        except (AttributeError, TypeError, ValueError) as error:  # the client passes on what it was sent, of whatever shape
            raise unreadable("answer could not be read") from error


def _turns(messages: Iterable[Message]) -> Iterator[MessageParam]:
    """The chat as this API wants it: what tools answered is one turn of the user's."""
    for role, turns in groupby(messages, key=lambda message: message.role):
        if role is Role.TOOL:
            yield cast(MessageParam, {"role": Role.USER.value, "content": [_result(message) for message in turns]})
        elif role is not Role.SYSTEM:
            for message in turns:
                yield cast(MessageParam, {"role": role.value, "content": _content(message)})


def _result(message: Message) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": message.tool_calls[0].id, "content": message.content}


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.tool_calls:
        return message.content
    said = [{"type": "text", "text": message.content}] if message.content.strip() else []
    return [*said, *(_use(call) for call in message.tool_calls)]


def _use(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if isinstance(call.arguments, dict) else {}
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments}


def _besides(request: ModelRequest, schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the client has no parameters for: chance (the API has no seed), and the config's own beside the form of the answer."""
    chance = {"temperature": request.temperature, "top_p": request.top_p}
    body = {name: value for name, value in chance.items() if value is not None} | request.extra
    if schema is not None:
        body["output_config"] = {**(body.get("output_config") or {}), "format": {"type": "json_schema", "schema": schema}}
    return body


@contextmanager
def _named_errors(api_key: str) -> Iterator[None]:
    """Raise what the client raises under our own names, and without the key, which some gateways quote."""
    try:
        yield
    except APIConnectionError as error:
        raise unreachable(error) from error
    except APIStatusError as error:
        raise refusal(error.status_code, str(error.message), error.response.headers, api_key=api_key) from error
    except (AnthropicError, ValueError, RecursionError) as error:
        raise unreadable("answer could not be read") from error


def _tool(tool: Mapping[str, Any]) -> ToolParam:
    """A tool as this API describes it; what is written in its own terms already goes as it is."""
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        return cast(ToolParam, tool)
    described = {"description": function["description"]} if function.get("description") else {}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return cast(ToolParam, {"name": function.get("name"), **described, "input_schema": schema})


def _answer(message: Any, *, answers_by_tool: bool, latency_ms: int) -> ModelAnswer:
    if not isinstance(message, Said) or not isinstance(message.content, list):
        raise unreadable("answer holds no message")
    texts = [block.text for block in message.content if block.type == "text"]
    called = [ToolCall.read(block.name, block.input) for block in message.content if block.type == "tool_use"]
    usage = message.usage
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    finish_reason = FINISH_REASONS.get(message.stop_reason or "end_turn", str(message.stop_reason))
    if answers_by_tool and called:
        texts = [orjson.dumps(called[0].arguments).decode()]
        called, finish_reason = [], "stop" if finish_reason == "tool_calls" else finish_reason
    return ModelAnswer(
        text=storable("".join(texts)),
        tool_calls=tuple(called),
        input_tokens=usage.input_tokens + read + written,
        output_tokens=usage.output_tokens,
        cached_input_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0,
        latency_ms=latency_ms,
        finish_reason=finish_reason,
    )
