"""Rows of objectives."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.columns import Identified, PydanticJSON, Timestamped, WorkspaceOwned
from spectral_platform.core.database import Base
from spectral_platform.evaluations.terms import Constraint, ObjectiveTerm


class Objective(Identified, WorkspaceOwned, Timestamped, Base):
    """What scans improve. ``version`` counts its changes; at most one of a workspace is the default."""

    __tablename__ = "objectives"
    __table_args__ = (Index("uq_objectives_one_default", "workspace_id", unique=True, postgresql_where=text("is_default")),)

    name: Mapped[str]
    rubric_id: Mapped[UUID] = mapped_column(ForeignKey("rubrics.id", ondelete="NO ACTION"), index=True)
    terms: Mapped[tuple[ObjectiveTerm, ...]] = mapped_column(PydanticJSON(tuple[ObjectiveTerm, ...]))
    constraints: Mapped[tuple[Constraint, ...]] = mapped_column(PydanticJSON(tuple[Constraint, ...]))
    is_default: Mapped[bool]
    version: Mapped[int]

    @property
    def fingerprint(self) -> str:
        """What tells the objective as it is now from what it was before a change."""
        return str(self.version)
