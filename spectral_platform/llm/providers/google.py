"""Google's Gemini API, through Google's own client with its retries turned off."""

import time
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Self

import httpx2
from google.genai import Client, types
from google.genai.errors import APIError

from spectral_platform.llm.messages import Message, ModelAnswer, ModelRequest, Role, ToolCall, storable
from spectral_platform.llm.providers.comparing import cosine
from spectral_platform.llm.providers.connections import open_connections
from spectral_platform.llm.providers.ladder import Ladder, Rung, check_extra
from spectral_platform.llm.providers.refusals import refusal, unreachable, unreadable, within

PUBLIC_URL = "https://generativelanguage.googleapis.com"
RESERVED = frozenset({"model", "contents", "systemInstruction", "system_instruction", "generationConfig", "generation_config"})
ROLES = {Role.USER: "user", Role.ASSISTANT: "model"}
JSON = "application/json"
FINISH_REASONS = {"STOP": "stop", "MAX_TOKENS": "length", "FINISH_REASON_UNSPECIFIED": "stop"}
BLOCKED = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR"}
NO_RETRIES = types.HttpRetryOptions(attempts=1)
"""Named, because the client tries broken connections again of its own accord where nothing is said."""


class GoogleProvider:
    """The models named ``google/…``."""

    name = "google"
    is_simulated = False

    def __init__(self, *, base_url: str | None, api_key: str, timeout_s: float) -> None:
        self._connections = open_connections(timeout_s)
        self._client = Client(
            vertexai=False,
            api_key=api_key,
            http_options=types.HttpOptions(
                base_url=base_url or PUBLIC_URL,
                timeout=round(timeout_s * 1000),
                retry_options=NO_RETRIES,
                httpx_async_client=self._connections,
            ),
        )
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._ladder = Ladder()

    async def __aenter__(self) -> Self:
        """Use the provider's connections until the block ends."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._connections.aclose()
        self._client.close()

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Ask once. Raises ``ProviderUnavailable`` (worth a retry), ``ProviderRejected`` (not) or ``ProviderDenied``."""
        if request.compares:
            return await self._compare(request)
        check_extra(request, RESERVED)
        return await self._ladder.climb(request, self._ask)

    async def reach(self) -> None:
        """Ask for a list of models, which costs nothing. Raises as ``complete`` does."""
        async with within(self._timeout_s):
            with _named_errors(self._api_key):
                await self._client.aio.models.list(config=types.ListModelsConfig(page_size=1))

    async def _ask(self, request: ModelRequest, rung: Rung) -> ModelAnswer:
        is_json = request.json_schema is not None and rung is not Rung.PLAIN
        config = types.GenerateContentConfig(
            system_instruction="\n\n".join(m.content for m in request.messages if m.role is Role.SYSTEM) or None,
            temperature=request.temperature,
            top_p=request.top_p,
            seed=request.seed,
            max_output_tokens=request.max_output_tokens,
            stop_sequences=list(request.stop) or None,
            response_mime_type=JSON if is_json else None,
            response_json_schema=request.json_schema if is_json and rung is Rung.JSON_SCHEMA else None,
            tools=_tools(request) or None,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            http_options=types.HttpOptions(extra_body=request.extra, retry_options=NO_RETRIES) if request.extra else None,
        )
        started = time.perf_counter()
        async with within(self._timeout_s):
            with _named_errors(self._api_key):
                response = await self._client.aio.models.generate_content(
                    model=self._bare(request.model),
                    contents=list(_contents(request.messages)),
                    config=config,
                )
        try:
            return _answer(response, latency_ms=round((time.perf_counter() - started) * 1000))
        except (AttributeError, TypeError, ValueError) as error:  # the client passes on what it was sent, of whatever shape
            raise unreadable("answer could not be read") from error

    async def _compare(self, request: ModelRequest) -> ModelAnswer:
        """The cosine of the embeddings of the request's two messages; the API counts no tokens for them."""
        started = time.perf_counter()
        texts = [message.content for message in request.messages]
        async with within(self._timeout_s):
            with _named_errors(self._api_key):
                embedded = await self._client.aio.models.embed_content(
                    model=self._bare(request.model), contents=[types.Content(parts=[types.Part(text=text)]) for text in texts]
                )
        vectors = [embedding.values or [] for embedding in embedded.embeddings or ()]
        if len(vectors) != len(texts):
            raise unreadable("embeddings could not be read")
        latency_ms = round((time.perf_counter() - started) * 1000)
        tokens = -(-sum(len(text.encode()) for text in texts) // 4)
        return ModelAnswer(text=cosine(*vectors), input_tokens=tokens, output_tokens=0, latency_ms=latency_ms)

    def _bare(self, model: str) -> str:
        return model.removeprefix(f"{self.name}/")


@contextmanager
def _named_errors(api_key: str) -> Iterator[None]:
    """Raise what the client raises under our own names, and without the key, which some gateways quote."""
    try:
        yield
    except httpx2.RequestError as error:
        raise unreachable(error) from error
    except APIError as error:
        headers = getattr(error.response, "headers", None) or {}
        raise refusal(error.code, f"{error.message} {error.status}", headers, api_key=api_key) from error
    except (ValueError, RecursionError) as error:
        raise unreadable("answer could not be read") from error


def _contents(messages: Iterable[Message]) -> Iterator[types.Content]:
    """The chat as this API wants it: what tools answered is one turn of the user's."""
    for role, turns in groupby(messages, key=lambda message: message.role):
        if role is Role.TOOL:
            yield types.Content(role=ROLES[Role.USER], parts=[_result(message) for message in turns])
        elif role is not Role.SYSTEM:
            for message in turns:
                yield types.Content(role=ROLES[role], parts=_parts(message))


def _result(message: Message) -> types.Part:
    response = {"output": message.content}
    return types.Part(function_response=types.FunctionResponse(name=message.tool_calls[0].name, response=response))


def _parts(message: Message) -> list[types.Part]:
    said = [types.Part(text=message.content)] if message.content or not message.tool_calls else []
    return [*said, *(_call(call) for call in message.tool_calls)]


def _call(call: ToolCall) -> types.Part:
    arguments = call.arguments if isinstance(call.arguments, dict) else {}
    signature = b64decode(call.signature) or None
    return types.Part(function_call=types.FunctionCall(name=call.name, args=arguments), thought_signature=signature)


def _called(part: types.Part, function: types.FunctionCall) -> ToolCall:
    signature = b64encode(part.thought_signature or b"").decode()
    return ToolCall.read(function.name or "", function.args).model_copy(update={"signature": signature})


def _tools(request: ModelRequest) -> list[Any]:
    """The tools as this API describes them; what is written in its own terms already goes as it is."""
    functions = [tool.get("function") for tool in request.tools if tool.get("type") == "function"]
    declared = [
        types.FunctionDeclaration(
            name=function.get("name"),
            description=function.get("description"),
            parameters_json_schema=function.get("parameters"),
        )
        for function in functions
        if isinstance(function, Mapping)
    ]
    own = [types.Tool.model_validate(tool) for tool in request.tools if tool.get("type") != "function"]
    return [*([types.Tool(function_declarations=declared)] if declared else []), *own]


def _answer(response: types.GenerateContentResponse, *, latency_ms: int) -> ModelAnswer:
    usage = response.usage_metadata or types.GenerateContentResponseUsageMetadata()
    thoughts = usage.thoughts_token_count or 0
    counted = {
        "input_tokens": (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        "output_tokens": (usage.candidates_token_count or 0) + thoughts,
        "cached_input_tokens": usage.cached_content_token_count or 0,
        "reasoning_tokens": thoughts,
    }
    if not response.candidates:
        if response.prompt_feedback is None or response.prompt_feedback.block_reason is None:
            raise unreadable("answer holds no candidate")
        return ModelAnswer(text="", **counted, latency_ms=latency_ms, finish_reason="content_filter")
    candidate = response.candidates[0]
    parts = (candidate.content.parts if candidate.content else None) or []
    tool_calls = tuple(_called(part, part.function_call) for part in parts if part.function_call is not None)
    return ModelAnswer(
        text=storable("".join(part.text for part in parts if part.text and not part.thought)),
        tool_calls=tool_calls,
        **counted,
        latency_ms=latency_ms,
        finish_reason=_finish_reason(candidate, has_calls=bool(tool_calls)),
    )


def _finish_reason(candidate: types.Candidate, *, has_calls: bool) -> str:
    said = str(candidate.finish_reason.value if candidate.finish_reason else "STOP")
    if has_calls and said == "STOP":
        return "tool_calls"
    return "content_filter" if said in BLOCKED else FINISH_REASONS.get(said, said.lower())
