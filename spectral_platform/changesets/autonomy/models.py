"""Rows of what the system watches."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.changesets.autonomy.monitoring import Reading, Reference
from spectral_platform.changesets.autonomy.states import WATCH, WatchStatus
from spectral_platform.changesets.states import EvidenceLevel
from spectral_platform.core.columns import Created, Identified, PydanticJSON, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.core.lifecycle import Lifecycle


class ChangesetWatch(Identified, WorkspaceOwned, Created, Base):
    """Production under watch since the system applied a changeset.

    ``baseline`` is frozen when the watch begins. ``checks`` counts the checks that were made, so that one that is ordered
    twice is made once.
    """

    __tablename__ = "changeset_watches"

    lifecycle: ClassVar[Lifecycle[WatchStatus]] = WATCH
    evidence_level: ClassVar[EvidenceLevel] = EvidenceLevel.L4

    changeset_id: Mapped[UUID] = mapped_column(ForeignKey("changesets.id", ondelete="CASCADE"), unique=True)
    status: Mapped[WatchStatus] = mapped_column(state_column(WatchStatus, "status"), default=WatchStatus.WATCHING)
    began_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    checks: Mapped[int] = mapped_column(default=0)
    checked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    evidence_needed: Mapped[float]
    baseline: Mapped[tuple[Reference, ...]] = mapped_column(PydanticJSON(tuple[Reference, ...]))
    readings: Mapped[tuple[Reading, ...]] = mapped_column(PydanticJSON(tuple[Reading, ...]), default=())
    reason: Mapped[str | None]
