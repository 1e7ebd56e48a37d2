"""An agent of LangChain, traced by LangSmith's SDK to an OTLP endpoint instead of LangSmith."""

from contextlib import suppress

from langchain.agents import create_agent
from langchain_core.tracers.langchain import wait_for_all_tracers
from langchain_openai import ChatOpenAI
from langsmith import traceable
from langsmith.wrappers import wrap_openai
from openai import NotFoundError, OpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource({"service.name": "bicycle-shop"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)


def find_order(order_id: str) -> str:
    """Find an order."""
    return f"{order_id}: shipped"


support = create_agent(ChatOpenAI(model="gpt-4o-mini"), [find_order], system_prompt="Be brief.", name="support")
QUESTION = {"messages": [{"role": "user", "content": "Where is my order?"}]}


@traceable(name="orders", tags=["beta"])
def orders(question: str) -> str:
    options = {"metadata": {"session_id": "conversation-7", "user_id": "customer-7"}, "tags": ["eu"]}
    return support.invoke(QUESTION, options)["messages"][-1].content


@traceable(name="look_up", run_type="retriever")
def look_up(query: str) -> list[dict]:
    return [{"page_content": "A-7: shipped", "type": "Document", "metadata": {"source": "orders"}}]


@traceable(name="streamed")
def streamed() -> str:
    model = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
    return "".join(chunk.content for chunk in model.stream("Where is my order?"))


@traceable(name="mistaken")
def mistaken() -> None:
    ChatOpenAI(model="gpt-nonexistent", max_retries=0).invoke("Where is my order?")


@traceable(name="unpriced")
def unpriced() -> None:
    ChatOpenAI(model="house-model-7").invoke("Where is my order?")


@traceable(name="wrapped")
def wrapped() -> str:
    """The OpenAI client in LangSmith's wrapper, without LangChain."""
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my order?"}]
    completion = wrap_openai(OpenAI()).chat.completions.create(model="gpt-4o-mini", messages=said)
    return completion.choices[0].message.content


orders("Where is my order?")
look_up("A-7")
streamed()
with suppress(NotFoundError):
    mistaken()
unpriced()
wrapped()
wait_for_all_tracers()
provider.shutdown()
