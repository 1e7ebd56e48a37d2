"""What an agent runs with: prompt template, hyperparameters and execution, as one immutable value."""

from enum import StrEnum
from typing import Any, Literal, Self

import orjson
from pydantic import Field, HttpUrl, model_validator

from spectral_platform.agents.placeholders import GIVEN, placeholders_of
from spectral_platform.core.values import Value


class ChainOfThought(StrEnum):
    """How much reasoning the template asks for."""

    NONE = "none"
    BRIEF = "brief"
    FULL = "full"


class ContextSelection(Value):
    """Which retrieved context enters the prompt."""

    strategy: str = Field(description="How context items are chosen, such as `recent` or `similar`.")
    max_items: int = Field(gt=0, description="At most so many items.")
    max_tokens: int = Field(gt=0, description="At most so many tokens in all.")
    truncation: str = Field(description="What is cut when it does not fit, such as `head` or `tail`.")


class Example(Value):
    """One few-shot example."""

    input: str = Field(description="What the user said.")
    output: str = Field(description="What the agent should answer.")


class OutputFormat(Value):
    """The form that an answer must have."""

    kind: Literal["text", "json"] = Field(default="text", description="Free text or JSON.")
    json_schema: dict[str, Any] | None = Field(default=None, description="JSON Schema of the answer when it is JSON.")


class TemplateReference(Value):
    """A managed template in one of its versions."""

    name: str = Field(min_length=1, max_length=200, description="The managed template's name.")
    version: int | None = Field(
        default=None, gt=0, le=2_147_483_647, description="Its version; without one, the version that is current now."
    )


class PromptTemplate(Value):
    """The structured prompt of an agent; `{{name}}` is a placeholder."""

    base_prompt: str = Field(
        default="",
        description="System prompt; placeholders are written `{{name}}`. It may be left out where `managed_template` gives it.",
    )
    managed_template: TemplateReference | None = Field(
        default=None, description="The managed template, in one version, whose text the system prompt is."
    )
    user_prompt: str | None = Field(default=None, description="User message; without it, the input itself is sent.")
    variables: tuple[str, ...] = Field(default=(), description="Names of the placeholders.")
    context_selection: ContextSelection | None = Field(default=None, description="Which context enters the prompt.")
    chain_of_thought: ChainOfThought = Field(default=ChainOfThought.NONE, description="How much reasoning to ask for.")
    examples: tuple[Example, ...] = Field(default=(), description="Few-shot examples, in order.")
    output_format: OutputFormat | None = Field(default=None, description="Form of the answer.")
    tools: tuple[dict[str, Any], ...] = Field(default=(), description="Tool definitions, as the model's API takes them.")

    @property
    def undeclared(self) -> list[str]:
        """The placeholders that ``variables`` does not list; none where it lists nothing, which declares whatever there is."""
        used = placeholders_of(f"{self.base_prompt}\n{self.user_prompt or ''}")
        return [name for name in used if self.variables and name not in {*self.variables, *GIVEN}]

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.base_prompt and self.managed_template is None:
            raise ValueError("give a `base_prompt`, or a `managed_template` that has one")
        return self


class Hyperparameters(Value):
    """Model and sampling parameters."""

    model: str = Field(min_length=1, description="Model name as the provider knows it; `sim/*` is the simulator.")
    temperature: float | None = Field(default=None, ge=0, le=2, description="Sampling temperature.")
    top_p: float | None = Field(default=None, gt=0, le=1, description="Nucleus sampling mass.")
    max_output_tokens: int | None = Field(default=None, gt=0, description="Cap on the answer's tokens.")
    seed: int | None = Field(default=None, description="Sampling seed; providers treat it as a hint.")
    stop: tuple[str, ...] = Field(default=(), description="Sequences that end the answer.")
    extra: dict[str, Any] = Field(default_factory=dict, description="Further parameters, passed on as they are.")


class Execution(Value):
    """How a scan runs the agent: by calling its model, or the customer's own endpoint."""

    kind: Literal["model", "http"] = Field(default="model", description="`model` or the customer's `http` endpoint.")
    url: HttpUrl | None = Field(default=None, description="Endpoint of an `http` agent.")
    timeout_ms: int | None = Field(default=None, gt=0, description="Time limit of one call in milliseconds.")


class AgentConfig(Value):
    """Everything an agent runs with; one config version holds one of these."""

    template: PromptTemplate = Field(description="The structured prompt.")
    hyperparameters: Hyperparameters = Field(description="Model and sampling parameters.")
    execution: Execution | None = Field(default=None, description="How a scan runs the agent; by default its model.")

    @model_validator(mode="after")
    def _is_storable(self) -> Self:
        try:
            orjson.dumps(self.model_dump(mode="json"))
        except TypeError as error:
            raise ValueError(f"the config cannot be stored: {error}") from None
        return self
