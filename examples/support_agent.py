"""A support agent as a team would run it beside Spectral: it fetches its config, answers customers and exports its spans.

It knows Spectral only by its HTTP API and OpenTelemetry, from SPECTRAL_URL, SPECTRAL_WORKSPACE_ID and SPECTRAL_API_KEY in the
environment. Its model is Spectral's built-in simulator, or any endpoint that speaks OpenAI's chat completions::

    python examples/support_agent.py --rounds 10 --pause 60
    python examples/support_agent.py --openai-base-url http://localhost:11434/v1 --model llama3.2
"""

import argparse
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import httpx
from openai import OpenAI, OpenAIError
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind, Tracer

AGENT = "support-agent"
CONVERSATIONS = Path(__file__).with_name("conversations.json")
SAMPLING = {"temperature": "temperature", "top_p": "top_p", "seed": "seed", "stop": "stop_sequences"}
PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def main() -> None:
    """Answer every conversation, as many rounds as were asked for."""
    options = read_options()
    bearer = {"authorization": f"Bearer {options.key}"}
    exporter = CountingExporter(f"{options.url}/otel/v1/traces", headers=bearer, compression=Compression.Gzip)
    provider = TracerProvider(resource=Resource.create({"service.name": AGENT}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("examples.support_agent")
    source = ConfigSource(f"{options.url}/api/v1/workspaces/{options.workspace}", bearer)
    client = OpenAI(base_url=options.openai_base_url, api_key=options.openai_api_key or "none")

    failures = 0
    for number in range(options.rounds):
        if number:
            time.sleep(options.pause)
        config, is_new = source.fetch()
        model = options.model or config["hyperparameters"]["model"]
        print(f"{AGENT} runs config version {config['version']} ({'new' if is_new else 'unchanged'}) on {model}")
        for conversation in json.loads(CONVERSATIONS.read_text()):
            try:
                answer = answer_customer(tracer, client, config, model, conversation)
            except OpenAIError as error:
                failures += 1
                answer = f"(none: {getattr(error, 'body', None) or error})"
            print(f"\nQ: {conversation['input']}\nA: {answer}")

    provider.shutdown()  # exports what is still waiting
    print(f"\nSpectral took {exporter.accepted} of {exporter.offered} spans. The traces: GET {source.traces_url}")
    sys.exit(failures > 0 or exporter.accepted < exporter.offered)


def read_options() -> argparse.Namespace:
    """The command line's options, and the environment's."""
    parser = argparse.ArgumentParser(description="A support agent beside Spectral.")
    parser.add_argument("--rounds", type=int, default=1, help="how often to go through the conversations")
    parser.add_argument("--pause", type=float, default=60, help="seconds between rounds")
    parser.add_argument("--openai-base-url", default=os.environ.get("OPENAI_BASE_URL"), help="model endpoint")
    parser.add_argument("--openai-api-key", default=os.environ.get("OPENAI_API_KEY"), help="its key")
    parser.add_argument("--model", help="model to use instead of the config's")
    options = parser.parse_args()
    try:
        names = ("SPECTRAL_URL", "SPECTRAL_WORKSPACE_ID", "SPECTRAL_API_KEY")
        options.url, options.workspace, options.key = (os.environ[name].rstrip("/") for name in names)
    except KeyError as missing:
        sys.exit(f"{missing.args[0]} is not set.")
    if options.openai_base_url is None:  # the simulator takes Spectral's own keys
        options.openai_base_url, options.openai_api_key = f"{options.url}/simulator/v1", options.key
    return options


class ConfigSource:
    """The config that Spectral says is in production, fetched again only when it has changed."""

    def __init__(self, workspace_url: str, headers: dict[str, str]) -> None:
        self._spectral = httpx.Client(base_url=workspace_url, headers=headers, timeout=30)
        agents = self._get("/agents", params={"search": AGENT, "limit": 200}).json()["results"]
        found = next((agent for agent in agents if agent["name"] == AGENT), None)
        if found is None:
            sys.exit(f"The workspace has no agent {AGENT}.")
        self._config_path = f"/agents/{found['id']}/config"
        self.traces_url = f"{workspace_url}/traces?agent_id={found['id']}"
        self._etag = ""
        self._config: dict[str, Any] = {}

    def fetch(self) -> tuple[dict[str, Any], bool]:
        """The config, and whether it is another one than last time. Without an answer the last one stays good."""
        try:
            response = self._get(self._config_path, headers={"If-None-Match": self._etag} if self._etag else {})
        except httpx.TransportError:
            if not self._config:
                raise
            return self._config, False
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return self._config, False
        self._config, self._etag = response.json(), response.headers["ETag"]
        return self._config, True

    def _get(self, path: str, **request: Any) -> httpx.Response:
        response = self._spectral.get(path, **request)
        if response.is_error:
            sys.exit(f"{response.url} answered {response.status_code}: {response.text}")
        return response


class CountingExporter(OTLPSpanExporter):
    """The SDK's exporter, which logs failures and goes on; at the end somebody should know."""

    offered = accepted = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans and count those that were taken."""
        result = super().export(spans)
        self.offered += len(spans)
        self.accepted += len(spans) if result is SpanExportResult.SUCCESS else 0
        return result


def answer_customer(tracer: Tracer, client: OpenAI, config: dict[str, Any], model: str, conversation: dict[str, str]) -> str:
    """Answer one question, as one trace: the agent's span around the model's. Errors of either end up on both."""
    with tracer.start_as_current_span(f"invoke_agent {AGENT}") as turn:
        turn.set_attributes(
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": AGENT,
                "gen_ai.agent.id": config["agent_id"],
                "gen_ai.conversation.id": str(uuid.uuid4()),
                "gen_ai.input.messages": recorded({"role": "user", "content": conversation["input"]}),
                "spectral.config.version": config["version"],
            }
        )
        answer = call_model(tracer, client, config["hyperparameters"], model, render(config["template"], conversation))
        turn.set_attribute("gen_ai.output.messages", recorded({"role": "assistant", "content": answer}))
        return answer


def render(template: dict[str, Any], values: dict[str, str]) -> list[dict[str, str]]:
    """The chat that a template makes of these values: its prompts with ``{{name}}`` filled in, its examples as earlier turns."""

    def fill(text: str) -> str:
        return PLACEHOLDER.sub(lambda match: values.get(match.group(1), ""), text)

    turns = (("user", "input"), ("assistant", "output"))
    return [
        {"role": "system", "content": fill(template["base_prompt"])},
        *({"role": role, "content": example[part]} for example in template["examples"] for role, part in turns),
        {"role": "user", "content": fill(template["user_prompt"] or "{{input}}")},
    ]


def call_model(tracer: Tracer, client: OpenAI, parameters: dict[str, Any], model: str, messages: list[dict[str, str]]) -> str:
    """Ask the model, as a span with what went in, what came out and what it took."""
    chosen = {name: parameters[name] for name in SAMPLING if parameters[name] not in (None, [])}
    with tracer.start_as_current_span(f"chat {model}", kind=SpanKind.CLIENT) as call:
        call.set_attributes({f"gen_ai.request.{SAMPLING[name]}": value for name, value in chosen.items()})
        call.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": model})
        call.set_attribute("gen_ai.input.messages", recorded(*messages))
        completion = client.chat.completions.create(
            model=model,
            messages=cast(Any, messages),  # plain dicts are what the endpoint takes
            max_tokens=parameters["max_output_tokens"] or 512,
            extra_body=parameters["extra"],
            **chosen,
        )
        answer = completion.choices[0].message.content or ""
        call.set_attributes(
            {
                "gen_ai.provider.name": "spectral.simulator" if (completion.model_extra or {}).get("simulated") else "openai",
                "gen_ai.response.model": completion.model,
                "gen_ai.response.finish_reasons": [completion.choices[0].finish_reason],
                "gen_ai.output.messages": recorded({"role": "assistant", "content": answer}),
            }
        )
        if usage := completion.usage:
            call.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
            call.set_attribute("gen_ai.usage.output_tokens", usage.completion_tokens)
        return answer


def recorded(*messages: dict[str, str]) -> str:
    """Messages as OpenTelemetry's conventions for generative AI record them on spans."""
    return json.dumps([{"role": each["role"], "parts": [{"type": "text", "content": each["content"]}]} for each in messages])


if __name__ == "__main__":
    main()
