"""What a call costs and how often it is made against an endpoint that throttles, breaks, hangs and lies, over real HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from spectral_platform.llm import calling, pacing
from spectral_platform.llm.calling import CallLabel, ModelCaller, PaidAnswer
from spectral_platform.llm.errors import BudgetExhausted, ProviderDenied, ProviderRejected, ProviderUnavailable
from spectral_platform.llm.messages import Message, ModelRequest, Role
from spectral_platform.llm.pacing import Lines, Outage
from spectral_platform.llm.providers.catalogue import Providers
from spectral_platform.llm.providers.openai_compatible import OpenAICompatibleProvider
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.purse import Purse
from spectral_platform.workspaces.policies.prices import ModelPrice, Prices
from tests.fixtures.llm import AGENT, ModelServer

LABEL = CallLabel(phase="observe", purpose=Purpose.AGENT_TURN)
PRICES = Prices(prices=(ModelPrice(model=AGENT, input_usd=Decimal(10), output_usd=Decimal(20)),))
PAGE = "<html><body>Bad gateway</body></html>"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(pacing, "FIRST_HOLD_S", 0.001)


@pytest.fixture
async def provider(model_server: ModelServer) -> AsyncIterator[OpenAICompatibleProvider]:
    async with OpenAICompatibleProvider(base_url=model_server.url, api_key=None, timeout_s=30) as opened:
        yield opened


@pytest.fixture
def purse() -> Purse:
    return Purse(max_usd=Decimal(5), max_calls=20)


def caller(provider: OpenAICompatibleProvider, purse: Purse, *, patience_s: float = 30) -> ModelCaller:
    providers = Providers(SimulatorProvider(), provider, lines=Lines(most=8, patience_s=patience_s))
    return ModelCaller(providers, purse, known={}, concurrency=8, prices=PRICES)


def request(question: str = "When do you open?", **changes: Any) -> ModelRequest:
    messages = (Message(role=Role.SYSTEM, content="Help."), Message(role=Role.USER, content=question))
    return ModelRequest(model=AGENT, messages=messages, max_output_tokens=100, **changes)


def failing(status: int, headers: dict[str, str] | None = None, **error: Any) -> Response:
    return JSONResponse({"error": {"message": "no", **error}}, status_code=status, headers=headers)


def once(answer: Response) -> Any:
    return lambda number, body: answer if number == 1 else None


@pytest.mark.parametrize(
    ("first", "is_charged"),
    [
        (failing(429, {"Retry-After": "0"}), False),
        (failing(503), False),
        (failing(500), False),
        (PlainTextResponse(PAGE, status_code=502, media_type="text/html"), False),
        (PlainTextResponse(PAGE, media_type="text/html"), False),
        (JSONResponse({"error": {"code": 429, "message": "slow down"}}), False),
        (JSONResponse({"error": "overloaded"}), False),
        (PlainTextResponse('{"choices": [{"message": {"cont', media_type="application/json"), True),
        (JSONResponse({"choices": []}), True),
        (JSONResponse([]), True),
        (PlainTextResponse('data: {"choices": [{"delta": {"content": "At ni"}}]}\n\n', media_type="text/event-stream"), True),
        (PlainTextResponse("", media_type="application/json"), True),
    ],
)
async def test_an_attempt_that_was_refused_is_free_and_one_that_may_be_billed_is_charged(
    first: Response, is_charged: bool, provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    model_server.fault = once(first)

    paid = await caller(provider, purse).ask(request(), LABEL)

    assert model_server.received == 2
    assert paid.cost_usd is not None
    assert purse.calls == 1 + is_charged
    assert (purse.spent_usd > paid.cost_usd) == is_charged
    bound = (Decimal(10) * (22 + 2 * 16 + 2) + Decimal(20) * 100) / 1_000_000
    assert purse.spent_usd <= paid.cost_usd + bound


async def test_the_same_question_at_the_same_time_is_asked_once_and_again_only_where_that_failed(
    provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    model_server.fault = once(failing(400))
    asking = caller(provider, purse)

    refused, *answered = await asyncio.gather(*(asking.ask(request(), LABEL) for _ in range(4)), return_exceptions=True)

    assert isinstance(refused, ProviderRejected)
    assert isinstance(answered[0], PaidAnswer)
    assert all(paid is answered[0] for paid in answered)
    assert model_server.received == 2


async def test_who_asks_what_somebody_gave_up_is_answered(
    provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    model_server.latency_s = 0.1
    asking = caller(provider, purse)
    first, second, third = (asyncio.create_task(asking.ask(request(), LABEL)) for _ in range(3))
    await asyncio.sleep(0)

    assert second.cancel()
    assert first.cancel()

    assert (await third).answer.text
    assert model_server.received <= 2


async def test_an_attempt_that_hangs_is_charged_and_tried_again(purse: Purse, model_server: ModelServer) -> None:
    model_server.latency_s = 5
    async with OpenAICompatibleProvider(base_url=model_server.url, api_key=None, timeout_s=0.05) as hasty:
        with pytest.raises(ProviderUnavailable):
            await caller(hasty, purse, patience_s=0).ask(request(), LABEL)
    model_server.latency_s = 0

    # The third opens the circuit for half a second; on a machine that stands still for longer, a fourth tries whether it is over.
    assert 3 <= purse.calls >= model_server.received


async def test_an_endpoint_that_trickles_for_ever_is_left(model_server: ModelServer, purse: Purse) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    model_server.fault = lambda number, body: StreamingResponse(trickle(), media_type="application/json")
    async with OpenAICompatibleProvider(base_url=model_server.url, api_key=None, timeout_s=0.1) as hasty:
        with pytest.raises(ProviderUnavailable, match=r"within 0\.1 s"):
            await hasty.complete(request())


async def test_an_endpoint_that_pours_for_ever_is_left(
    model_server: ModelServer, provider: OpenAICompatibleProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spectral_platform.llm.providers.connections.MOST_ANSWER_BYTES", 10_000)
    model_server.fault = lambda number, body: PlainTextResponse(" " * 100_000, media_type="application/json")

    with pytest.raises(ProviderUnavailable):
        await provider.complete(request())


STREAM = """: hello

