"""What goes to a model and what comes back: the provider-neutral request and answer."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from spectral_platform.core.values import Value


def storable(text: Any) -> Any:
    """A text without what Postgres cannot hold and UTF-8 cannot carry: NUL, and halves of characters cut in two."""
    return text.replace("\x00", "").encode(errors="replace").decode() if isinstance(text, str) else text


StorableText = Annotated[str, BeforeValidator(storable)]


class Role(StrEnum):
    """Who speaks a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Message(Value):
    """One chat message."""

    role: Role = Field(description="Who speaks.")
    content: str = Field(description="What is said.")


class ModelRequest(Value):
    """One chat completion to ask for; everything that could change the answer is in here."""

    model: str
    messages: tuple[Message, ...]
    max_output_tokens: int = Field(gt=0)
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: dict[str, Any] | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class ModelAnswer(Value):
    """What a model answered. ``input_tokens`` includes the cached ones, ``output_tokens`` the reasoning ones."""

    text: StorableText
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    cached_input_tokens: int = Field(default=0, ge=0)
    reasoning_tokens: int = Field(default=0, ge=0)
    latency_ms: int = Field(ge=0)
    finish_reason: str = "stop"
