"""Rows of rubrics and their versions."""

from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.core.columns import Identified, PydanticJSON, Timestamped, WorkspaceOwned
from spectral_platform.core.database import Base
from spectral_platform.evaluations.dimensions import Dimension


class Rubric(Identified, WorkspaceOwned, Base):
    """A rubric as something to refer to: which version is the newest. What it says is in its versions."""

    __tablename__ = "rubrics"

    version: Mapped[int]


class RubricVersion(WorkspaceOwned, Timestamped, Base):
    """What a rubric says in one version, for good: ``created_at`` is the rubric's, ``updated_at`` the version's.

    Versions outlive their rubric, because scans pin them.
    """

    __tablename__ = "rubric_versions"

    rubric_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str | None]
    agent_id: Mapped[UUID | None]
    dimensions: Mapped[tuple[Dimension, ...]] = mapped_column(PydanticJSON(tuple[Dimension, ...]))

    @property
    def fingerprint(self) -> str:
        """What tells this version from the rubric's others."""
        return str(self.version)
