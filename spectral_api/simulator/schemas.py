"""Bodies of OpenAI's chat completions, as far as the simulator has a use for them."""

import json
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, field_validator

from spectral_api.schemas import Input, Output

SYSTEM_FINGERPRINT = "spectral-simulator"
LONGEST_SCHEMA = 50_000
DEEPEST_SCHEMA = 20
INT64 = 2**63

NoUse = Annotated[Any, Field(description="Taken, and without effect: the simulator has no use for it.")]
# Without any constraint text is not looked at, and may hold what cannot be encoded.
Text = Annotated[str, StringConstraints(min_length=0)]
Stop = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class TextPart(Input):
    """One part of a message."""

    type: Literal["text"] = Field(description="The simulator reads text alone.")
    text: Text = Field(description="The text.")


class ChatMessage(Input):
    """One message of a chat."""

    role: Literal["system", "developer", "user", "assistant"] = Field(
        description="Who speaks. The simulator calls no tools, so there are no messages of tools."
    )
    content: Text | list[TextPart] = Field(description="What is said, as a text or as parts that are joined by line breaks.")
    name: NoUse = None
    refusal: NoUse = None
    annotations: NoUse = None

    @property
    def text(self) -> str:
        """What is said, as one text."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)


class TextFormat(Input):
    """Free text."""

    type: Literal["text"] = Field(description="Free text.")


class JsonObjectFormat(Input):
    """Some JSON object."""

    type: Literal["json_object"] = Field(description="Some JSON object.")


class NamedSchema(Input):
    """A JSON Schema with a name."""

    name: str = Field(description="What the answer is called.", examples=["reply"])
    json_schema: dict[str, JsonValue] = Field(default={}, alias="schema", description="The JSON Schema of the answer.")
    description: NoUse = None
    strict: NoUse = None

    @field_validator("json_schema")
    @classmethod
    def _is_bounded(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if len(json.dumps(value, ensure_ascii=False).encode()) > LONGEST_SCHEMA or _depth(value) > DEEPEST_SCHEMA:
            raise ValueError(f"a schema may have {LONGEST_SCHEMA} bytes and {DEEPEST_SCHEMA} levels")
        return value


class JsonSchemaFormat(Input):
    """JSON that fits a schema."""

    type: Literal["json_schema"] = Field(description="JSON that fits a schema.")
    json_schema: NamedSchema = Field(description="The schema.")


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


class StreamOptions(Input):
    """What a stream carries."""

    include_usage: bool | None = Field(default=None, description="Whether the last event tells the tokens.")
    include_obfuscation: NoUse = None


class ChatCompletionCreate(Input):
    """A chat to complete, as OpenAI's API takes it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "sim/standard",
                    "messages": [
                        {"role": "system", "content": "You are the support agent of a shop. Name the source of every fact."},
                        {"role": "user", "content": "[KB-2] Returns: Goods can be returned within 30 days.\n\nMay I return it?"},
                    ],
                    "temperature": 0.2,
                }
            ]
        }
    )

    model: str = Field(description="One of the simulator's agent models.", examples=["sim/standard"])
    messages: list[ChatMessage] = Field(min_length=1, description="The chat so far.")
    max_completion_tokens: int | None = Field(default=None, gt=0, lt=INT64, description="Cap on the answer's tokens.")
    max_tokens: int | None = Field(default=None, gt=0, lt=INT64, description="The same under its older name.")
    temperature: float | None = Field(default=None, ge=0, le=2, description="Sampling temperature; heat costs reliability.")
    top_p: float | None = Field(default=None, ge=0, le=1, description="Nucleus sampling mass.")
    seed: int | None = Field(default=None, ge=-INT64, lt=INT64, description="The same request with the same seed has one answer.")
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = Field(default=None, description="What ends the answer.")
    response_format: ResponseFormat | None = Field(
        default=None, description="The form of the answer. Like a model's, the simulator's JSON fails now and then."
    )
    stream: bool | None = Field(default=None, description="Whether to answer as server-sent events.")
    stream_options: StreamOptions | None = Field(default=None, description="What the stream carries.")

    n: Literal[1] | None = Field(default=None, description="There is one answer.")
    logprobs: Literal[False] | None = Field(default=None, description="The simulator has no probabilities to tell.")
    top_logprobs: Literal[0] | None = Field(default=None, description="The simulator has no probabilities to tell.")
    modalities: list[Literal["text"]] | None = Field(default=None, description="The simulator writes text alone.")
    tool_choice: Literal["none", "auto"] | None = Field(default=None, description="The simulator calls no tools.")
    function_call: Literal["none", "auto"] | None = Field(default=None, description="The simulator calls no functions.")
    audio: None = Field(default=None, description="The simulator writes text alone.")
    moderation: None = Field(default=None, description="The simulator moderates nothing.")
    web_search_options: None = Field(default=None, description="The simulator searches nothing.")

    frequency_penalty: NoUse = None
    functions: NoUse = None
    logit_bias: NoUse = None
    metadata: NoUse = None
    parallel_tool_calls: NoUse = None
    prediction: NoUse = None
    presence_penalty: NoUse = None
    prompt_cache_key: NoUse = None
    prompt_cache_options: NoUse = None
    prompt_cache_retention: NoUse = None
    reasoning_effort: NoUse = None
    safety_identifier: NoUse = None
    service_tier: NoUse = None
    store: NoUse = None
    tools: NoUse = None
    user: NoUse = None
    verbosity: NoUse = None


