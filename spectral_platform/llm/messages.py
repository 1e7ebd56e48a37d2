"""What goes to a model and what comes back: the provider-neutral request and answer."""

import operator
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

import orjson
from pydantic import BeforeValidator, Field

from spectral_platform.core.values import Value

MOST_TOKENS = 2**31 - 1
"""What the ledger has room for; no model comes near it, and who claims more has miscounted."""


def storable(value: Any) -> Any:
    """A text, or a document of texts, without what Postgres cannot hold and UTF-8 cannot carry: NUL, and halves of characters."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {storable(name): storable(each) for name, each in value.items()}
    return [storable(each) for each in value] if isinstance(value, list) else value


def _can_be_written(arguments: Mapping[str, Any]) -> bool:
    """Whether they can be written again also within what holds them: what is nested too deeply for that is never stored."""
    try:
        orjson.dumps([[[[[[[[arguments]]]]]]]])
    except orjson.JSONEncodeError:
        return False
    return True


StorableText = Annotated[str, BeforeValidator(storable)]


class Role(StrEnum):
    """Who speaks a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class ToolCall(Value):
    """That a model calls a tool. The ``id`` is given by whoever goes on with the chat."""

    name: StorableText = Field(description="The tool's name.")
    arguments: dict[str, Any] | str = Field(
        default_factory=dict, description="Its arguments; as text only where the model wrote no JSON object."
    )
    id: str = Field(default="", exclude_if=operator.not_, description="Tells the calls of a chat apart.")
    signature: str = Field(
        default="",
        exclude_if=operator.not_,
        description="What the provider wants back with the call, in Base64 (Google's thought signature).",
    )

    @classmethod
    def read(cls, name: str, arguments: object) -> Self:
        """A call as models and instrumentations write it: the arguments as an object, as JSON text, or not at all."""
        if arguments is None or arguments == "":
            return cls(name=name)
        if isinstance(arguments, Mapping) and _can_be_written(arguments):
            return cls(name=name, arguments=storable(arguments))
        text: str = storable(arguments) if isinstance(arguments, str) else repr(arguments)
        try:
            read = orjson.loads(text)
        except orjson.JSONDecodeError:
            return cls(name=name, arguments=text)
        is_object = isinstance(read, dict) and _can_be_written(read)
        return cls(name=name, arguments=storable(read) if is_object else text)

    @property
    def arguments_text(self) -> str:
        """The arguments as JSON, in the order of their names, or as the text that they are."""
        if isinstance(self.arguments, str):
            return self.arguments
        return orjson.dumps(self.arguments, option=orjson.OPT_SORT_KEYS).decode()

    def written(self) -> str:
        """The call as one line of JSON, with its arguments in the order of their names."""
        return orjson.dumps({"name": self.name, "arguments": self.arguments}, option=orjson.OPT_SORT_KEYS).decode()


class Message(Value):
    """One chat message."""

    role: Role = Field(description="Who speaks.")
    content: str = Field(description="What is said.")
    tool_calls: tuple[ToolCall, ...] = Field(
        default=(), exclude_if=operator.not_, description="The tools that an assistant calls; of a tool, the one call it answers."
    )

    @property
    def size(self) -> int:
        """Its bytes, of which every token has at least one."""
        called = sum(len(call.written().encode()) + len(call.signature) + len(call.id) for call in self.tool_calls)
        return len(self.content.encode()) + called


class EndpointCall(Value):
    """One call of a customer's endpoint, which runs the agent in place of its model; secret headers are not in here."""

    url: str
    body: dict[str, Any]
    headers_id: UUID | None = None
    timeout_ms: int | None = None
    max_concurrency: int | None = None


class ModelRequest(Value):
    """One chat completion to ask for, or the call that stands for it; everything that could change the answer is in here.

    With ``compares`` it asks instead how alike its two messages are: the answer's text is the cosine of their embeddings.
    """

    model: str
    messages: tuple[Message, ...]
    max_output_tokens: int = Field(gt=0)
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: dict[str, Any] | None = None
    tools: tuple[dict[str, Any], ...] = Field(default=(), exclude_if=operator.not_)
    extra: dict[str, Any] = Field(default_factory=dict)
    compares: bool = Field(default=False, exclude_if=operator.not_)
    endpoint: EndpointCall | None = Field(default=None, exclude_if=operator.not_)


class ModelAnswer(Value):
    """What a model answered.

    ``input_tokens`` includes those read from a cache and written to it, ``output_tokens`` the reasoning ones.

    No tokens at all means that nobody counted them: only a customer's endpoint leaves them out. ``cost_usd`` is what such an
    endpoint said that the answer cost it.
    """

    text: StorableText
    tool_calls: tuple[ToolCall, ...] = ()
    input_tokens: int = Field(ge=0, le=MOST_TOKENS)
    output_tokens: int = Field(ge=0, le=MOST_TOKENS)
    cached_input_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)
    cache_write_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS, exclude_if=operator.not_)
    reasoning_tokens: int = Field(default=0, ge=0, le=MOST_TOKENS)
    latency_ms: int = Field(ge=0)
    finish_reason: StorableText = "stop"
    cost_usd: Decimal | None = Field(default=None, ge=0)

    @property
    def total_tokens(self) -> int | None:
        """Every token of the call; None where nobody counted them."""
        return self.input_tokens + self.output_tokens or None
