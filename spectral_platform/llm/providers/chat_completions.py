"""Reading what endpoints send as a chat completion: JSON of any content type, a stream nobody asked for, an error as 200."""

import json
from collections.abc import Iterable
from typing import Any

from openai.types.chat import ChatCompletion

from spectral_platform.llm.providers.refusals import refusal, unreadable

END_OF_STREAM = "[DONE]"
BAD_GATEWAY = 502
"""What an error without a status of its own is taken for."""


def read_completion(body: str, *, api_key: str = "") -> ChatCompletion:
    """The completion in a body. Raises ``ProviderUnavailable``, ``ProviderRejected`` or ``ProviderDenied``, as the body says."""
    text = body.lstrip()
    if text.startswith("<"):
        raise refusal(BAD_GATEWAY, "a page of HTML where an answer was to come", {})
    document = _joined(text.splitlines(), api_key) if text.startswith(("data:", "event:", "id:", ":")) else _read(text)
    if not document.get("choices"):
        raise _error_in(document, api_key)
    completion: ChatCompletion = ChatCompletion.construct(**document)
    return completion


def _read(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)  # which bears the halves of characters that models write
    except (ValueError, RecursionError) as error:
        raise unreadable("answer could not be read") from error
    if not isinstance(document, dict):
        raise unreadable("answer is no object")
    return document


def _error_in(document: dict[str, Any], api_key: str) -> Exception:
    """Gateways answer 200 before they know of an error, and say its status in the body."""
    error = document.get("error")
    if error is None:
        return unreadable("answer holds no choice")
    status = error.get("code") if isinstance(error, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    is_status = isinstance(status, int) and 400 <= status < 600
    return refusal(status if is_status else BAD_GATEWAY, f"{said} (in an answer of status 200)", {}, api_key=api_key)  # type: ignore[arg-type]  # is_status says that it is one


def _joined(lines: Iterable[str], api_key: str) -> dict[str, Any]:
    """A stream of server-sent events as the one document that was asked for."""
    text: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    document: dict[str, Any] = {}
    finish_reason: str | None = None
    is_ended = False
    for line in lines:
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or not data:
            continue
        if data == END_OF_STREAM:
            is_ended = True
            break
        chunk = _read(data)
        if "error" in chunk:
            raise _error_in(chunk, api_key)
        try:
            document |= {name: chunk[name] for name in ("id", "model", "usage") if chunk.get(name)}
            for choice in chunk.get("choices") or ():
                delta = choice.get("delta") or {}
                text.append(delta.get("content") or "")
                finish_reason = choice.get("finish_reason") or finish_reason
                for number, part in enumerate(delta.get("tool_calls") or ()):
                    call = calls.setdefault(part.get("index", number), {"name": "", "arguments": ""})
                    for name in call:
                        call[name] += (part.get("function") or {}).get(name) or ""
        except (AttributeError, TypeError) as error:
            raise unreadable("stream could not be read") from error
    if not is_ended and finish_reason is None:
        raise unreadable("stream broke off")
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text)}
    if calls:
        message["tool_calls"] = [{"id": str(number), "type": "function", "function": calls[number]} for number in sorted(calls)]
    return document | {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason or "stop"}]}
