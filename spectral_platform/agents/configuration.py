"""What an agent runs with: prompt template, hyperparameters and execution, as one immutable value."""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import orjson
from pydantic import AfterValidator, Field, HttpUrl, SecretStr, model_validator

from spectral_platform.agents.headers import MOST_HEADERS, SecretHeaders
from spectral_platform.agents.placeholders import GIVEN, placeholders_of
from spectral_platform.core.values import Value

LONGEST_TIMEOUT_MS = 600_000
MOST_CALLS_AT_ONCE = 64


class ChainOfThought(StrEnum):
    """How much reasoning the template asks for."""

    NONE = "none"
    BRIEF = "brief"
    FULL = "full"


class ContextStrategy(StrEnum):
    """Which items of the context are wanted most."""

    FIRST = "first"
    """Those that come first, as a retriever ranks them."""
    RECENT = "recent"
    """Those that come last, as in a conversation."""
    SIMILAR = "similar"
    """Those that share the most telling words with the input."""


class Truncation(StrEnum):
    """What is cut when the context does not fit."""

    HEAD = "head"
    TAIL = "tail"
    MIDDLE = "middle"
    ITEMS = "items"
    """Whole items, those that are wanted least first."""


class ContextSelection(Value):
    """Which of the context that comes with an input enters the prompt. Items are paragraphs, or else lines."""

    strategy: ContextStrategy = Field(
        description="Which items are wanted most: the `first`, the most `recent` (last), or those most `similar` to the input."
    )
    max_items: int = Field(gt=0, description="At most so many items.")
    max_tokens: int = Field(gt=0, description="At most so many tokens in all, reckoned as four bytes each.")
    truncation: Truncation = Field(
        description="What is cut when that is too much: the `head`, the `tail`, the `middle`, or whole `items`."
    )


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
    tools: tuple[dict[str, Any], ...] = Field(
        default=(),
        description="Tool definitions, as the model's API takes them. `annotations: {readOnlyHint: true}` beside one says, as in "
        "the Model Context Protocol, that it changes nothing; models are not told.",
    )

    @property
    def placeholders(self) -> list[str]:
        """The names of the places for values in both prompts."""
        return placeholders_of(f"{self.base_prompt}\n{self.user_prompt or ''}")

    @property
    def undeclared(self) -> list[str]:
        """The placeholders that ``variables`` does not list; none where it lists nothing, which declares whatever there is."""
        return [name for name in self.placeholders if self.variables and name not in {*self.variables, *GIVEN}]

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
    """How a scan runs the agent: by calling its model, or the customer's own endpoint.

    Secret headers are taken and never given back: they are kept sealed, apart from the config, which refers to them by their id.
    """

    kind: Literal["model", "http"] = Field(default="model", description="`model` or the customer's `http` endpoint.")
    url: HttpUrl | None = Field(default=None, description="Endpoint of an `http` agent.")
    headers_secret: Annotated[dict[str, SecretStr], AfterValidator(SecretHeaders.check)] | None = Field(
        default=None,
        exclude=True,
        max_length=MOST_HEADERS,
        description="Headers that each call carries, such as `Authorization`. Never shown again; they belong to this origin.",
        examples=[{"Authorization": "Bearer s3cret"}],
        json_schema_extra={"writeOnly": True},
    )
    headers_secret_id: UUID | None = Field(
        default=None, description="The kept secret headers; a new version that says this keeps them. Null = none."
    )
    headers_secret_names: tuple[str, ...] = Field(
        default=(), description="Names of the kept secret headers; what is sent here is replaced by what is kept."
    )
    timeout_ms: int | None = Field(default=None, gt=0, description="Time limit of one call in milliseconds.")
    max_concurrency: int | None = Field(
        default=None, gt=0, description="At most so many calls at once; by default as many as the server makes to models."
    )


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


def _is_runnable(config: AgentConfig) -> AgentConfig:
    execution = config.execution or Execution()
    if execution.kind == "http":
        if execution.url is None:
            raise ValueError("an agent of kind http needs the url of its endpoint")
        if execution.headers_secret and execution.headers_secret_id is not None:
            raise ValueError("give headers_secret for new secret headers or headers_secret_id for kept ones, not both")
        if (execution.timeout_ms or 0) > LONGEST_TIMEOUT_MS:
            raise ValueError(f"timeout_ms is at most {LONGEST_TIMEOUT_MS}")
        if (execution.max_concurrency or 0) > MOST_CALLS_AT_ONCE:
            raise ValueError(f"max_concurrency is at most {MOST_CALLS_AT_ONCE}")
    elif execution.url is not None or execution.headers_secret or execution.headers_secret_id is not None:
        raise ValueError("only an agent of kind http has a url and secret headers")
    return config


WritableConfig = Annotated[AgentConfig, AfterValidator(_is_runnable)]
"""A config as somebody hands it in. Stored ones may be older than these rules, and are read all the same."""
