"""Bodies of the agents' endpoints."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, computed_field, model_validator
from pydantic.config import JsonDict

from spectral_api.schemas import Input, Output, Time
from spectral_platform.agents.configuration import AgentConfig, Execution, Hyperparameters, PromptTemplate, WritableConfig
from spectral_platform.agents.queries import LONGEST_NAME
from spectral_platform.agents.states import AgentOrigin, AgentStatus
from spectral_platform.agents.versions import Author, ConfigSource, Label
from spectral_platform.llm.messages import Message

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Context = Annotated[str, StringConstraints(max_length=200_000)]
Long = Annotated[str, StringConstraints(max_length=20_000)]

NAME = "The name that the agent's spans carry; unique in the workspace."
ROLE = "What the agent is there for, in a few words; null = not said."
DESCRIPTION = "What the agent does; null = not said."
KIND = "What sort of agent it is, such as `assistant`, `router` or `extractor`; null = not said."
DEPENDS_ON = "The agents whose output this one needs; there must be no circle."
VERSION = Field(description="The version, counted from 1.", examples=[1])
CONFIG_EXAMPLE: JsonDict = {
    "template": {"base_prompt": "You answer questions about orders. Cite the article that you use."},
    "hyperparameters": {"model": "sim/standard", "temperature": 0.2},
}


class AgentCreate(Input):
    """A new agent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "support-assistant", "role": "Answers customers", "config": CONFIG_EXAMPLE}],
        }
    )

    name: Name = Field(description=NAME)
    role: Short | None = Field(default=None, description=ROLE)
    description: Long | None = Field(default=None, description=DESCRIPTION)
    kind: Short | None = Field(default=None, description=KIND)
    depends_on: list[UUID] = Field(default=[], max_length=100, description=DEPENDS_ON)
    config: WritableConfig | None = Field(
        default=None,
        description="What the agent runs with today. It becomes version 1 and carries the labels `approved` and `production`.",
    )


class AgentUpdate(Input):
    """Changes to an agent; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "Answers questions about orders."}]})

    name: Name = Field(default="", description=NAME)
    role: Short | None = Field(default=None, description=ROLE)
    description: Long | None = Field(default=None, description=DESCRIPTION)
    kind: Short | None = Field(default=None, description=KIND)
    depends_on: list[UUID] = Field(default=[], max_length=100, description=DEPENDS_ON)


class Merge(Input):
    """The agent that another one is merged into."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"into": "0198c5a2-7b1e-7c3d-9f00-3b6f4c1d2e5a"}]})

    into: UUID = Field(description="The agent that stays; the other one becomes an alias of it.")


class Agent(Output):
    """An agent."""

    id: UUID = Field(description="The agent.")
    name: str = Field(description=NAME, examples=["support-assistant"])
    aliases: list[str] = Field(description="Other names under which its spans come: those of agents that were merged into it.")
    role: str | None = Field(description=ROLE)
    description: str | None = Field(description=DESCRIPTION)
    kind: str | None = Field(description=KIND)
    origin: AgentOrigin = Field(description="`declared` by somebody, or `inferred` from a name on spans.")
    status: AgentStatus = Field(description="`pending` until an inferred agent is confirmed; pending agents are not scanned.")
    depends_on: list[UUID] = Field(description=DEPENDS_ON)
    latest_version: int = Field(description="The newest config version; 0 = none yet.")
    approved_version: int | None = Field(description="The config version that scans start from; null = none.")
    production_version: int | None = Field(description="The config version that runs today; null = none.")
    confirmed_at: Time | None = Field(description="When an inferred agent was confirmed; null = it was not.")
    created_at: Time = Field(description="When it was declared or first seen.")
    updated_at: Time = Field(description="When it was last changed.")

    @computed_field(description="The same id under its other name.")
    @property
    def agent_id(self) -> UUID:
        """The agent's id under its other name."""
        return self.id


class Edge(Output):
    """One dependency between two agents."""

    agent_id: UUID = Field(description="The agent that needs the other one.")
    depends_on_id: UUID = Field(description="The agent whose output it needs.")


class AgentGraph(Output):
    """How the agents of a workspace depend on each other."""

    nodes: list[Agent] = Field(description="All agents, by name.")
    edges: list[Edge] = Field(description="Who needs whom.")
    topological_order: list[UUID] = Field(description="All agents, each after those that it needs.")


class Config(Output):
    """What an agent is to run with. The entity tag stands for exactly these fields."""

    agent_id: UUID = Field(description="The agent.")
    version: int = VERSION
    template: PromptTemplate = Field(description="The structured prompt.")
    hyperparameters: Hyperparameters = Field(description="Model and sampling parameters.")
    execution: Execution | None = Field(description="How a scan runs the agent; null = by its model.")


class ConfigVersionCreate(Input):
    """A new config version."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"config": CONFIG_EXAMPLE, "note": "Asks for a citation."}]})

    config: WritableConfig = Field(description="Everything the agent runs with.")
    note: Short | None = Field(default=None, description="Why there is this version; null = not said.")


class ConfigVersion(Output):
    """One immutable version of an agent's config."""

    id: UUID = Field(description="The version's own id.")
    agent_id: UUID = Field(description="The agent.")
    version: int = VERSION
    config: AgentConfig = Field(description="Everything the agent runs with at this version.")
    source: ConfigSource = Field(description="What made it.")
    labels: list[Label] = Field(description="The labels that it carries now.")
    author: Author = Field(description="Who made it.")
    note: str | None = Field(description="Why there is this version; null = not said.")
    changeset_id: UUID | None = Field(description="The changeset that it comes from; null = none.")
    created_at: Time = Field(description="When it was made.")


class Promotion(Input):
    """A label to give to a config version."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"label": "production"}]})

    label: Label = Field(description="`approved`: scans start from it. `production`: it runs.")


class RenderRequest(Input):
    """An input to render an agent's template with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"input": "Where is my order?"}]})

    input: str | None = Field(default=None, max_length=200_000, description="The user's text.")
    variables: dict[str, str] | None = Field(default=None, description="Values of the placeholders, by name.")
    context: Annotated[str, Field(max_length=200_000)] | Annotated[list[Context], Field(max_length=1_000)] | None = Field(
        default=None, description="Context that the agent answers from: a text, or its items, as a retriever found them."
    )
    version: int | None = Field(
        default=None,
        gt=0,
        le=2_147_483_647,
        description="The config version; by default the one in production.",
    )

    @model_validator(mode="after")
    def _has_something_to_render(self) -> Self:
        if self.input is None and self.variables is None:
            raise ValueError("give `input`, `variables` or both")
        return self

    @property
    def values(self) -> dict[str, str]:
        """The values of all placeholders; the user's text is the one named ``input``."""
        return {**(self.variables or {}), **({} if self.input is None else {"input": self.input})}


class Rendering(Output):
    """What the agent's model would be sent."""

    agent_id: UUID = Field(description="The agent.")
    version: int = VERSION
    model: str = Field(description="The model that would answer.", examples=["sim/standard"])
    messages: list[Message] = Field(description="The exact messages, in order.")
    tools: list[dict[str, Any]] = Field(description="The tools that it would be offered, as its API takes them.")
    json_schema: dict[str, Any] | None = Field(description="The schema that its answer would be held to; null = none.")
    missing_variables: list[str] = Field(description="Placeholders that have no value here and became empty.")
