"""How a scan asks an agent: its model, with the rendered chat, or the customer's own endpoint, with the config to run."""

from collections.abc import Mapping

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.rendering import render_request
from spectral_platform.llm.messages import EndpointCall, ModelRequest
from spectral_platform.llm.purposes import Purpose


def execution_purpose(config: AgentConfig) -> Purpose:
    """What a call that runs this config is for."""
    is_http = config.execution is not None and config.execution.kind == "http"
    return Purpose.CUSTOMER_REPLAY if is_http else Purpose.AGENT_TURN


def execution_request(
    config: AgentConfig, *, input: str | Mapping[str, str], context: str | None = None, seed: int | None = None
) -> ModelRequest:
    """The request that runs this config once, whichever way it is run.

    An endpoint gets the case, the config that it is to run with instead of its own, and the chat that this config renders to, so
    that an agent that is a thin layer over a model can pass it on. It is told nothing of what the run is for.
    """
    request = render_request(config, input=input, context=context, seed=seed)
    execution = config.execution
    if execution is None or execution.kind != "http":
        return request
    body = {
        "input": input if isinstance(input, str) else input.get("input"),
        "variables": {} if isinstance(input, str) else dict(input),
        "context": context,
        "messages": [message.model_dump(mode="json") for message in request.messages],
        "config": config.model_dump(mode="json", include={"template", "hyperparameters"}),
        "seed": request.seed,
    }
    endpoint = EndpointCall(
        url=str(execution.url),
        body=body,
        headers_id=execution.headers_secret_id,
        timeout_ms=execution.timeout_ms,
        max_concurrency=execution.max_concurrency,
    )
    return request.model_copy(update={"endpoint": endpoint})
