"""Rows of changesets: what is proposed for which agent, why, and every move since."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import DateTime, ForeignKey, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, query_expression, relationship

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.diffs import ConfigDiff
from spectral_platform.agents.versions import Author
from spectral_platform.changesets.autonomy.models import ChangesetWatch
from spectral_platform.changesets.explainability import Explainability
from spectral_platform.changesets.proposals import FrameworkSnapshot, PerformanceCard
from spectral_platform.changesets.states import CHANGESET, ChangesetStatus, Outcome, Risk
from spectral_platform.core import clock
from spectral_platform.core.access import CallerKind
from spectral_platform.core.columns import Created, Identified, PydanticJSON, Timestamped, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.core.lifecycle import Lifecycle


class ChangesetItem(Identified, WorkspaceOwned, Base):
    """The change proposed for one agent, the version that accepting it made, and where the labels were before."""

    __tablename__ = "changeset_items"
    __table_args__ = (
        UniqueConstraint("changeset_id", "agent_id"),
        ForeignKeyConstraint(
            ["agent_id", "base_version"],
            ["config_versions.agent_id", "config_versions.version"],
            name="fk_changeset_items_base_version",
            ondelete="CASCADE",
        ),
    )

    changeset_id: Mapped[UUID] = mapped_column(ForeignKey("changesets.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    agent_name: Mapped[str]
    base_version: Mapped[int]
    proposed_config: Mapped[AgentConfig] = mapped_column(PydanticJSON(AgentConfig))
    diff: Mapped[ConfigDiff] = mapped_column(PydanticJSON(ConfigDiff))
    strategy: Mapped[str]
    rationale: Mapped[str]
    cluster_signatures: Mapped[tuple[str, ...]] = mapped_column(PydanticJSON(tuple[str, ...]))
    accepted_version: Mapped[int | None]
    approved_before: Mapped[int | None]
    production_before: Mapped[int | None]


class ChangesetMove(Identified, WorkspaceOwned, Base):
    """One step in a changeset's life; the first one has no ``from_status``."""

    __tablename__ = "changeset_moves"

    changeset_id: Mapped[UUID] = mapped_column(ForeignKey("changesets.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    from_status: Mapped[ChangesetStatus | None] = mapped_column(state_column(ChangesetStatus, "from_status"))
    to_status: Mapped[ChangesetStatus] = mapped_column(state_column(ChangesetStatus, "to_status"))
    actor_kind: Mapped[CallerKind] = mapped_column(state_column(CallerKind, "actor_kind"))
    actor_id: Mapped[UUID | None]
    reason: Mapped[str | None]

    @property
    def actor(self) -> Author:
        """Who made the move."""
        return Author(kind=self.actor_kind, id=self.actor_id)


class ChangesetApproval(Identified, WorkspaceOwned, Created, Base):
    """That somebody approved of a changeset. ``counts`` is asked anew at every read: whether they still may.

    A person who is deleted leaves the row, which says only that somebody approved.
    """

    __tablename__ = "changeset_approvals"
    __table_args__ = (UniqueConstraint("changeset_id", "user_id"),)

    changeset_id: Mapped[UUID] = mapped_column(ForeignKey("changesets.id", ondelete="CASCADE"))
    user_id: Mapped[UUID]
    counts: Mapped[bool] = query_expression()


class Changeset(Identified, WorkspaceOwned, Timestamped, Base):
    """What one scan hands over for a decision, with everything that explains it."""

    __tablename__ = "changesets"

    lifecycle: ClassVar[Lifecycle[ChangesetStatus]] = CHANGESET

    scan_id: Mapped[UUID] = mapped_column(unique=True)
    status: Mapped[ChangesetStatus] = mapped_column(state_column(ChangesetStatus, "status"))
    outcome: Mapped[Outcome] = mapped_column(state_column(Outcome, "outcome"))
    risk: Mapped[Risk] = mapped_column(state_column(Risk, "risk"))
    simulated: Mapped[bool]
    explainability: Mapped[Explainability] = mapped_column(PydanticJSON(Explainability))
    verdict: Mapped[dict[str, JsonValue]] = mapped_column(PydanticJSON(dict[str, JsonValue]))
    performance_cards: Mapped[tuple[PerformanceCard, ...]] = mapped_column(PydanticJSON(tuple[PerformanceCard, ...]))
    framework_snapshot: Mapped[FrameworkSnapshot] = mapped_column(PydanticJSON(FrameworkSnapshot))
    accepted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    applied_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    rejected_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    rolled_back_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    superseded_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    superseded_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("changesets.id", ondelete="SET NULL"), index=True)

    required_approvals: Mapped[int] = query_expression()
    items: Mapped[list[ChangesetItem]] = relationship(lazy="raise", order_by=ChangesetItem.id)
    history: Mapped[list[ChangesetMove]] = relationship(lazy="raise", viewonly=True, order_by=ChangesetMove.id)

    approvals: Mapped[list[ChangesetApproval]] = relationship(lazy="raise", viewonly=True, order_by=ChangesetApproval.id)
    watch: Mapped[ChangesetWatch | None] = relationship(lazy="raise", viewonly=True)

    @property
    def summary(self) -> str:
        """What is proposed and why, for people."""
        return self.explainability.summary

    @property
    def agent_ids(self) -> list[UUID]:
        """The agents that it would change."""
        return [item.agent_id for item in self.items]
