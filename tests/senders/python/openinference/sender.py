"""Programs over OpenAI, Anthropic and LangChain as OpenInference instruments them."""

from contextlib import suppress

from anthropic import Anthropic
from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from openai import NotFoundError, OpenAI
from openinference.instrumentation import TracerProvider, using_attributes
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from openinference.instrumentation.langchain import LangChainInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource({"service.name": "bicycle-shop"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
for instrumentor in (OpenAIInstrumentor(), AnthropicInstrumentor(), LangChainInstrumentor()):
    instrumentor.instrument(tracer_provider=provider)
tracer = provider.get_tracer("bicycle_shop.support")

client, claude = OpenAI(max_retries=0), Anthropic(max_retries=0)
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my order?"}]
USER = MESSAGES[1:]
TOOL = {"type": "function", "function": {"name": "find_order", "parameters": {"type": "object", "properties": {}}}}


@tracer.tool
def find_order(order_id: str) -> str:
    """Find an order."""
    return f"{order_id}: shipped"


@tracer.agent(name="support")
def support(question: str) -> str:
    completion = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, tools=[TOOL])
    call = completion.choices[0].message.tool_calls[0]
    found = {"role": "tool", "tool_call_id": call.id, "content": find_order("A-7")}
    said = [*MESSAGES, completion.choices[0].message.model_dump(exclude_none=True), found]
    return client.chat.completions.create(model="gpt-4o-mini", messages=said, tools=[TOOL]).choices[0].message.content


with using_attributes(
    session_id="conversation-7",
    user_id="customer-7",
    tags=["beta", "eu"],
    metadata={"store": "Berlin"},
    prompt_template="{question}",
):
    support("Where is my order?")


@tracer.chain
def streamed() -> str:
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    return "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)


@tracer.chain
def mistaken() -> None:
    client.chat.completions.create(model="gpt-nonexistent", messages=MESSAGES)


@tracer.chain
def unpriced() -> None:
    client.chat.completions.create(model="house-model-7", messages=MESSAGES)


@tracer.chain
def embedded() -> None:
    client.embeddings.create(model="text-embedding-3-small", input="Where is my order?")


@tracer.chain
def claude_cached() -> None:
    claude.messages.create(model="claude-sonnet-4-5", max_tokens=500, system="Be brief.", messages=USER)


@tracer.chain
def claude_fresh() -> None:
    claude.messages.create(model="claude-haiku-4-5", max_tokens=500, system="Be brief.", messages=USER)


@tracer.chain
def claude_streamed() -> None:
    with claude.messages.stream(model="claude-haiku-4-5", max_tokens=500, messages=USER) as stream:
        stream.get_final_message()


@tracer.chain
def retried() -> None:
    """A model call around two others: what the inner ones report, the outer one reports again."""
    with tracer.start_as_current_span("router", openinference_span_kind="llm") as span:
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
        client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
        span.set_attributes({"llm.model_name": "gpt-4o-mini", "llm.token_count.prompt": 2400, "llm.token_count.completion": 160})


streamed()
with suppress(NotFoundError):
    mistaken()
unpriced()
embedded()
claude_cached()
claude_fresh()
claude_streamed()
retried()


def look_up(order_id: str) -> str:
    """Find an order."""
    return f"{order_id}: shipped"


# LangChain's own spans report the usage; those of the OpenAI client would be traces of their own beside them.
OpenAIInstrumentor().uninstrument()
agent = create_agent(ChatOpenAI(model="gpt-4o-mini"), [look_up], system_prompt="Be brief.", name="clerk")
agent.invoke(
    {"messages": [{"role": "user", "content": "Where is my order?"}]},
    {"metadata": {"session_id": "conversation-8", "user_id": "customer-8"}, "tags": ["gamma"]},
)
provider.shutdown()