data: {"id": "1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "At "}}]}

data: {"id": "1", "choices": [{"index": 0, "delta": {"content": "nine."}, "finish_reason": "length"}]}

data: {"id": "1", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}

data: [DONE]
"""


async def test_a_stream_that_nobody_asked_for_is_read_to_its_end(
    provider: OpenAICompatibleProvider, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: PlainTextResponse(STREAM, media_type="text/event-stream")

    answer = await provider.complete(request())

    assert (answer.text, answer.finish_reason) == ("At nine.", "length")
    assert (answer.input_tokens, answer.output_tokens) == (7, 3)


async def test_tools_in_a_stream_are_put_together(provider: OpenAICompatibleProvider, model_server: ModelServer) -> None:
    parts = [{"name": "search", "arguments": '{"que'}, {"arguments": 'ry": "tea"}'}]
    chunks = [{"choices": [{"delta": {"tool_calls": [{"index": 0, "function": part}]}}]} for part in parts]
    lines = [f"data: {JSONResponse(chunk).body.decode()}" for chunk in chunks]  # type: ignore[union-attr]  # it is bytes
    model_server.fault = lambda number, body: PlainTextResponse("\n\n".join([*lines, "data: [DONE]"]))

    answer = await provider.complete(request())

    assert [(call.name, call.arguments) for call in answer.tool_calls] == [("search", {"query": "tea"})]


async def test_json_is_read_whatever_it_is_called(provider: OpenAICompatibleProvider, model_server: ModelServer) -> None:
    message = '{"choices": [{"message": {"role": "assistant", "content": "At nine."}, "finish_reason": "stop"}]}'
    model_server.fault = lambda number, body: PlainTextResponse(message)

    assert (await provider.complete(request())).text == "At nine."


async def test_a_refusal_in_a_field_of_its_own_is_what_was_answered(
    provider: OpenAICompatibleProvider, model_server: ModelServer
) -> None:
    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    model_server.fault = lambda number, body: JSONResponse({"choices": [{"message": message, "finish_reason": "stop"}]})

    answer = await provider.complete(request())

    assert (answer.text, answer.finish_reason) == ("I cannot help with that.", "content_filter")


async def test_a_model_that_knows_only_the_newer_limit_is_asked_by_it(
    provider: OpenAICompatibleProvider, model_server: ModelServer
) -> None:
    def newer(number: int, body: dict[str, Any]) -> Response | None:
        words = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
        if "max_tokens" in body:
            return failing(400, message=words)
        return JSONResponse({"choices": [{"message": {"role": "assistant", "content": "At nine."}}]})

    model_server.fault = newer

    for _ in range(2):
        await provider.complete(request())

    assert [body.get("max_completion_tokens") for body in model_server.bodies] == [None, 100, 100]


async def test_an_account_that_is_used_up_is_denied_at_once(
    provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: failing(429, code="insufficient_quota")

    with pytest.raises(ProviderDenied):
        await caller(provider, purse).ask(request(), LABEL)

    assert (model_server.received, purse.calls) == (1, 0)


async def test_a_provider_that_refuses_its_key_is_asked_no_more(
    provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    """Of what waits nothing leaves any more; a 403 may be about one question and stops no other."""
    model_server.fault = lambda number, body: failing(403) if number == 1 else failing(401) if number == 3 else None
    one_by_one = Providers(SimulatorProvider(), provider, lines=Lines(most=1, patience_s=30))
    asking = ModelCaller(one_by_one, purse, known={}, concurrency=8, prices=PRICES)

    said = await asyncio.gather(*(asking.ask(request(str(number)), LABEL) for number in range(6)), return_exceptions=True)
    with pytest.raises(ProviderDenied, match="401"):
        await asking.ask(request("Still there?"), LABEL)

    assert [type(each) for each in said] == [ProviderDenied, PaidAnswer, *[ProviderDenied] * 4]
    assert model_server.received == 3
    assert purse.calls == 1


async def test_extra_parameters_cannot_lift_the_cap_that_the_budget_counts_on(
    provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    with pytest.raises(ProviderRejected, match="n"):
        await caller(provider, purse).ask(request(extra={"n": 50}), LABEL)

    assert model_server.received == 0


async def test_being_throttled_is_borne_and_counts_as_no_failure(
    provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: failing(429, {"Retry-After": "0"}) if number <= 9 else None

    paid = await caller(provider, purse).ask(request(), LABEL)

    assert paid.answer.text
    assert (model_server.received, purse.calls) == (10, 1)


async def test_nothing_is_tried_again_after_the_time_is_over(
    provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: failing(500)
    providers = Providers(SimulatorProvider(), provider, lines=Lines(most=8, patience_s=30))
    late = ModelCaller(providers, purse, known={}, concurrency=1, deadline=time.monotonic())

    with pytest.raises(ProviderUnavailable, match="500"):
        await late.ask(request(), LABEL)

    assert (model_server.received, purse.calls) == (1, 0)


async def test_the_form_of_the_answer_and_extra_parameters_are_reserved_for(
    provider: OpenAICompatibleProvider, model_server: ModelServer
) -> None:
    asked = request(json_schema={"type": "object", "description": "d" * 5_000}, extra={"note": "n" * 5_000})
    scant = Purse(max_usd=Decimal(10) * 10_000 / 1_000_000, max_calls=1)

    with pytest.raises(BudgetExhausted):
        await caller(provider, scant).ask(asked, LABEL)

    assert model_server.received == 0


async def test_an_outage_is_told_once_and_so_is_its_end(
    provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: failing(500) if number <= 28 else None
    told: list[tuple[str, bool]] = []

    def hear(outage: Outage, is_over: bool) -> None:
        told.append((outage.provider, is_over))

    asking = caller(provider, purse)
    asking.on_outage = hear

    answers = await calling.settle(asking.ask(request(f"Question {number}?"), LABEL) for number in range(8))

    assert len(answers) == purse.calls == 8
    assert told == [("openai", False), ("openai", True)]
    assert asking.outages == ()


async def test_a_provider_that_stays_away_is_given_up(
    provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    model_server.fault = lambda number, body: failing(500)
    asking = caller(provider, purse, patience_s=0)

    for number in range(8):
        with pytest.raises(ProviderUnavailable):
            await asking.ask(request(f"Question {number}?"), LABEL)

    assert purse.calls == 0
    assert model_server.received < 8  # most were told without asking


async def test_the_workspace_price_is_what_its_calls_cost(
    provider: OpenAICompatibleProvider, purse: Purse, model_server: ModelServer
) -> None:
    paid = await caller(provider, purse).ask(request(), LABEL)

    answer = paid.answer
    assert paid.cost_usd == (10 * answer.input_tokens + 20 * answer.output_tokens) / Decimal(1_000_000)
    assert purse.spent_usd == paid.cost_usd


@pytest.mark.parametrize(("kind", "is_bounded"), [("function", True), ("web_search_20250305", False)])
async def test_nothing_bounds_an_answer_for_which_a_provider_runs_tools_of_its_own(
    kind: str, is_bounded: bool, provider: OpenAICompatibleProvider, purse: Purse
) -> None:
    cost, tokens = caller(provider, purse).ceiling(request(tools=({"type": kind, "name": "search"},)))

    assert (cost is not None, tokens is not None) == (is_bounded, is_bounded)
