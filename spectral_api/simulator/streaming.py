"""A completed chat as the server-sent events of OpenAI's streams.

The simulator has its answer at once, so the events leave at once; they are cut at words, as a model's tokens would be.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from spectral_api.simulator.schemas import ChatCompletion

MEDIA_TYPE = "text/event-stream"
EXAMPLE = (
    'data: {"id":"chatcmpl-…","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Within "},'
    '"finish_reason":null}],"simulated":true}\n\ndata: [DONE]\n\n'
)
_WORD = re.compile(r"\s*\S+\s*|\s+")


def render_events(completion: ChatCompletion, *, with_usage: bool) -> bytes:
    """The whole stream."""
    events = [b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in _chunks(completion, with_usage=with_usage)]
    return b"".join(events) + b"data: [DONE]\n\n"


def _chunks(completion: ChatCompletion, *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """Who speaks, then the words, then why they end, and the tokens when they are asked for."""
    frame = completion.model_dump(exclude={"choices", "usage"}) | {"object": "chat.completion.chunk"}
    if with_usage:
        frame["usage"] = None
    choice = completion.choices[0]

    def event(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
        return frame | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]}

    yield event({"role": choice.message.role, "content": ""})
    for word in _WORD.findall(choice.message.content):
        yield event({"content": word})
    yield event({}, choice.finish_reason)
    if with_usage:
        yield frame | {"choices": [], "usage": completion.usage.model_dump()}
