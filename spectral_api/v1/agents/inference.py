"""The endpoint that infers an agent's template from what its model calls were sent."""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Query
from pydantic import ConfigDict, Field, model_validator

from spectral_api.dependencies import ReleasedDatabase
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.schemas import Input, Output
from spectral_api.v1.callers import Writer
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.agents.configuration import PromptTemplate
from spectral_platform.agents.errors import AgentNotFound
from spectral_platform.core.values import Moment
from spectral_platform.inference import commands
from spectral_platform.inference.errors import InferenceInterrupted, ScanWithoutAgent, TemplateNotInferred
from spectral_platform.inference.naming import VariableType
from spectral_platform.scans.errors import ScanNotFound

COVERAGE = "The share of all prompts that were read which this template makes, character for character."
CONFIDENCE = (
    "How sure it is that prompts which were not read are made from this template too: the lower end of the 95 % interval of the "
    "share of different prompts that a template learnt from the other half fits. Few prompts, or one many times, prove little."
)

router = Router(prefix=IN_WORKSPACE + "/agents/{agent_id}", tags=["Agents"])


class InferenceRequest(Input):
    """Which prompts to read; without anything the agent's newest ones."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-11-01T00:00:00Z", "limit": 500}]})

    scan_id: UUID | None = Field(default=None, description="Read the prompts in the window of traces that this scan looked at.")
    since: Moment | None = Field(default=None, description="Read prompts of traces that began at this time or later.")
    limit: int = Field(
        default=commands.DEFAULT_LIMIT,
        ge=1,
        le=commands.MOST_PROMPTS,
        description="At most so many prompts, the newest; more make the answer surer and take longer.",
    )

    @model_validator(mode="after")
    def _says_once_from_when(self) -> Self:
        if self.scan_id is not None and self.since is not None:
            raise ValueError("give `scan_id` or `since`, not both: a scan has a window of its own")
        return self


class Variable(Output):
    """A place where prompts differ."""

    name: str = Field(description="What stands between the braces of its placeholder.", examples=["question"])
    type: VariableType = Field(
        description="What its values are. `examples` are few-shot examples that differ from prompt to prompt, `list` is a list "
        "of items, `choice` one of a few values, `section` a part that only some prompts have."
    )
    examples: list[str] = Field(description="Some of its values, long ones cut.")
    share: float = Field(description="The share of the template's prompts in which it has a value.")
    section: str | None = Field(description="The variable of the section within which it stands; null = the template itself.")
    text: str | None = Field(description="Of a section: what it consists of, with placeholders; null = it is no section.")


class Shot(Output):
    """A few-shot example."""

    input: str = Field(description="What was given.")
    output: str = Field(description="What was to be answered.")


class ModelCall(Output):
    """A model call whose prompt was read."""

    trace_id: str = Field(description="The trace.")
    span_id: str = Field(description="The span.")


class Exemplar(ModelCall):
    """A model call whose prompt the template makes."""

    values: dict[str, str] = Field(description="The values of the variables in this prompt, long ones cut.")


class FoundTemplate(Output):
    """A template that prompts were made from."""

    template: PromptTemplate | None = Field(description="The template; null = no text is common to enough prompts.")
    variables: list[Variable] = Field(description="Its variables in the order of the text.")
    few_shot: list[Shot] = Field(description="Few-shot examples within its text, which stays as it is.")
    coverage: float = Field(ge=0, le=1, description=COVERAGE)
    confidence: float = Field(ge=0, le=1, description=CONFIDENCE)
    constant_share: float = Field(description="The share of these prompts' characters that the template fixes.")
    exemplars: list[Exemplar] = Field(description="Some prompts that it makes, with the values of its variables.")


class InferredTemplate(FoundTemplate):
    """The template of most of an agent's prompts, and what it does not explain."""

    agent_id: UUID = Field(description="The agent.")
    others: list[FoundTemplate] = Field(description="Further templates behind the same agent, those of more prompts first.")
    unmatched: list[ModelCall] = Field(description="Some of the prompts that none of these templates makes.")
    unmatched_count: int = Field(description="How many prompts that are.")
    prompts: int = Field(description="How many prompts were read; what a run repeats step by step counts once.")
    distinct: int = Field(description="How many different ones.")
    without_text: int = Field(description="Model calls whose spans do not say what was sent.")
    is_complete: bool = Field(description="Whether these were all prompts asked for; false = there are older ones.")
    version: int | None = Field(description="The config version that says this; null = nothing was saved.")


@router.post(
    "/infer-template",
    response_model=InferredTemplate,
    summary="Infer the template behind an agent's prompts",
    responses=workspace_problems(AgentNotFound, ScanNotFound, ScanWithoutAgent, TemplateNotInferred, InferenceInterrupted),
)
async def infer_template(
    agent_id: UUID,
    body: InferenceRequest,
    caller: Writer,
    database: ReleasedDatabase,
    save: Annotated[bool, Query(description="Make a config version of the template, without labels.")] = False,
) -> InferredTemplate:
    """Tell which template the agent's prompts were made from, by comparing the prompts that its model calls were sent.

    What all prompts have is constant, what differs becomes variables: named after attributes of the spans that hold the same
    values, else after the words before them, else after what the values are. Few-shot examples, lists, sections that only some
    prompts have and several templates behind one agent are recognised. No model is called, and nothing leaves the server.

    With `save=true` the template becomes a config version without labels, with the model and parameters of the newest version,
    else those of the calls; where the newest version says the same, no new one is made.
    """
    found = await commands.infer_template(
        database, caller, agent_id, scan_id=body.scan_id, since=body.since, limit=body.limit, save=save
    )
    return _shown(found)


def _shown(found: commands.TemplateInference) -> InferredTemplate:
    best = found.best or commands.NO_TEMPLATE
    return InferredTemplate.model_validate({**_fields(best), **_fields(found), "others": found.others}, from_attributes=True)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
