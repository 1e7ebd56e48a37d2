"""Rows of the sealed holdout: the key that assigns splits, the splits, and in how many verdicts a case has served."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core import clock
from spectral_platform.core.columns import Created, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.worlds.splits import Split


class HoldoutRegistry(Created, Base):
    """The secret key by which a workspace's cases are assigned to splits."""

    __tablename__ = "holdout_registries"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    split_key: Mapped[bytes]


class CaseSplit(Base, WorkspaceOwned):
    """The split of a content group, assigned once: another key moves no case."""

    __tablename__ = "case_splits"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    content_group: Mapped[str] = mapped_column(primary_key=True)
    split: Mapped[Split] = mapped_column(state_column(Split, "split"))
    assigned_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)


class HoldoutExposure(Base, WorkspaceOwned):
    """A verdict in which a content group of the holdout has served; a scan counts once, however often it is resumed."""

    __tablename__ = "holdout_exposures"

    workspace_id: Mapped[UUID] = mapped_column(ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True)
    content_group: Mapped[str] = mapped_column(primary_key=True)
    scan_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
