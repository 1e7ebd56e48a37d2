"""Any endpoint that speaks OpenAI's chat completions, through OpenAI's own client with its retries turned off."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast

from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI, omit
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from spectral_platform.llm.errors import RequestNotUnderstood
from spectral_platform.llm.messages import Message, ModelAnswer, ModelRequest, Role, ToolCall, storable
from spectral_platform.llm.providers.chat_completions import read_completion
from spectral_platform.llm.providers.comparing import cosine
from spectral_platform.llm.providers.connections import open_connections
from spectral_platform.llm.providers.ladder import Ladder, Rung, check_extra
from spectral_platform.llm.providers.refusals import refusal, unreachable, unreadable, within

WITHOUT_KEY = "none"
RESERVED = frozenset({"model", "messages", "max_tokens", "max_completion_tokens", "n", "best_of", "stream", "stream_options"})
STRICT_KEYWORDS = (
    {"$defs", "$ref", "additionalProperties", "anyOf", "const", "description", "enum", "exclusiveMaximum"}
    | {"exclusiveMinimum", "format", "items", "maxItems", "maximum", "minItems", "minimum", "multipleOf", "pattern", "properties"}
    | {"required", "title", "type"}
)
"""What a schema may say that answers are held to strictly."""
TYPING_KEYWORDS = {"$ref", "anyOf", "const", "enum", "type"}
"""Of these it must say one."""
NEWER_LIMIT = "max_completion_tokens"
"""How reasoning models want the limit of their output to be called; they refuse the older name."""


class OpenAICompatibleProvider:
    """One endpoint. What each of its models takes is remembered."""

    name = "openai"
    is_simulated = False

    def __init__(self, *, base_url: str | None, api_key: str | None, timeout_s: float) -> None:
        self._api_key = api_key or WITHOUT_KEY
        self._client = AsyncOpenAI(
            base_url=base_url,
            api_key=self._api_key,
            timeout=timeout_s,
            max_retries=0,
            http_client=open_connections(timeout_s),
        )
        self._timeout_s = timeout_s
        self._ladder = Ladder()
        self._takes_newer_limit: set[str] = set()

    async def __aenter__(self) -> Self:
        """Use the provider's connections until the block ends."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._client.close()

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Ask once. Raises ``ProviderUnavailable`` (worth a retry), ``ProviderRejected`` (not) or ``ProviderDenied``."""
        if request.compares:
            return await self._compare(request)
        check_extra(request, RESERVED)
        return await self._ladder.climb(request, self._ask)

    async def _ask(self, request: ModelRequest, rung: Rung) -> ModelAnswer:
        is_newer = request.model in self._takes_newer_limit
        try:
            return await self._send(request, rung, is_newer=is_newer)
        except RequestNotUnderstood as error:
            if NEWER_LIMIT not in error.detail or is_newer:
                raise
            self._takes_newer_limit.add(request.model)
            return await self._send(request, rung, is_newer=True)

    async def _send(self, request: ModelRequest, rung: Rung, *, is_newer: bool) -> ModelAnswer:
        started = time.perf_counter()
        async with within(self._timeout_s):
            with _named_errors(self._api_key):
                response = await self._client.chat.completions.with_raw_response.create(  # type: ignore[misc]  # more overloads than mypy tries
                    model=request.model,
                    messages=[_turn(message) for message in request.messages],
                    max_tokens=omit if is_newer else request.max_output_tokens,
                    max_completion_tokens=request.max_output_tokens if is_newer else omit,
                    temperature=omit if request.temperature is None else request.temperature,
                    top_p=omit if request.top_p is None else request.top_p,
                    seed=omit if request.seed is None else request.seed,
                    stop=list(request.stop) or omit,
                    response_format=_response_format(request, rung),
                    tools=list(request.tools) or omit,  # type: ignore[arg-type]  # they are the workspace's, as the endpoint takes them
                    extra_body=request.extra or None,
                )
        completion = read_completion(response.text, api_key=self._api_key)
        try:
            return _answer(request, completion, latency_ms=round((time.perf_counter() - started) * 1000))
        except (AttributeError, TypeError, ValueError) as error:  # it is what was sent, of whatever shape
            raise unreadable("answer could not be read") from error

    async def _compare(self, request: ModelRequest) -> ModelAnswer:
        """The cosine of the embeddings of the request's two messages, as text: vectors would fill the cache for nothing."""
        started = time.perf_counter()
        texts = [message.content for message in request.messages]
        async with within(self._timeout_s):
            with _named_errors(self._api_key):
                embedded = await self._client.embeddings.create(model=request.model, input=texts, encoding_format="float")
        latency_ms = round((time.perf_counter() - started) * 1000)
        try:
            one, other = (item.embedding for item in embedded.data)
            tokens = embedded.usage.prompt_tokens if embedded.usage else -(-sum(len(text.encode()) for text in texts) // 4)
            return ModelAnswer(text=cosine(one, other), input_tokens=tokens, output_tokens=0, latency_ms=latency_ms)
        except (AttributeError, TypeError, ValueError) as error:
            raise unreadable("embeddings could not be read") from error


@contextmanager
def _named_errors(api_key: str) -> Iterator[None]:
    """Raise what the client raises under our own names, and without the key, which some gateways quote."""
    try:
        yield
    except APIConnectionError as error:
        raise unreachable(error) from error
    except APIStatusError as error:
        raise refusal(
            error.status_code, f"{error.message} {error.code or ''}".strip(), error.response.headers, api_key=api_key
        ) from error
    except (APIError, ValueError) as error:
        raise unreadable("answer could not be read") from error


def _turn(message: Message) -> ChatCompletionMessageParam:
    turn: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.role is Role.TOOL:
        turn["tool_call_id"] = message.tool_calls[0].id
    elif message.tool_calls:
        functions = [(call.id, {"name": call.name, "arguments": call.arguments_text}) for call in message.tool_calls]
        turn["tool_calls"] = [{"id": id, "type": "function", "function": function} for id, function in functions]
        turn["content"] = message.content or None
    return cast(ChatCompletionMessageParam, turn)


def _answer(request: ModelRequest, completion: ChatCompletion, *, latency_ms: int) -> ModelAnswer:
    choice = completion.choices[0]
    refused = getattr(choice.message, "refusal", None)
    text = storable(choice.message.content or refused or "")
    called = (getattr(call, "function", None) for call in choice.message.tool_calls or ())
    tool_calls = tuple(ToolCall.read(function.name, function.arguments) for function in called if function is not None)
    finish_reason = getattr(choice, "finish_reason", None) or "stop"  # some local servers leave it out
    if refused:
        finish_reason = "content_filter"
    usage = completion.usage
    if usage is None:  # some local servers do not count; a quarter of the bytes is the usual rule of thumb
        asked = sum(message.size for message in request.messages)
        return ModelAnswer(
            text=text,
            tool_calls=tool_calls,
            input_tokens=-(-asked // 4),
            output_tokens=-(-len(text.encode()) // 4),
            latency_ms=latency_ms,
            finish_reason=finish_reason,
        )
    prompt, completed = usage.prompt_tokens_details, usage.completion_tokens_details
    # Endpoints of Google's and xAI's models count what these think in the total alone; it is billed as output.
    output_tokens = max(usage.completion_tokens, (getattr(usage, "total_tokens", None) or 0) - usage.prompt_tokens)
    return ModelAnswer(
        text=text,
        tool_calls=tool_calls,
        input_tokens=usage.prompt_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=(prompt.cached_tokens if prompt else None) or 0,
        reasoning_tokens=(completed.reasoning_tokens if completed else None) or 0,
        latency_ms=latency_ms,
        finish_reason=finish_reason,
    )


def _response_format(request: ModelRequest, rung: Rung) -> Any:
    if request.json_schema is None or rung is Rung.PLAIN:
        return omit
    if rung is Rung.JSON_OBJECT:
        return {"type": "json_object"}
    schema = {"name": "answer", "schema": request.json_schema, "strict": is_strict(request.json_schema)}
    return {"type": "json_schema", "json_schema": schema}


def is_strict(schema: Any) -> bool:
    """Whether a schema is one that OpenAI can hold every answer to; asked to do so by any other, it refuses the request.

    An answer is an object. Each object lists all that it may have, and requires just that; each array says of what, and every
    value its type: https://platform.openai.com/docs/guides/structured-outputs
    """
    return isinstance(schema, dict) and schema.get("type") == "object" and "anyOf" not in schema and _is_closed(schema)


def _is_closed(schema: Any) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= STRICT_KEYWORDS or schema.keys().isdisjoint(TYPING_KEYWORDS):
        return False
    properties, definitions = schema.get("properties", {}), schema.get("$defs", {})
    required, choices = schema.get("required", []), schema.get("anyOf", [])
    if not all(isinstance(part, dict) for part in (properties, definitions)):
        return False  # nobody has checked what a config asks for
    if not all(isinstance(part, list) for part in (required, choices)):
        return False
    types = schema.get("type")
    types = types if isinstance(types, list) else [types]
    is_object = "properties" in schema or "object" in types
    if is_object and (schema.get("additionalProperties") is not False or sorted(map(str, required)) != sorted(properties)):
        return False
    if "array" in types and "items" not in schema:
        return False
    inner = [*properties.values(), *definitions.values(), *choices, *([schema["items"]] if "items" in schema else [])]
    return all(map(_is_closed, inner))
