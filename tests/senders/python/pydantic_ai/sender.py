"""Agents of pydantic-ai in the forms that it can still write, traced by Logfire's SDK, which sends to any OTLP endpoint."""

import warnings
from contextlib import suppress

import logfire
from pydantic import BaseModel
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel

warnings.simplefilter("ignore")
logfire.configure(service_name="bicycle-shop", send_to_logfire=False, console=False, inspect_arguments=False, metrics=False)
logfire.instrument_pydantic_ai()


def find_order(order_id: str) -> str:
    """Find an order."""
    return f"{order_id}: shipped"


class Reply(BaseModel):
    order_id: str


support = Agent(OpenAIChatModel("gpt-4o-mini"), name="support", instructions="Be brief.", tools=[find_order])

with logfire.span("orders", _tags=["beta", "eu"], customer="customer-7"):
    support.run_sync("Where is my order?")

with logfire.span("streamed"):
    support.run_stream_sync("Where is my order?").get_output()

with logfire.span("structured"):
    Agent(OpenAIChatModel("gpt-4o-mini"), name="structured", output_type=Reply).run_sync("Where is my order?")

with suppress(ModelHTTPError):
    Agent(OpenAIChatModel("gpt-nonexistent"), name="mistaken").run_sync("Where is my order?")

Agent(OpenAIChatModel("house-model-7"), name="unpriced").run_sync("Where is my order?")
Agent(AnthropicModel("claude-sonnet-4-5"), name="claude_cached").run_sync("Where is my order?")
Agent(AnthropicModel("claude-haiku-4-5"), name="claude_fresh").run_sync("Where is my order?")

for version in (2, 3, 6):
    older = Agent(OpenAIChatModel("gpt-4o-mini"), name=f"version_{version}", instructions="Be brief.", tools=[find_order])
    older.instrument = InstrumentationSettings(version=version, use_aggregated_usage_attribute_names=version > 3)
    older.run_sync("Where is my order?")

logfire.info("The shop closes")
logfire.shutdown()
