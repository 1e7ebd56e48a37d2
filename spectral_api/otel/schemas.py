"""Bodies of the statistics of ingestion."""

from datetime import datetime

from pydantic import Field

from spectral_api.schemas import Output


class RejectionCount(Output):
    """Spans of one sender that were refused for the same reason."""

    reason: str = Field(description="Why they were refused.", examples=["the span ends before it starts"])
    sender: str = Field(
        description="Who made them: the name, version and language of the SDK in their resource, else the `User-Agent` of the "
        "request; `(other)` for those beyond the first hundred, `(unknown)` when nothing tells.",
        examples=["opentelemetry 1.45.0 (python)"],
    )
    count: int = Field(description="How many; a request that was refused as a whole counts as one.", examples=[3])
    first_at: datetime = Field(description="Beginning of the period in which the first of them came.")
    last_at: datetime = Field(description="When the last of them came.")
    sample: str | None = Field(description="One of them.", examples=["span 'chat gpt-4o-mini' of service 'shop'"])


class IngestStatistics(Output):
    """What arrived in a workspace over a window of time."""

    received: int = Field(description="Spans that arrived, refused ones included.", examples=[1204])
    stored: int = Field(description="Spans that were new and are stored.", examples=[1180])
    rejected: int = Field(description="Spans that were refused.", examples=[4])
    duplicates: int = Field(description="Spans that were stored already; of two copies the fuller one is kept.", examples=[20])
    erased: int = Field(description="Spans of traces that were erased before: taken in and dropped.", examples=[0])
    bytes: int = Field(description="Size of the bodies as they were sent, in bytes.", examples=[402118])
    spans_per_second: float = Field(description="Spans that arrived, per second of the window.", examples=[0.334])
    by_service: dict[str, int] = Field(
        description="Spans by the `service.name` of their resource; the busiest, then `(other)`.", examples=[{"shop": 1200}]
    )
    by_dialect: dict[str, int] = Field(
        description="Spans by the conventions that their attributes follow.", examples=[{"gen_ai": 900, "plain": 300}]
    )
    rejections: list[RejectionCount] = Field(description="What was refused and why, the most frequent reason first.")
