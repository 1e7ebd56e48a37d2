"""Rows of model access: answered calls (cache and ledger in one), budgets and model profiles."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Numeric, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.columns import Created, Identified, PydanticJSON, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.llm.messages import ToolCall
from spectral_platform.llm.purposes import Purpose

USD = Numeric(18, 9)


class ModelCall(Identified, WorkspaceOwned, Created, Base):
    """One answered call. ``key`` is the hash of everything that could change the answer; a scan asks it once."""

    __tablename__ = "model_calls"
    __table_args__ = (UniqueConstraint("scan_id", "key"),)

    scan_id: Mapped[UUID] = mapped_column(ForeignKey("scans.id", ondelete="CASCADE"))
    key: Mapped[str]
    phase: Mapped[str]
    purpose: Mapped[Purpose] = mapped_column(state_column(Purpose, "purpose"))
    candidate: Mapped[str]
    case_key: Mapped[str]
    repeat: Mapped[int]
    provider: Mapped[str]
    model: Mapped[str]
    is_simulated: Mapped[bool]
    is_sealed: Mapped[bool]
    """Whether it is an answer to a case of the holdout, or the judgement of one."""
    answer: Mapped[str]
    tool_calls: Mapped[tuple[ToolCall, ...]] = mapped_column(PydanticJSON(tuple[ToolCall, ...]), default=())
    finish_reason: Mapped[str]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cached_input_tokens: Mapped[int]
    reasoning_tokens: Mapped[int]
    latency_ms: Mapped[int]
    cost_usd: Mapped[Decimal | None] = mapped_column(USD)
    hits: Mapped[int] = mapped_column(default=0)


class ScanBudget(WorkspaceOwned, Base):
    """What a scan may spend, has spent and has promised. ``held`` is kept back for the holdout.

    ``attempt`` fences: a worker whose attempt was superseded can neither reserve nor settle.
    """

    __tablename__ = "scan_budgets"
    __table_args__ = (CheckConstraint("spent_calls + reserved_calls <= max_calls", name="calls_within_budget"),)

    scan_id: Mapped[UUID] = mapped_column(ForeignKey("scans.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(default=0)
    max_usd: Mapped[Decimal] = mapped_column(USD)
    max_calls: Mapped[int]
    held_usd: Mapped[Decimal] = mapped_column(USD, default=Decimal(0))
    held_calls: Mapped[int] = mapped_column(default=0)
    reserved_usd: Mapped[Decimal] = mapped_column(USD, default=Decimal(0))
    reserved_calls: Mapped[int] = mapped_column(default=0)
    spent_usd: Mapped[Decimal] = mapped_column(USD, default=Decimal(0))
    spent_calls: Mapped[int] = mapped_column(default=0)


class ModelProfile(WorkspaceOwned, Base):
    """Which model serves which purpose in one workspace, before the server's own default."""

    __tablename__ = "model_profiles"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    purposes: Mapped[dict[Purpose, str]] = mapped_column(PydanticJSON(dict[Purpose, str]))
