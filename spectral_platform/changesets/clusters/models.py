"""Rows of failure clusters and of their sightings by scans."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, UniqueConstraint
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.orm import Mapped, mapped_column, relationship

from spectral_platform.changesets.clusters.findings import TrendPoint
from spectral_platform.changesets.clusters.states import CLUSTER, ClusterStatus
from spectral_platform.core.columns import Created, Identified, PydanticJSON, Timestamped, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.core.lifecycle import Lifecycle


class FailureCluster(Identified, WorkspaceOwned, Timestamped, Base):
    """Failures that share a cause, in all scans of a workspace. Its figures are those of the last scan that saw it."""

    __tablename__ = "failure_clusters"
    __table_args__ = (UniqueConstraint("workspace_id", "signature"),)

    lifecycle: ClassVar[Lifecycle[ClusterStatus]] = CLUSTER

    signature: Mapped[str]
    label: Mapped[str]
    description: Mapped[str]
    status: Mapped[ClusterStatus] = mapped_column(state_column(ClusterStatus, "status"))
    note: Mapped[str | None]
    reopened: Mapped[bool]
    size: Mapped[int]
    share: Mapped[float]
    severity: Mapped[float]
    exemplar_cases: Mapped[tuple[str, ...]] = mapped_column(PydanticJSON(tuple[str, ...]))
    exemplar_trace_ids: Mapped[tuple[str, ...]] = mapped_column(PydanticJSON(tuple[str, ...]))
    last_seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    trend: Mapped[tuple[TrendPoint, ...]] = mapped_column(PydanticJSON(tuple[TrendPoint, ...]))

    @property
    def cluster_id(self) -> UUID:
        """The cluster's id, as its sightings call it."""
        return self.id

    @property
    def first_seen_at(self) -> datetime:
        """When the first scan saw it."""
        return self.created_at


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
    exemplar_cases: Mapped[tuple[str, ...]] = mapped_column(PydanticJSON(tuple[str, ...]))
    exemplar_trace_ids: Mapped[tuple[str, ...]] = mapped_column(PydanticJSON(tuple[str, ...]))

    cluster: Mapped[FailureCluster] = relationship(lazy="raise")
    signature: AssociationProxy[str] = association_proxy("cluster", "signature")
    label: AssociationProxy[str] = association_proxy("cluster", "label")
    status: AssociationProxy[ClusterStatus] = association_proxy("cluster", "status")
    note: AssociationProxy[str | None] = association_proxy("cluster", "note")
    reopened: AssociationProxy[bool] = association_proxy("cluster", "reopened")
    first_seen_at: AssociationProxy[datetime] = association_proxy("cluster", "first_seen_at")
    last_seen_at: AssociationProxy[datetime] = association_proxy("cluster", "last_seen_at")
    trend: AssociationProxy[tuple[TrendPoint, ...]] = association_proxy("cluster", "trend")
