"""Bodies of the endpoints that help to write rubrics."""

from typing import Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field

from spectral_api.schemas import Input, Output, Time, Usd
from spectral_platform.authoring import commands, queries
from spectral_platform.authoring.drafting import Source
from spectral_platform.authoring.suggestions import Change, Evidence, Kind, SuggestionStatus
from spectral_platform.evaluations.dimensions import Dimension


class RubricGenerate(Input):
    """What to draft a rubric for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "agent_id": "0199a0e0-0000-7000-8000-000000000000",
                    "goal": "Customers can act on the answer at once. Refunds are never promised.",
                }
            ]
        }
    )

    agent_id: UUID = Field(description="The agent whose answers will be judged.")
    goal: str | None = Field(
        default=None, min_length=1, max_length=4000, description="What the agent is there for, in your own words."
    )


class DimensionSource(Output):
    """Where a dimension of a draft comes from."""

    key: str = Field(description="The dimension.")
    source: Source = Field(description="What it was drawn from.")
    reason: str = Field(description="Why it is in the draft.")


class RubricDraft(Output):
    """A rubric that could be created: `name`, `description`, `agent_id` and `dimensions` are the body of that request."""

    id: UUID | None = Field(description="The rubric that was made of it; null without `save=true`.")
    version: int | None = Field(description="Its version; null without `save=true`.", examples=[1])
    name: str = Field(description="Name for the rubric.")
    description: str = Field(description="What the rubric is for.")
    agent_id: UUID = Field(description="The agent that it is meant for.")
    dimensions: list[Dimension] = Field(description="What is judged and how much it counts; the weights sum to 1.")
    sources: list[DimensionSource] = Field(description="Where each dimension comes from, in the same order.")
    method: Literal["model", "rules"] = Field(description="Whether a model wrote the judged dimensions, or rules did.")
    model: str | None = Field(description="The model that wrote; null = rules alone.")
    note: str = Field(description="Why it was written so.")
    cost_usd: Usd | None = Field(description="What asking the model cost; null = it was not asked, or has no known price.")

    @classmethod
    def of(cls, draft: commands.RubricDraft) -> Self:
        """The draft as it is shown."""
        return cls(
            id=draft.rubric.rubric_id if draft.rubric else None,
            version=draft.rubric.version if draft.rubric else None,
            name=draft.name,
            description=draft.description,
            agent_id=draft.agent_id,
            dimensions=[item.dimension for item in draft.drafted],
            sources=[DimensionSource(key=item.dimension.key, source=item.source, reason=item.reason) for item in draft.drafted],
            method="rules" if draft.model is None else "model",
            model=draft.model,
            note=draft.note,
            cost_usd=draft.cost_usd,
        )


class Suggestion(Output):
    """A change that the evidence speaks for."""

    id: UUID = Field(description="The suggestion; the same reason has the same id whenever it is found.")
    rubric_id: UUID = Field(description="The rubric.")
    version: int = Field(description="The rubric's newest version; of a decided suggestion, the newest after the decision.")
    kind: Kind = Field(description="What it rests on.")
    status: SuggestionStatus = Field(description="What became of it.")
    title: str = Field(description="What would change, in one sentence.")
    reason: str = Field(description="Why, in one or two sentences.")
    evidence: Evidence = Field(description="What shows it.")
    changes: list[Change] = Field(description="What accepting does to the newest version's dimensions.")
    decided_at: Time | None = Field(description="When it was decided; null = it is pending.")

    @classmethod
    def of(cls, view: queries.SuggestionView) -> Self:
        """The suggestion as it is shown."""
        suggestion = view.suggestion
        return cls(
            id=suggestion.id,
            rubric_id=view.rubric_id,
            version=view.version,
            kind=suggestion.kind,
            status=view.status,
            title=suggestion.title,
            reason=suggestion.reason,
            evidence=suggestion.evidence,
            changes=list(suggestion.changes),
            decided_at=view.decided_at,
        )
