"""What a scan hands over when it makes a changeset: changed configs, performance cards and the framework it judged by."""

from uuid import UUID

from pydantic import Field, JsonValue

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.core.values import Value
from spectral_platform.evaluations.terms import Direction


class ProposedChange(Value):
    """A new config for one agent, made from its version ``base_version``."""

    agent_id: UUID
    base_version: int = Field(gt=0)
    proposed_config: AgentConfig
    strategy: str = Field(min_length=1)
    rationale: str = Field(min_length=1)
    cluster_signatures: tuple[str, ...] = ()


class Measurement(Value):
    """One metric of an agent before and after the change; None where it was not measured."""

    metric: str = Field(description="`quality`, `dimension:<key>`, `cost_usd`, `latency_ms` or `total_tokens`.")
    direction: Direction = Field(description="Which way is better.")
    baseline: float | None = Field(description="What runs today; null = not measured.")
    proposed: float | None = Field(description="The proposed config; null = not measured.")


class Attempt(Value):
    """One candidate that the scan tried for the agent, and what became of it."""

    candidate: str = Field(description="The candidate's key.")
    strategy: str = Field(description="The strategy that made it.")
    score: float | None = Field(description="Its mean composite score on dev cases; null = never scored.")
    fate: str = Field(description="What became of it, such as `finalist`, `no_gain` or `harms_authority_a`.")


class PerformanceCard(Value):
    """How one agent fared in the scan: figures, optimisation trajectory and outcome, by a named authority."""

    agent_id: UUID = Field(description="The agent.")
    agent_name: str = Field(description="The agent's name when it was scanned.")
    authority: str = Field(description="The world model that judged, by name.")
    authority_version: str = Field(description="The world model's version.")
    outcome: str = Field(description="What the scan concluded for this agent.")
    cases: int = Field(ge=0, description="How many cases the figures rest on.")
    measurements: tuple[Measurement, ...] = Field(description="The figures, metric by metric.")
    trajectory: tuple[Attempt, ...] = Field(description="The candidates in the order in which they were tried.")


class FrameworkSnapshot(Value):
    """What the scan judged by, as it stood then: later edits of rubric or objective do not change it."""

    world_model: str = Field(description="The world model, as `name@version`.")
    rubric: dict[str, JsonValue] | None = Field(description="The pinned rubric; null = none.")
    objective: dict[str, JsonValue] | None = Field(description="The pinned objective; null = quality alone.")
    sample_set: dict[str, JsonValue] | None = Field(description="The pinned sample set version; null = synthetic cases only.")
    seed: int = Field(description="The scan's seed.")
