"""An agent traced by hand with the OpenTelemetry SDK, in the words of its current conventions."""

import json

from openai import NotFoundError, OpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource({"service.name": "bicycle-shop", "service.version": "1.4.0"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("bicycle_shop.support", "1.4.0")
client = OpenAI(max_retries=0)
TOOL = {"type": "function", "function": {"name": "find_order", "parameters": {"type": "object", "properties": {}}}}


def parts(message):
    """A chat message as the conventions write it."""
    written = [{"type": "text", "content": message["content"]}] if message.get("content") else []
    for call in message.get("tool_calls") or []:
        function = call["function"]
        written.append(
            {"type": "tool_call", "id": call["id"], "name": function["name"], "arguments": json.loads(function["arguments"])}
        )
    if message["role"] == "tool":
        written = [{"type": "tool_call_response", "id": message["tool_call_id"], "response": message["content"]}]
    return {"role": message["role"], "parts": written}


def chat(messages, model="gpt-4o-mini", **options):
    with tracer.start_as_current_span(f"chat {model}", kind=trace.SpanKind.CLIENT) as span:
        span.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": model,
                "gen_ai.input.messages": json.dumps([parts(message) for message in messages]),
            }
        )
        try:
            completion = client.chat.completions.create(model=model, messages=messages, **options)
        except NotFoundError as error:
            span.set_attribute("error.type", type(error).__name__)
            raise
        message = completion.choices[0].message.model_dump(exclude_none=True)
        answer = parts(message) | {"finish_reason": completion.choices[0].finish_reason}
        usage = completion.usage
        span.set_attributes(
            {
                "gen_ai.response.id": completion.id,
                "gen_ai.response.model": completion.model,
                "gen_ai.response.finish_reasons": [completion.choices[0].finish_reason],
                "gen_ai.output.messages": json.dumps([answer]),
                "gen_ai.usage.input_tokens": usage.prompt_tokens,
                "gen_ai.usage.output_tokens": usage.completion_tokens,
                "gen_ai.usage.cache_read.input_tokens": usage.prompt_tokens_details.cached_tokens,
                "gen_ai.usage.reasoning.output_tokens": usage.completion_tokens_details.reasoning_tokens,
            }
        )
        return message


def find_order(call):
    with tracer.start_as_current_span("execute_tool find_order") as span:
        found = "A-7: shipped"
        span.set_attributes(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "find_order",
                "gen_ai.tool.call.id": call["id"],
                "gen_ai.tool.call.arguments": call["function"]["arguments"],
                "gen_ai.tool.call.result": found,
            }
        )
        return {"role": "tool", "tool_call_id": call["id"], "content": found}


with tracer.start_as_current_span("invoke_agent support") as root:
    root.set_attributes(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "support",
            "gen_ai.workflow.name": "orders",
            "gen_ai.conversation.id": "conversation-7",
            "enduser.id": "customer-7",
            "spectral.tags": ["beta", "eu"],
        }
    )
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my order?"}]
    said.append(chat(said, tools=[TOOL]))
    said.append(find_order(said[-1]["tool_calls"][0]))
    chat(said, tools=[TOOL])

try:
    with tracer.start_as_current_span("invoke_agent mistaken") as root:
        root.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "mistaken"})
        chat([{"role": "user", "content": "Where is my order?"}], model="gpt-nonexistent")
except NotFoundError:
    pass

chat([{"role": "user", "content": "Where is my order?"}], model="house-model-7")
provider.shutdown()
