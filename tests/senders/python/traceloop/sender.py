"""Programs over OpenAI, Anthropic and LangChain as OpenLLMetry's SDK instruments them."""

from contextlib import suppress

from anthropic import Anthropic
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from openai import NotFoundError, OpenAI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from traceloop.sdk import Instruments, Traceloop
from traceloop.sdk.decorators import agent, task, tool, workflow

Traceloop.init(
    app_name="bicycle-shop",
    exporter=OTLPSpanExporter(),
    telemetry_enabled=False,
    instruments={Instruments.OPENAI, Instruments.ANTHROPIC, Instruments.LANGCHAIN},
)

client, claude = OpenAI(max_retries=0), Anthropic(max_retries=0)
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my order?"}]
USER = MESSAGES[1:]
TOOL = {"type": "function", "function": {"name": "find_order", "parameters": {"type": "object", "properties": {}}}}


@tool(name="find_order")
def find_order(order_id: str) -> str:
    return f"{order_id}: shipped"


@agent(name="support")
def support(question: str) -> str:
    completion = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, tools=[TOOL])
    call = completion.choices[0].message.tool_calls[0]
    found = {"role": "tool", "tool_call_id": call.id, "content": find_order("A-7")}
    said = [*MESSAGES, completion.choices[0].message.model_dump(exclude_none=True), found]
    return client.chat.completions.create(model="gpt-4o-mini", messages=said, tools=[TOOL]).choices[0].message.content


@workflow(name="orders")
def orders(question: str) -> str:
    Traceloop.set_association_properties({"user_id": "customer-7", "session_id": "conversation-7", "store": "Berlin"})
    return support(question)


@workflow(name="streamed")
def streamed() -> str:
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)


@workflow(name="mistaken")
def mistaken() -> None:
    client.chat.completions.create(model="gpt-nonexistent", messages=MESSAGES)


@task(name="unpriced")
def unpriced() -> None:
    client.chat.completions.create(model="house-model-7", messages=MESSAGES)


@task(name="embedded")
def embedded() -> None:
    client.embeddings.create(model="text-embedding-3-small", input="Where is my order?")


@task(name="claude_cached")
def claude_cached() -> None:
    claude.messages.create(model="claude-sonnet-4-5", max_tokens=500, system="Be brief.", messages=USER)


@task(name="claude_fresh")
def claude_fresh() -> None:
    claude.messages.create(model="claude-haiku-4-5", max_tokens=500, system="Be brief.", messages=USER)


@task(name="claude_streamed")
def claude_streamed() -> None:
    with claude.messages.stream(model="claude-haiku-4-5", max_tokens=500, messages=USER) as stream:
        stream.get_final_message()


orders("Where is my order?")
Traceloop.set_association_properties({})
streamed()
with suppress(NotFoundError):
    mistaken()
unpriced()
embedded()
claude_cached()
claude_fresh()
claude_streamed()


def look_up(order_id: str) -> str:
    """Find an order."""
    return f"{order_id}: shipped"


# LangChain's spans and, beneath them, those of the OpenAI client that it calls: both report the same usage.
clerk = create_agent(ChatOpenAI(model="gpt-4o-mini"), [look_up], system_prompt="Be brief.", name="clerk")
clerk.invoke(
    {"messages": [{"role": "user", "content": "Where is my order?"}]},
    {"metadata": {"session_id": "conversation-8", "user_id": "customer-8"}, "tags": ["gamma"]},
)
