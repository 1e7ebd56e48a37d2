"""Agents of pydantic-ai as it traced them before it had OpenTelemetry's conventions: events, kept in attributes."""

from contextlib import suppress

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIModel

provider = TracerProvider(resource=Resource({"service.name": "bicycle-shop"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))


def find_order(order_id: str) -> str:
    """Find an order."""
    return f"{order_id}: shipped"


Agent(OpenAIModel("gpt-4o-mini"), name="support", instructions="Be brief.", tools=[find_order]).run_sync("Where is my order?")
with suppress(ModelHTTPError):
    Agent(OpenAIModel("gpt-nonexistent"), name="mistaken").run_sync("Where is my order?")
Agent(OpenAIModel("house-model-7"), name="unpriced").run_sync("Where is my order?")
provider.shutdown()