class Simulated(Output):
    """Something that the simulator made up."""

    simulated: Literal[True] = Field(default=True, description="No model was asked.")


class Usage(Output):
    """The tokens of a chat, counted as a model would."""

    prompt_tokens: int = Field(description="Tokens of the messages.", examples=[41])
    completion_tokens: int = Field(description="Tokens of the answer.", examples=[12])
    total_tokens: int = Field(description="Both.", examples=[53])


class Answer(Output):
    """What the simulator says."""

    role: Literal["assistant"] = Field(default="assistant", description="Who speaks.")
    content: str = Field(description="The text; it ends in the simulator's invisible mark.")
    refusal: None = Field(default=None, description="Refusals are answers like others.")


class Choice(Output):
    """The one answer."""

    index: Literal[0] = Field(default=0, description="There is one answer.")
    message: Answer = Field(description="The answer.")
    logprobs: None = Field(default=None, description="There are none.")
    finish_reason: str = Field(description="`stop`, or `length` when it was cut off.", examples=["stop"])


class ChatCompletion(Simulated):
    """A completed chat, as OpenAI's API answers it."""

    id: str = Field(description="Names this answer.", examples=["chatcmpl-0198c5a2-7b1e-7c3d-9f00-3b6f4c1d2e5a"])
    object: Literal["chat.completion"] = Field(default="chat.completion", description="What this is.")
    created: int = Field(description="When, in seconds since 1970.", examples=[1795323600])
    model: str = Field(description="The model that answered.", examples=["sim/standard"])
    choices: list[Choice] = Field(description="The one answer.")
    usage: Usage = Field(description="The tokens.")
    system_fingerprint: str = Field(default=SYSTEM_FINGERPRINT, description="Who answered.")


class Model(Output):
    """A model that the simulator plays."""

    id: str = Field(description="Its name in requests.", examples=["sim/standard"])
    object: Literal["model"] = Field(default="model", description="What this is.")
    created: Literal[0] = Field(default=0, description="It came with the server.")
    owned_by: Literal["spectral"] = Field(default="spectral", description="Whose it is.")


class ModelList(Simulated):
    """The models that the simulator plays, as OpenAI's API lists models."""

    object: Literal["list"] = Field(default="list", description="What this is.")
    data: list[Model] = Field(description="The models.")


def _depth(value: JsonValue) -> int:
    match value:
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case list():
            return 1 + max(map(_depth, value), default=0)
    return 0
