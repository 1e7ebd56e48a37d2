"""Calls of customers' endpoints: what is sent, what is made of each answer, and where no call goes."""

from ipaddress import IPv4Network
from typing import Any
from uuid import uuid4

import orjson
import pytest

from spectral_platform.core.errors import SpectralError
from spectral_platform.core.outbound import Answer, Outbound
from spectral_platform.llm.errors import ProviderDenied, ProviderRejected, ProviderUnavailable
from spectral_platform.llm.messages import EndpointCall, Message, ModelRequest, Role
from spectral_platform.llm.providers.customer_endpoint import MOST_ANSWER_BYTES, EndpointProvider, read_answer
from tests.fixtures.receiver import Receiver, receiving, responding

LOCAL = Outbound(allowed_networks=(IPv4Network("127.0.0.0/8"),), https_only=False)
JSON = {"content-type": "application/json; charset=utf-8"}


def request_to(url: str, **call: Any) -> ModelRequest:
    """A request that an endpoint is to answer."""
    return ModelRequest(
        model="gpt-4o-mini",
        messages=(Message(role=Role.USER, content="Where is it?"),),
        max_output_tokens=10,
        endpoint=EndpointCall(url=url, body={"input": "Where is it?"}, **call),
    )


def provider(outbound: Outbound = LOCAL, **headers: Any) -> EndpointProvider:
    """What calls endpoints for a scan."""
    return EndpointProvider(outbound, scan_id=uuid4(), headers=headers.get("headers", {}), timeout_s=30)


