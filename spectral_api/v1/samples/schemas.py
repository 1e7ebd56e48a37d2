"""Bodies of the samples' endpoints."""

from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from spectral_api.schemas import Input, Output, Time
from spectral_platform.samples.content import MOST_TAGS, Document, Keyword, SampleInput, Text
from spectral_platform.samples.models import Sample as SampleRow
from spectral_platform.traces.selection import TraceFilter

NAME = Field(description="Name of the set.", min_length=1, max_length=200, examples=["Refund questions"])
DESCRIPTION = "What the set is for."
EXAMPLE: dict[str, Any] = {
    "input": "How long does a refund take?",
    "expected_output": "Five working days.",
    "context": "Refunds are paid within five working days.",
    "tags": ["refund"],
}


class SampleSetCreate(Input):
    """A new sample set."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Refund questions"}]})

    name: str = NAME
    description: str | None = Field(default=None, max_length=4000, description=DESCRIPTION)


class SampleSetUpdate(Input):
    """Changes to a sample set; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Refunds and returns"}]})

    name: str = Field(default="", description="Name of the set.", min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=4000, description=DESCRIPTION)


class SampleSet(Output):
    """A named collection of test cases."""

    id: UUID = Field(description="The set.")
    name: str = NAME
    description: str | None = Field(description=DESCRIPTION)
    sample_count: int = Field(description="How many samples it has now.", examples=[120])
    published_version: int | None = Field(description="Number of its newest published version; null = never published.")
    created_at: Time = Field(description="When it was made.")
    updated_at: Time = Field(description="When it was last changed or published.")


class SampleSetVersion(Output):
    """What a set contained when it was published; it never changes."""

    id: UUID = Field(description="The version.")
    sample_set_id: UUID = Field(description="The set.")
    number: int = Field(description="Counts the versions of the set, from 1.", examples=[1])
    content_hash: str = Field(description="SHA-256 over all its samples: equal hashes mean equal content.")
    sample_count: int = Field(description="How many samples it has.", examples=[120])
    created_at: Time = Field(description="When it was published.")


class RejectedLine(Output):
    """A line that was not stored."""

    line: int = Field(description="Which line of the file, or item of the array, from 1.", examples=[3])
    reason: str = Field(description="Why it was not stored.", examples=["the set has this sample already"])


class Addition(Output):
    """What became of the samples that were sent."""

    created: int = Field(description="How many were stored.", examples=[118])
    rejected: list[RejectedLine] = Field(description="The others, each with the reason; of very many the first 1 000.")
    rejected_count: int = Field(description="How many were not stored.", examples=[2])


class Curation(TraceFilter):
    """Which traces become samples."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "error", "since": "2026-09-01T00:00:00Z", "max": 100}]})

    dedupe: bool = Field(default=True, description="Leave out what is nearly the same as another sample.")
    max: int = Field(default=100, ge=1, le=1000, description="Make at most so many samples, of the newest traces first.")


class RejectedTrace(Output):
    """A trace that was refused."""

    trace_id: str = Field(description="The trace.", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
    reason: str = Field(description="Why it was refused.", examples=["nearly the same as another sample"])


class Curated(Output):
    """What became of the traces."""

    created: int = Field(description="How many samples were made.", examples=[87])
    rejected: list[RejectedTrace] = Field(description="The traces that were refused, each with the reason.")


class SampleUpdate(Input):
    """Changes to a sample; absent fields stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"expected_output": "Seven working days."}]})

    input: SampleInput = Field(default="")
    expected_output: Text | None = Field(default=None, description="What a good answer says.")
    context: Text | None = Field(default=None, description="What the answer may rely on.")
    metadata: Document = Field(default={}, description="Anything worth keeping beside it.")
    tags: tuple[Keyword, ...] = Field(default=(), max_length=MOST_TAGS, description="Words to find it by.")
    source_trace_id: str | None = Field(default=None, pattern="^[0-9a-f]{32}$", description="The trace that it was made from.")
    weight: float = Field(default=1.0, gt=0, le=1_000_000, allow_inf_nan=False, description="How much it counts; 1 is usual.")


class Sample(Output):
    """One test case."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID = Field(description="The sample.")
    sample_set_id: UUID = Field(description="The set that it is in.")
    input: str | dict[str, Any] = Field(description="Text, or an object of the prompt template's variables.")
    expected_output: str | None = Field(description="What a good answer says.")
    context: str | None = Field(description="What the answer may rely on.")
    metadata: dict[str, Any] = Field(description="Anything kept beside it.")
    tags: list[str] = Field(description="Words to find it by.")
    source_trace_id: str | None = Field(description="The trace that it was made from.")
    weight: float = Field(description="How much it counts.")
    created_at: Time = Field(description="When it was added.")
    updated_at: Time = Field(description="When it was last changed.")

    @classmethod
    def of(cls, row: SampleRow) -> "Sample":
        """The row with its content laid flat."""
        return cls(
            id=row.id,
            sample_set_id=row.sample_set_id,
            created_at=row.created_at,
            updated_at=row.updated_at,
            **row.content.model_dump(),
        )
