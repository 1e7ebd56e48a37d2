"""How a config becomes a chat request: placeholders filled, examples as earlier turns, form and reasoning asked for."""

from collections.abc import Mapping, Sequence

import orjson

from spectral_platform.agents.configuration import AgentConfig, ChainOfThought, OutputFormat
from spectral_platform.agents.context import select_context
from spectral_platform.agents.placeholders import fill, placeholders_of
from spectral_platform.agents.tools import offered
from spectral_platform.llm.messages import Message, ModelRequest, Role

DEFAULT_MAX_OUTPUT_TOKENS = 1_024
"""Sent where the config sets no cap: a call without one could cost more than was reserved for it."""

_REASONING = {
    ChainOfThought.BRIEF: "Think it through briefly before you answer; give only the answer.",
    ChainOfThought.FULL: "Think it through step by step before you answer; give only the answer.",
}


def render_request(
    config: AgentConfig,
    *,
    input: str | Mapping[str, str],
    context: str | Sequence[str] | None = None,
    seed: int | None = None,
    max_output_tokens: int = DEFAULT_MAX_OUTPUT_TOKENS,
) -> ModelRequest:
    """The chat that asks the agent's model for one answer.

    ``input`` is the user's text, or values of template variables. ``{{input}}`` and ``{{context}}`` may stand in
    either prompt; where no prompt has a place for the context, it goes before the input. Of the context there is as much as the
    template selects. A placeholder without a value becomes empty. ``seed`` tells repeats of a case apart and goes before the
    config's own.
    """
    template, parameters = config.template, config.hyperparameters
    given = {"input": input} if isinstance(input, str) else dict(input)
    text = given.get("input") or "\n".join(f"{name}: {value}" for name, value in given.items() if name != "context")
    context = select_context(given.get("context") or context or "", template.context_selection, question=text)
    values = {**given, "input": text, "context": context}
    system = [fill(template.base_prompt, values)]
    if template.chain_of_thought in _REASONING:
        system.append(_REASONING[template.chain_of_thought])
    if template.output_format is not None and template.output_format.kind == "json":
        system.append(_form(template.output_format))
    request = fill(template.user_prompt, values) if template.user_prompt else text
    if context and not any("context" in placeholders_of(part or "") for part in (template.base_prompt, template.user_prompt)):
        request = f"Context:\n{context}\n\nQuestion: {request}"
    turns = [
        message
        for example in template.examples
        for message in (
            Message(role=Role.USER, content=example.input),
            Message(role=Role.ASSISTANT, content=example.output),
        )
    ]
    return ModelRequest(
        model=parameters.model,
        messages=(
            Message(role=Role.SYSTEM, content="\n\n".join(system)),
            *turns,
            Message(role=Role.USER, content=request),
        ),
        max_output_tokens=parameters.max_output_tokens or max_output_tokens,
        temperature=parameters.temperature,
        top_p=parameters.top_p,
        seed=parameters.seed if seed is None else seed,
        stop=parameters.stop,
        json_schema=template.output_format.json_schema if template.output_format else None,
        tools=offered(template.tools),
        extra=parameters.extra,
    )


def _form(output_format: OutputFormat) -> str:
    if output_format.json_schema is None:
        return "Answer with one JSON object and nothing else."
    return "Answer with JSON only, valid under this schema: " + orjson.dumps(output_format.json_schema).decode()
