"""Programs over OpenAI as OpenTelemetry's own instrumentation traces them, with its current conventions."""

from contextlib import suppress

from openai import NotFoundError, OpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource({"service.name": "bicycle-shop"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
OpenAIInstrumentor().instrument()
tracer = trace.get_tracer("bicycle_shop.support")
client = OpenAI(max_retries=0)
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my order?"}]
TOOL = {"type": "function", "function": {"name": "find_order", "parameters": {"type": "object", "properties": {}}}}

with tracer.start_as_current_span("orders"):
    completion = client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, tools=[TOOL])
    call = completion.choices[0].message.tool_calls[0]
    found = {"role": "tool", "tool_call_id": call.id, "content": "A-7: shipped"}
    said = [*MESSAGES, completion.choices[0].message.model_dump(exclude_none=True), found]
    client.chat.completions.create(model="gpt-4o-mini", messages=said, tools=[TOOL])

with tracer.start_as_current_span("streamed"):
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    for _ in stream:
        pass

with tracer.start_as_current_span("mistaken"), suppress(NotFoundError):
    client.chat.completions.create(model="gpt-nonexistent", messages=MESSAGES)

with tracer.start_as_current_span("unpriced"):
    client.chat.completions.create(model="house-model-7", messages=MESSAGES)

with tracer.start_as_current_span("embedded"):
    client.embeddings.create(model="text-embedding-3-small", input="Where is my order?")

provider.shutdown()