def answered(body: Any, status: int = 200, **headers: str) -> Answer:
    """An answer as it came in."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return Answer(status, JSON | headers, content, latency_ms=12)


@pytest.mark.parametrize(
    ("body", "text", "tokens"),
    [
        ({"output": "It is on its way."}, "It is on its way.", None),
        ({"output": {"status": "sent"}}, '{"status":"sent"}', None),
        ({"output": ["a", 1]}, '["a",1]', None),
        ({"output": 0}, "0", None),
        ({"output": None}, "", None),
        ({}, "", None),
        ({"output": "é\x00\n"}, "é\n", None),
        ({"output": "x", "usage": {"input_tokens": 3, "output_tokens": 4}}, "x", 7),
        ({"output": "x", "usage": {"output_tokens": 4, "unknown": 1}, "run_id": 7}, "x", 4),
        ({"output": "x", "error": None, "usage": None, "cost_usd": None}, "x", None),
    ],
)
def test_an_answer_is_read_as_documented(body: dict[str, Any], text: str, tokens: int | None) -> None:
    read = read_answer(answered(body))

    assert (read.text, read.total_tokens, read.latency_ms) == (text, tokens, 12)


def test_the_tools_that_an_agent_called_are_read_in_order() -> None:
    tools = [{"name": "find_order", "arguments": {"id": 7}}, {"name": "ping"}, {"name": "raw", "arguments": "{oops"}]
    tools += [{"name": "n\x00ul", "arguments": {"k\x00": ["a\x00", {"b": "\x00"}]}}]
    tools += [{"name": "path", "arguments": '{"at": "C:\\\\u0000"}'}]

    read = read_answer(answered({"output": "x", "tool_calls": tools}))

    assert [(call.name, call.arguments) for call in read.tool_calls] == [
        ("find_order", {"id": 7}),
        ("ping", {}),
        ("raw", "{oops"),
        ("nul", {"k": ["a", {"b": ""}]}),
        ("path", {"at": "C:\\u0000"}),
    ]


def test_text_is_an_answer_too_and_a_cost_is_taken_over() -> None:
    plain = Answer(200, {"content-type": "text/plain; charset=utf-8"}, "Grüße \udcff".encode(errors="surrogateescape"), 1)

    assert read_answer(plain).text == "Grüße �"
    assert str(read_answer(answered({"output": "x", "cost_usd": 0.0125})).cost_usd) == "0.0125"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe",
        b"[" * 5_000,
        {"output": "x", "error": "no model"},
        {"output": "x", "usage": {"input_tokens": -1}},
        {"output": "x", "usage": {"input_tokens": 2**31}},
        {"output": "x", "usage": {"input_tokens": "3"}},
        {"output": "x", "usage": 3},
        {"output": "x", "tool_calls": [{"arguments": {}}]},
        {"output": "x", "tool_calls": [{"name": ""}]},
        {"output": "x", "cost_usd": -1},
        {"output": "x", "cost_usd": "NaN"},
        {"output": "x", "cost_usd": 1e300},
        b'{"output": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"output": "x", "tool_calls": [{"name": "x", "arguments": ' + b'{"a": ' * 300 + b"1" + b"}" * 303,
    ],
)
def test_an_answer_that_is_none_is_the_agents_own_failure(body: Any) -> None:
    with pytest.raises(ProviderRejected) as refusal:
        read_answer(answered(body))
    assert not isinstance(refusal.value, ProviderDenied)


def test_a_page_and_an_answer_that_is_too_long_are_failures_of_the_agent() -> None:
    with pytest.raises(ProviderRejected):
        read_answer(Answer(200, {"content-type": "text/html"}, b"<html>", 1))
    with pytest.raises(ProviderRejected, match="longer than"):
        read_answer(Answer(200, {"content-type": "text/plain"}, b"x", 1, is_whole=False))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(status, ProviderUnavailable) for status in (425, 429, 502, 503)]
    + [(status, ProviderDenied) for status in (301, 302, 307, 401, 402, 403, 404, 405, 407, 410, 421, 501)]
    + [(status, ProviderRejected) for status in (400, 409, 413, 415, 422, 500, 504, 599)],
)
def test_a_status_says_whose_failure_it_is(status: int, kind: type[SpectralError]) -> None:
    with pytest.raises(kind) as failure:
        read_answer(answered({"output": "x"}, status))
    assert type(failure.value) is kind
    assert str(status) in failure.value.detail


def test_how_long_to_wait_is_taken_from_the_answer() -> None:
    for written, understood in (("7", 7.0), ("Wed, 21 Oct 2020 07:28:00 GMT", 0.0), ("soon", None), ("nan", None)):
        with pytest.raises(ProviderUnavailable) as failure:
            read_answer(answered({}, 429, **{"retry-after": written}))
        assert failure.value.retry_after_s == understood


async def test_a_call_says_that_it_is_a_replay_and_carries_the_secret_headers(receiver: Receiver) -> None:
    receiver.respond = lambda received: responding(200, b'{"output": "Here."}', Content_Type="application/json")
    kept = uuid4()
    async with provider(headers={kept: {"authorization": "Bearer s3cret"}}) as endpoints:
        again = [await endpoints.complete(request_to(receiver.url, headers_id=kept)) for _ in range(2)]
        await endpoints.complete(request_to(receiver.url, headers_id=kept).model_copy(update={"seed": 1}))

    assert [answer.text for answer in again] == ["Here.", "Here."]
    first, second, other = (received.headers for received in receiver.received)
    assert first["spectral-replay"] == "1"
    assert first["authorization"] == "Bearer s3cret"
    assert first["content-type"] == "application/json"
    assert first["spectral-scan-id"]
    assert first["spectral-call-id"] == second["spectral-call-id"] != other["spectral-call-id"]
    assert orjson.loads(receiver.received[0].body) == {"input": "Where is it?"}


async def test_silence_is_the_agents_failure_and_a_closed_port_is_not(receiver: Receiver) -> None:
    receiver.respond = lambda received: None
    async with receiving() as gone:
        closed = gone.url
    async with provider() as endpoints:
        with pytest.raises(ProviderRejected, match="in time"):
            await endpoints.complete(request_to(receiver.url, timeout_ms=50))
        with pytest.raises(ProviderUnavailable, match="refused"):
            await endpoints.complete(request_to(closed))


async def test_an_endless_answer_is_cut_off(receiver: Receiver) -> None:
    receiver.respond = lambda received: responding(200, b"x" * (MOST_ANSWER_BYTES + 1), Content_Type="text/plain")
    async with provider() as endpoints:
        with pytest.raises(ProviderRejected, match="longer than"):
            await endpoints.complete(request_to(receiver.url))


async def test_no_call_goes_inside_or_after_a_redirect(receiver: Receiver) -> None:
    async with provider(Outbound(https_only=False)) as endpoints:
        with pytest.raises(ProviderDenied, match="not a public one"):
            await endpoints.complete(request_to(receiver.url))
    assert receiver.received == []
    async with receiving("127.0.0.2") as inside, provider() as endpoints:
        receiver.respond = lambda received: responding(307, Location=inside.url)
        with pytest.raises(ProviderDenied, match="307"):
            await endpoints.complete(request_to(receiver.url))
        assert inside.received == []
