"""A local endpoint that instrumented programs talk to: OpenAI's and Anthropic's APIs with answers and usage known beforehand.

What it says does not matter, what it reports does: the instrumentations under test copy its usage into their spans. Every call
reads 1200 tokens in all and writes 80; who counts differently counts twice.
"""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

ANSWER = "Your order A-7 is on its way."
ANSWERS = count(1)
"""Numbers the answers: a response's id is its own."""
ARGUMENTS = '{"order_id":"A-7"}'
UNKNOWN = "gpt-nonexistent"
SNAPSHOTS = {"gpt-4o-mini": "gpt-4o-mini-2024-07-18"}
OPENAI_USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 80,
    "total_tokens": 1280,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0},
}
ANTHROPIC_USAGE = {
    # Mostly read from the cache, so that the parts are larger than what is beside them ...
    "claude-sonnet-4-5": {
        "input_tokens": 100,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 100,
        "output_tokens": 80,
    },
    # ... and mostly not, so that nothing gives away whether a figure includes them.
    "claude-haiku-4-5": {
        "input_tokens": 900,
        "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 100,
        "output_tokens": 80,
    },
}


async def complete_chat(request: Request) -> Response:
    """OpenAI's chat completions: a call of the first tool while none has answered, else a text."""
    body = await request.json()
    if body["model"] == UNKNOWN:
        problem = {"message": f"The model `{UNKNOWN}` does not exist", "type": "invalid_request_error", "code": "model_not_found"}
        return JSONResponse({"error": problem}, status_code=404)
    completion: dict[str, Any] = {
        "id": f"chatcmpl-{next(ANSWERS)}",
        "created": 1_700_000_000,
        "model": SNAPSHOTS.get(body["model"], body["model"]),
    }
    is_json = (body.get("response_format") or {}).get("type") in {"json_object", "json_schema"}
    message: dict[str, Any] = {"role": "assistant", "content": ARGUMENTS if is_json else ANSWER}
    if body.get("tools") and all(said["role"] != "tool" for said in body["messages"]):
        function = {"name": body["tools"][0]["function"]["name"], "arguments": ARGUMENTS}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_7", "type": "function", "function": function}],
        }
    reason = "tool_calls" if "tool_calls" in message else "stop"
    if body.get("stream"):
        with_usage = (body.get("stream_options") or {}).get("include_usage", False)
        return StreamingResponse(_chunks(completion, message, reason, with_usage=with_usage), media_type="text/event-stream")
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return JSONResponse(completion | {"object": "chat.completion", "choices": [choice], "usage": OPENAI_USAGE})


def _chunks(completion: dict[str, Any], message: dict[str, Any], reason: str, *, with_usage: bool) -> Iterator[str]:
    delta = message | {"tool_calls": [call | {"index": 0} for call in message.get("tool_calls", [])]}
    deltas: list[tuple[dict[str, Any], str | None]] = [(delta, None), ({}, reason)]
    if message["content"]:
        words = message["content"].split(" ")
        deltas = [({"role": "assistant", "content": words[0]}, None), *(({"content": f" {word}"}, None) for word in words[1:])]
        deltas.append(({}, reason))
    chunk = completion | {"object": "chat.completion.chunk"}
    for part, finish in deltas:
        yield _event(chunk | {"choices": [{"index": 0, "delta": part, "finish_reason": finish}]})
    if with_usage:
        yield _event(chunk | {"choices": [], "usage": OPENAI_USAGE})
    yield "data: [DONE]\n\n"


async def embed(request: Request) -> Response:
    """OpenAI's embeddings."""
    body = await request.json()
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors: list[Any] = [[0.25, -0.5, 0.75] for _ in texts]
    if body.get("encoding_format") == "base64":
        vectors = ["AACAPgAAAL8AAEA/"] * len(texts)  # the same three numbers, as four bytes each
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 12, "total_tokens": 12}
    return JSONResponse({"object": "list", "model": body["model"], "data": data, "usage": usage})


async def create_message(request: Request) -> Response:
    """Anthropic's messages, which count what was cached beside the input tokens."""
    body = await request.json()
    usage = ANTHROPIC_USAGE[body["model"]]
    content = [{"type": "text", "text": ANSWER}]
    message = {
        "id": f"msg_{next(ANSWERS)}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "stop_sequence": None,
    }
    if body.get("stream"):
        return StreamingResponse(_message_events(message, usage), media_type="text/event-stream")
    return JSONResponse(message | {"content": content, "stop_reason": "end_turn", "usage": usage})


def _message_events(message: dict[str, Any], usage: dict[str, int]) -> Iterator[str]:
    begun = message | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ANSWER}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ended, "usage": {"output_tokens": usage["output_tokens"]}},
        {"type": "message_stop"},
    ]
    for event in events:
        yield f"event: {event['type']}\n{_event(event)}"


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


ROUTES = [
    Route("/v1/chat/completions", complete_chat, methods=["POST"]),
    Route("/v1/embeddings", embed, methods=["POST"]),
    Route("/v1/messages", create_message, methods=["POST"]),
]
app = Starlette(routes=ROUTES)
