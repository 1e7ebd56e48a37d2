"""OpenAI's own client against a real server: what agents use who know nothing of Spectral."""

from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from tests.fixtures.callers import Person

MESSAGES: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You are the support agent of a bicycle shop. Answer only from the articles."},
    {"role": "user", "content": "[KB-3] Repairs: A basic check costs 25 euros.\n\nCustomer: What does a basic check cost?"},
]


class Reply(BaseModel):
    answer: str
    is_final: bool


@pytest.fixture
async def assistant(server_url: str, owner: Person) -> AsyncIterator[AsyncOpenAI]:
    """The client as an agent makes it: with the server's address and an API key."""
    async with AsyncOpenAI(base_url=f"{server_url}/simulator/v1", api_key=await owner.key(), max_retries=0) as opened:
        yield opened


async def test_a_chat_is_completed_and_goes_on(assistant: AsyncOpenAI) -> None:
    first = await assistant.chat.completions.create(model="sim/standard", messages=MESSAGES, temperature=0.2, user="customer-7")
    said = first.choices[0].message
    second = await assistant.chat.completions.create(
        model="sim/mini",
        messages=[*MESSAGES, said, {"role": "user", "content": "And how long does it take?"}],  # type: ignore[list-item]  # clients send answers back as they came
    )

    assert said.content
    assert second.choices[0].message.content
    assert first.system_fingerprint == "spectral-simulator"
    assert first.model_extra == {"simulated": True}
    assert first.usage is not None
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens


async def test_a_chat_is_streamed(assistant: AsyncOpenAI) -> None:
    whole = await assistant.chat.completions.create(model="sim/standard", messages=MESSAGES)
    stream = await assistant.chat.completions.create(
        model="sim/standard", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert len(chunks) > 4
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


async def test_an_answer_is_parsed_into_a_class(assistant: AsyncOpenAI) -> None:
    parsed = await assistant.chat.completions.parse(model="sim/standard", messages=MESSAGES, response_format=Reply, seed=3)

    assert parsed.choices[0].message.parsed is not None
    assert parsed.choices[0].message.parsed.answer


async def test_models_are_listed(assistant: AsyncOpenAI) -> None:
    assert "sim/standard" in [model.id async for model in assistant.models.list()]


async def test_refusals_are_the_errors_that_the_client_knows(assistant: AsyncOpenAI, owner: Person) -> None:
    async def ask(client: AsyncOpenAI, **parameters: object) -> None:
        await client.chat.completions.create(**{"model": "sim/standard", "messages": MESSAGES} | parameters)  # type: ignore[call-overload]  # wrong on purpose

    with pytest.raises(openai.NotFoundError) as unknown:
        await ask(assistant, model="gpt-5")
    with pytest.raises(openai.UnprocessableEntityError):
        await ask(assistant, n=2)
    with pytest.raises(openai.AuthenticationError):
        await ask(assistant.with_options(api_key="sk_live_nonsense"))
    with pytest.raises(openai.PermissionDeniedError):
        await ask(assistant.with_options(api_key=await owner.key("write:traces")))
    assert "sim/standard" in unknown.value.body["detail"]  # type: ignore[index]  # the problem document
