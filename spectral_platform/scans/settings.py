"""What a scan is asked for, and what that came to once everything absent was filled in."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import EmailStr, Field, model_validator

from spectral_platform.core.values import Moment, Value
from spectral_platform.evaluations.terms import Constraint, ObjectiveTerm
from spectral_platform.llm.purposes import Purpose
from spectral_platform.workspaces.policies.autonomy import RIGOR, AutonomyMode, Rigor

DEFAULT_USD = Decimal(5)
DEFAULT_CALLS = 2_000
DEFAULT_DURATION_S = 3_600
DEFAULT_CANDIDATES = 8
DEFAULT_WINDOW_DAYS = 7
SEEDS = 2**53


class SearchStrategy(StrEnum):
    """Ways to find candidates."""

    REFLECTIVE = "reflective"
    ARMS = "arms"
    FEW_SHOT = "few_shot"
    RULES = "rules"
    GEPA = "gepa"
    """The search of the gepa package, where it is installed."""


TEXT_STRATEGIES = frozenset({SearchStrategy.REFLECTIVE, SearchStrategy.RULES, SearchStrategy.GEPA})
"""Those that write texts anew from failures."""
PROPOSING = frozenset({SearchStrategy.REFLECTIVE, SearchStrategy.GEPA})
"""Those that ask a model for it."""
DEFAULT_STRATEGIES = (SearchStrategy.REFLECTIVE, SearchStrategy.ARMS)


class TraceWindow(Value):
    """Which traces are looked at."""

    since: Moment = Field(description="Not before this time.")
    until: Moment = Field(description="Before this time.")

    @model_validator(mode="after")
    def ends_after_it_begins(self) -> "TraceWindow":
        """Refuse a window that is empty."""
        if self.until <= self.since:
            raise ValueError("until must lie after since")
        return self


class Budget(Value):
    """What a scan may spend."""

    max_usd: Decimal = Field(default=DEFAULT_USD, gt=0, le=1_000_000, description="US dollars, by known prices.")
    max_model_calls: int = Field(default=DEFAULT_CALLS, gt=0, le=10_000_000, description="Answered model calls.")
    max_duration_s: int = Field(default=DEFAULT_DURATION_S, gt=0, le=7 * 86_400, description="Seconds.")


class Ending(StrEnum):
    """How a scan can end: with one of the verdicts, or without any."""

    IMPROVE = "improve"
    REJECTED_TRADEOFF = "rejected_tradeoff"
    VALIDATED_NO_CHANGE = "validated_no_change"
    INSUFFICIENT_EVIDENCE = "insufficient_evidence"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Notify(Value):
    """Who is told how a scan ended."""

    emails: tuple[EmailStr, ...] = Field(
        default=(), max_length=20, description="Addresses of people who can read the workspace; each gets a letter."
    )
    webhook_ids: tuple[UUID, ...] = Field(
        default=(),
        max_length=20,
        description="Webhooks of the workspace that are told of the end of this scan, whatever else they are told.",
    )
    on: tuple[Ending, ...] = Field(
        default=tuple(ending for ending in Ending if ending is not Ending.CANCELLED),
        min_length=1,
        max_length=len(Ending),
        description="The endings that are told; absent = every one but `cancelled`.",
    )

    @model_validator(mode="after")
    def tell_somebody(self) -> "Notify":
        """Refuse a notice to nobody."""
        if not self.emails and not self.webhook_ids:
            raise ValueError("name at least one of emails and webhook_ids")
        return self


class ScanSettings(Value):
    """What a scan is asked for; an absent field is taken from the workspace's ``scan_defaults``, else from the server."""

    agent_ids: tuple[UUID, ...] | None = Field(
        default=None, min_length=1, max_length=20, description="Agents to improve; absent = all with an approved config."
    )
    rubric_id: UUID | None = Field(default=None, description="Rubric that answers are held to; absent = the objective's.")
    objective_id: UUID | None = Field(default=None, description="What to optimise; absent = the default, else the newest.")
    sample_set_id: UUID | None = Field(default=None, description="Cases; absent = the newest published set.")
    trace_window: TraceWindow | None = Field(default=None, description="Traces to look at; absent = the last 7 days.")
    budget: Budget | None = Field(default=None, description="Limits; absent = 5 USD, 2 000 calls, one hour.")
    max_candidates: int | None = Field(
        default=None, ge=1, le=64, description="At most so many candidates race; what fails its first screen is none. Absent = 8."
    )
    strategies: tuple[SearchStrategy, ...] | None = Field(
        default=None,
        min_length=1,
        description="How candidates are found; absent = reflective and arms. `gepa` needs its package on the server.",
    )
    agent_models: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        description=(
            "Models that `arms` may run the agents on instead of their own, such as a cheaper one. Absent = none; agents on the "
            "simulator try all of its models."
        ),
        examples=[["gpt-5-mini", "claude-haiku-4-5"]],
    )
    explore: bool | None = Field(
        default=None, description="Search even where the evidence cannot suffice; the verdict stays insufficient."
    )
    seed: int | None = Field(default=None, ge=0, lt=SEEDS, description="Makes the scan reproducible; absent = drawn.")
    notify: Notify | None = Field(default=None, description="Who is told how it ended; absent = nobody in particular.")


class PinnedAgent(Value):
    """An agent and the version that the scan starts from."""

    agent_id: UUID = Field(description="The agent.")
    name: str = Field(description="Its name when the scan was asked for.")
    base_version: int = Field(description="The approved config version.")


class ResolvedSettings(Value):
    """What a scan really uses: every choice made and every version pinned."""

    agents: tuple[PinnedAgent, ...] = Field(description="The agents, each at its approved version.")
    world_model: str = Field(description="Authority A, as `name@version`.")
    rubric_id: UUID = Field(description="Authority B.")
    rubric_version: int = Field(description="The rubric's pinned version.")
    objective_id: UUID | None = Field(description="What is optimised; null = quality alone.")
    objective_version: int | None = Field(description="The objective's version.")
    terms: tuple[ObjectiveTerm, ...] = Field(description="The objective's terms at that version; none = quality alone.")
    constraints: tuple[Constraint, ...] = Field(description="The objective's constraints at that version.")
    sample_set_id: UUID | None = Field(description="Where the cases come from; null = from the world model alone.")
    sample_set_version_id: UUID | None = Field(description="The published version of the cases.")
    trace_since: datetime = Field(description="Traces from here on are looked at.")
    trace_until: datetime = Field(description="Traces before this are looked at.")
    budget: Budget = Field(description="What the scan may spend.")
    max_candidates: int = Field(description="At most so many candidates.")
    strategies: tuple[SearchStrategy, ...] = Field(description="How candidates are found.")
    agent_models: tuple[str, ...] = Field(
        default=(), description="Models that `arms` may run the agents on instead of their own."
    )
    explore: bool = Field(description="Whether to search where the evidence cannot suffice.")
    seed: int = Field(description="What everything random derives from; repeat it to repeat the scan.")
    is_seed_given: bool = Field(description="Whether the request gave the seed.")
    models: dict[Purpose, str] = Field(description="The model of each purpose.")
    notify: Notify | None = Field(default=None, description="Who is told how the scan ended; null = nobody in particular.")
    autonomy: AutonomyMode = Field(
        default=AutonomyMode.MANUAL,
        description="The workspace's autonomy mode when the scan was asked for: the verdict is held to its rigor.",
    )

    @property
    def rigor(self) -> Rigor:
        """What the verdict is held to."""
        return RIGOR[self.autonomy]
