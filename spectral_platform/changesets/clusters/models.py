"""Rows of failure clusters, of their failures and of their sightings by scans."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.orm import Mapped, mapped_column, relationship

from spectral_platform.changesets.clusters.findings import SeverityCard, TrendPoint
from spectral_platform.changesets.clusters.states import CLUSTER, ClusterStatus
from spectral_platform.core.columns import Created, Identified, PydanticJSON, Timestamped, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.core.lifecycle import Lifecycle


class FailureCluster(Identified, WorkspaceOwned, Timestamped, Base):
    """Failures that share a cause, in all scans of a workspace. Its figures are those of the last scan that saw it.

    ``is_named`` says that a person gave the label. One that was merged into another shows no more and still recognises its
    failures for the other; one that was split from another takes what reads like the failures that were moved to it or, by
    ``split_criterion``, everything of its origin that fails so. ``unseen_scans`` counts those that looked and did not see it.
    """

    __tablename__ = "failure_clusters"
    __table_args__ = (Index("ix_failure_clusters_workspace_id_signature", "workspace_id", "signature"),)

    lifecycle: ClassVar[Lifecycle[ClusterStatus]] = CLUSTER

    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"), index=True)
    signature: Mapped[str]
    label: Mapped[str]
    is_named: Mapped[bool] = mapped_column(default=False)
    description: Mapped[str]
    status: Mapped[ClusterStatus] = mapped_column(state_column(ClusterStatus, "status"))
    note: Mapped[str | None]
    reopened: Mapped[bool]
    size: Mapped[int]
    share: Mapped[float]
    severity: Mapped[float]
    card: Mapped[SeverityCard] = mapped_column(PydanticJSON(SeverityCard), default=SeverityCard())
    fingerprint: Mapped[tuple[str, ...]] = mapped_column(PydanticJSON(tuple[str, ...]), default=())
    exemplar_cases: Mapped[tuple[str, ...]] = mapped_column(PydanticJSON(tuple[str, ...]))
    exemplar_trace_ids: Mapped[tuple[str, ...]] = mapped_column(PydanticJSON(tuple[str, ...]))
    last_seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    unseen_scans: Mapped[int] = mapped_column(default=0)
    trend: Mapped[tuple[TrendPoint, ...]] = mapped_column(PydanticJSON(tuple[TrendPoint, ...]))
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("failure_clusters.id", ondelete="CASCADE"), index=True)
    split_from_id: Mapped[UUID | None] = mapped_column(ForeignKey("failure_clusters.id", ondelete="SET NULL"), index=True)
    split_criterion: Mapped[str | None]

    @property
    def cluster_id(self) -> UUID:
        """The cluster's id, as its sightings call it."""
        return self.id

    @property
    def first_seen_at(self) -> datetime:
        """When the first scan saw it."""
        return self.created_at


class ClusterFailure(Identified, WorkspaceOwned, Base):
    """One failure in a cluster, in a training case or a trace, as the last scan that saw it there tells it.

    ``likeness`` recognises it in later scans; ``is_pinned`` says that a person put it here.
    """

    __tablename__ = "cluster_failures"
    __table_args__ = (
        UniqueConstraint("cluster_id", "key"),
        ForeignKeyConstraint(
            ["workspace_id", "trace_id"],
            ["traces.workspace_id", "traces.trace_id"],
            name="fk_cluster_failures_trace",
            ondelete="CASCADE",
        ),
        Index("ix_cluster_failures_workspace_id_trace_id", "workspace_id", "trace_id"),
    )

    cluster_id: Mapped[UUID] = mapped_column(ForeignKey("failure_clusters.id", ondelete="CASCADE"))
    scan_id: Mapped[UUID]
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    key: Mapped[str]
    likeness: Mapped[str]
    case_key: Mapped[str | None]
    trace_id: Mapped[str | None] = mapped_column(String(32, collation="C"))
    criterion: Mapped[str]
    feedback: Mapped[str]
    severity: Mapped[float]
    is_pinned: Mapped[bool] = mapped_column(default=False)

    @property
    def failure_id(self) -> UUID:
        """The failure's id."""
        return self.id

    @property
    def place(self) -> str:
        """The case or the trace."""
        return self.case_key or self.trace_id or ""


class ClusterSighting(Identified, WorkspaceOwned, Created, Base):
    """A cluster as one scan saw it; a scan that makes a changeset puts its sightings under it."""

    __tablename__ = "cluster_sightings"
    __table_args__ = (UniqueConstraint("scan_id", "cluster_id"),)

    scan_id: Mapped[UUID]
    changeset_id: Mapped[UUID | None] = mapped_column(ForeignKey("changesets.id", ondelete="CASCADE"), index=True)
    cluster_id: Mapped[UUID] = mapped_column(ForeignKey("failure_clusters.id", ondelete="CASCADE"), index=True)
    description: Mapped[str]
    size: Mapped[int]
    share: Mapped[float]
    severity: Mapped[float]
    card: Mapped[SeverityCard] = mapped_column(PydanticJSON(SeverityCard), default=SeverityCard())
    exemplar_cases: Mapped[tuple[str, ...]] = mapped_column(PydanticJSON(tuple[str, ...]))
    exemplar_trace_ids: Mapped[tuple[str, ...]] = mapped_column(PydanticJSON(tuple[str, ...]))

    cluster: Mapped[FailureCluster] = relationship(lazy="raise")
    agent_id: AssociationProxy[UUID | None] = association_proxy("cluster", "agent_id")
    signature: AssociationProxy[str] = association_proxy("cluster", "signature")
    label: AssociationProxy[str] = association_proxy("cluster", "label")
    status: AssociationProxy[ClusterStatus] = association_proxy("cluster", "status")
    note: AssociationProxy[str | None] = association_proxy("cluster", "note")
    reopened: AssociationProxy[bool] = association_proxy("cluster", "reopened")
    first_seen_at: AssociationProxy[datetime] = association_proxy("cluster", "first_seen_at")
    last_seen_at: AssociationProxy[datetime] = association_proxy("cluster", "last_seen_at")
    trend: AssociationProxy[tuple[TrendPoint, ...]] = association_proxy("cluster", "trend")
    merged_into_id: AssociationProxy[UUID | None] = association_proxy("cluster", "merged_into_id")
