"""Any endpoint that speaks OpenAI's chat completions, through OpenAI's own client with its retries turned off."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Self

from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncOpenAI,
    BadRequestError,
    DefaultAioHttpClient,
    UnprocessableEntityError,
    omit,
)
from openai.types.chat import ChatCompletion

from spectral_platform.llm.errors import ProviderDenied, ProviderRejected, ProviderUnavailable
from spectral_platform.llm.messages import ModelAnswer, ModelRequest, ToolCall, storable

RETRYABLE = {408, 409, 425, 429}
DENIED = {401, 402, 403, 404}
REFUSALS = (BadRequestError, UnprocessableEntityError)
"""What an endpoint answers that does not know a form of structured output, among much else."""
WITHOUT_KEY = "none"


class Rung(IntEnum):
    """How structured output is asked for; an endpoint that refuses one rung is asked on the next."""

    JSON_SCHEMA = 0
    JSON_OBJECT = 1
    PLAIN = 2


class OpenAICompatibleProvider:
    """One endpoint. The rung of structured output that a model accepts is remembered."""

    name = "openai"
    is_simulated = False

    def __init__(self, *, base_url: str | None, api_key: str | None, timeout_s: float) -> None:
        self._client = AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or WITHOUT_KEY,
            timeout=timeout_s,
            max_retries=0,
            http_client=DefaultAioHttpClient(),
        )
        self._rungs: dict[str, Rung] = {}

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
        if request.json_schema is None:
            return await self._ask(request, Rung.PLAIN)
        first = self._rungs.get(request.model, Rung.JSON_SCHEMA)
        for rung in Rung:
            if rung < first:
                continue
            try:
                answer = await self._ask(request, rung)
            except REFUSALS as refusal:
                if rung is Rung.PLAIN:
                    raise ProviderRejected(_told(refusal)) from refusal
            else:
                self._rungs[request.model] = rung
                return answer
        raise AssertionError("the last rung answers or raises")

    async def _ask(self, request: ModelRequest, rung: Rung) -> ModelAnswer:
        started = time.perf_counter()
        with _named_errors(pass_on=() if rung is Rung.PLAIN else REFUSALS):
            completion = await self._client.chat.completions.create(
                model=request.model,
                messages=[{"role": m.role.value, "content": m.content} for m in request.messages],  # type: ignore[misc]  # a union of dicts by role
                max_tokens=request.max_output_tokens,
                temperature=omit if request.temperature is None else request.temperature,
                top_p=omit if request.top_p is None else request.top_p,
                seed=omit if request.seed is None else request.seed,
                stop=list(request.stop) or omit,
                response_format=_response_format(request, rung),
                tools=list(request.tools) or omit,  # type: ignore[arg-type]  # they are the workspace's, as the endpoint takes them
                extra_body=request.extra or None,
            )
        try:
            return _answer(request, completion, latency_ms=round((time.perf_counter() - started) * 1000))
        except (AttributeError, TypeError, ValueError) as error:  # the client passes on what it was sent, of whatever shape
            raise ProviderUnavailable("The provider's answer could not be read.") from error

    async def _compare(self, request: ModelRequest) -> ModelAnswer:
        """The cosine of the embeddings of the request's two messages, as text: vectors would fill the cache for nothing."""
        started = time.perf_counter()
        texts = [message.content for message in request.messages]
        with _named_errors():
            embedded = await self._client.embeddings.create(model=request.model, input=texts, encoding_format="float")
        try:
            one, other = (item.embedding for item in embedded.data)
            products = sum(a * b for a, b in zip(one, other, strict=True))
            cosine = products / (math.hypot(*one) * math.hypot(*other))
            tokens = embedded.usage.prompt_tokens if embedded.usage else -(-sum(len(text.encode()) for text in texts) // 4)
        except (AttributeError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ProviderUnavailable("The provider's embeddings could not be read.") from error
        if not math.isfinite(cosine):
            raise ProviderUnavailable("The provider's embeddings are no numbers.")
        latency_ms = round((time.perf_counter() - started) * 1000)
        return ModelAnswer(text=f"{cosine:.6f}", input_tokens=tokens, output_tokens=0, latency_ms=latency_ms)


@contextmanager
def _named_errors(pass_on: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise what the client raises under our own names, save what is passed on."""
    try:
        yield
    except pass_on:
        raise
    except APIConnectionError as error:
        raise ProviderUnavailable(f"The provider cannot be reached: {type(error).__name__}.") from error
    except APIStatusError as error:
        if error.status_code in RETRYABLE or error.status_code >= 500:
            raise ProviderUnavailable(_told(error), retry_after_s=_retry_after(error)) from error
        kind = ProviderDenied if error.status_code in DENIED else ProviderRejected
        raise kind(_told(error)) from error
    except (APIError, ValueError) as error:
        raise ProviderUnavailable("The provider's answer could not be read.") from error


def _answer(request: ModelRequest, completion: Any, *, latency_ms: int) -> ModelAnswer:
    if not isinstance(completion, ChatCompletion) or not completion.choices:
        raise ProviderUnavailable("The provider's answer holds no choice.")
    choice = completion.choices[0]
    text = storable(choice.message.content or "")
    called = (getattr(call, "function", None) for call in choice.message.tool_calls or ())
    tool_calls = tuple(ToolCall.read(function.name, function.arguments) for function in called if function is not None)
    finish_reason = getattr(choice, "finish_reason", None) or "stop"  # some local servers leave it out
    usage = completion.usage
    if usage is None:  # some local servers do not count; a quarter of the bytes is the usual rule of thumb
        asked = sum(len(message.content.encode()) for message in request.messages)
        return ModelAnswer(
            text=text,
            tool_calls=tool_calls,
            input_tokens=-(-asked // 4),
            output_tokens=-(-len(text.encode()) // 4),
            latency_ms=latency_ms,
            finish_reason=finish_reason,
        )
    prompt, completed = usage.prompt_tokens_details, usage.completion_tokens_details
    return ModelAnswer(
        text=text,
        tool_calls=tool_calls,
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
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
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": request.json_schema, "strict": True}}


def _told(error: APIStatusError) -> str:
    return f"The provider answered {error.status_code}: {str(error.message)[:300]}"


def _retry_after(error: APIStatusError) -> float | None:
    try:
        return float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
