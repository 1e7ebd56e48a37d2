"""A support agent as a team would run it beside Spectral: it fetches its config, answers customers and exports its spans.

It knows Spectral only by its HTTP API and OpenTelemetry. Needs in the environment SPECTRAL_URL, SPECTRAL_WORKSPACE_ID and
SPECTRAL_API_KEY (a key with the default scopes). Without further options the model is Spectral's built-in simulator, over HTTP;
any OpenAI-compatible endpoint does as well::

    python examples/support_agent.py
    python examples/support_agent.py --openai-base-url http://localhost:11434/v1 --model llama3.2
"""

import argparse
import json
import os
import re
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
from openai import OpenAI
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

AGENT = "support-agent"
CONVERSATIONS = Path(__file__).with_name("conversations.json")
PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def main() -> None:
    """Answer every conversation once."""
    options = read_options()
    spectral = httpx.Client(base_url=options.url, headers={"Authorization": f"Bearer {options.key}"}, timeout=30)
    config = fetch_config(spectral, options.workspace)
    model = options.model or config["hyperparameters"]["model"]
    print(f"{AGENT} runs config version {config['version']} on {model}")

    provider = TracerProvider(resource=Resource.create({"service.name": AGENT}))
    exporter = OTLPSpanExporter(
        endpoint=f"{options.url}/otel/v1/traces",
        headers={"authorization": f"Bearer {options.key}"},
        compression=Compression.Gzip,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("examples.support_agent")
    client = OpenAI(base_url=options.openai_base_url, api_key=options.openai_api_key)

    for conversation in json.loads(CONVERSATIONS.read_text()):
        answer = run_turn(tracer, client, config, model, conversation)
        print(f"\nQ: {conversation['question']}\nA: {answer}")
    provider.shutdown()  # sends what is still waiting
    print(f"\nThe traces: GET {options.url}/api/v1/workspaces/{options.workspace}/traces")


def read_options() -> argparse.Namespace:
    """The command line's options, and the environment's."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--openai-base-url", default=os.environ.get("OPENAI_BASE_URL"), help="model endpoint")
    parser.add_argument("--openai-api-key", default=os.environ.get("OPENAI_API_KEY"), help="its key")
    parser.add_argument("--model", help="model to use instead of the config's")
    options = parser.parse_args()
    try:
        options.url = os.environ["SPECTRAL_URL"].rstrip("/")
        options.workspace = os.environ["SPECTRAL_WORKSPACE_ID"]
        options.key = os.environ["SPECTRAL_API_KEY"]
    except KeyError as missing:
        sys.exit(f"{missing.args[0]} is not set.")
    if options.openai_base_url is None:  # the simulator takes Spectral's own keys
        options.openai_base_url, options.openai_api_key = f"{options.url}/simulator/v1", options.key
    options.openai_api_key = options.openai_api_key or "none"
    return options


def fetch_config(spectral: httpx.Client, workspace: str) -> dict[str, Any]:
    """What Spectral says this agent runs with in production."""
    agents = spectral.get(f"/api/v1/workspaces/{workspace}/agents", params={"search": AGENT}).raise_for_status().json()
    agent = next((found for found in agents["results"] if found["name"] == AGENT), None)
    if agent is None:
        sys.exit(f"The workspace has no agent {AGENT}.")
    config: dict[str, Any] = spectral.get(f"/api/v1/workspaces/{workspace}/agents/{agent['id']}/config").raise_for_status().json()
    return config


def run_turn(tracer: Tracer, client: OpenAI, config: dict[str, Any], model: str, conversation: dict[str, str]) -> str:
    """Answer one question, as one trace: the agent's span around the model's."""
    values = {"input": conversation["question"], "context": conversation["articles"]}
    template, parameters = config["template"], config["hyperparameters"]
    messages = [
        {"role": "system", "content": fill(template["base_prompt"], values)},
        {"role": "user", "content": fill(template["user_prompt"] or "{{input}}", values)},
    ]
    with tracer.start_as_current_span(f"invoke_agent {AGENT}") as turn:
        turn.set_attributes(
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": AGENT,
                "gen_ai.conversation.id": str(uuid.uuid4()),
                "gen_ai.input.messages": as_messages("user", conversation["question"]),
                "spectral.config.version": config["version"],
            }
        )
        with tracer.start_as_current_span(f"chat {model}") as call:
            completion = client.chat.completions.create(
                model=model,
                messages=messages,  # type: ignore[arg-type]  # plain dicts are what the endpoint takes
                temperature=parameters["temperature"],
                max_tokens=parameters["max_output_tokens"] or 512,
            )
            answer = completion.choices[0].message.content or ""
            call.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": model,
                    "gen_ai.input.messages": json.dumps([as_message(m["role"], m["content"]) for m in messages]),
                    "gen_ai.output.messages": as_messages("assistant", answer),
                }
            )
            if completion.usage is not None:
                call.set_attribute("gen_ai.usage.input_tokens", completion.usage.prompt_tokens)
                call.set_attribute("gen_ai.usage.output_tokens", completion.usage.completion_tokens)
        turn.set_attribute("gen_ai.output.messages", as_messages("assistant", answer))
    return answer


def fill(text: str, values: dict[str, str]) -> str:
    """The text with its ``{{name}}`` placeholders filled."""
    return PLACEHOLDER.sub(lambda match: values.get(match.group(1), ""), text)


def as_message(role: str, content: str) -> dict[str, Any]:
    """A message in the form of the GenAI semantic conventions."""
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def as_messages(role: str, content: str) -> str:
    """A list of one message, as span attributes hold it."""
    return json.dumps([as_message(role, content)])


if __name__ == "__main__":
    main()
