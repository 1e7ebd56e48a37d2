"""Rows of sample sets, their samples and their published versions."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, column_property, mapped_column

from spectral_platform.core import clock
from spectral_platform.core.columns import Created, Identified, PydanticJSON, Timestamped, WorkspaceOwned
from spectral_platform.core.database import Base
from spectral_platform.samples.content import SampleContent


class Sample(Identified, WorkspaceOwned, Timestamped, Base):
    """A test case of a set, as it is edited; what was published of it does not change with it."""

    __tablename__ = "samples"
    __table_args__ = (UniqueConstraint("sample_set_id", "content_hash"),)

    sample_set_id: Mapped[UUID] = mapped_column(ForeignKey("sample_sets.id", ondelete="CASCADE"))
    content: Mapped[SampleContent] = mapped_column(PydanticJSON(SampleContent))
    content_hash: Mapped[str]


class SampleSet(WorkspaceOwned, Timestamped, Base):
    """A named collection of samples. ``published_version`` is the number of its newest version, if it has one."""

    __tablename__ = "sample_sets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=clock.new_id)
    name: Mapped[str]
    description: Mapped[str | None]
    published_version: Mapped[int | None]
    sample_count: Mapped[int] = column_property(
        select(func.count(Sample.id)).where(Sample.sample_set_id == id).correlate_except(Sample).scalar_subquery(),
        expire_on_flush=False,
    )


class SampleSetVersion(Identified, WorkspaceOwned, Created, Base):
    """What a set contained when it was published; it never changes."""

    __tablename__ = "sample_set_versions"
    __table_args__ = (UniqueConstraint("sample_set_id", "number"),)

    sample_set_id: Mapped[UUID] = mapped_column(ForeignKey("sample_sets.id", ondelete="CASCADE"))
    number: Mapped[int]
    content_hash: Mapped[str]
    sample_count: Mapped[int]


class PublishedSample(WorkspaceOwned, Base):
    """A sample as a version froze it. Near-duplicates share a ``content_group``; ``fingerprint`` is that of its input's words.

    ``sample_id`` names the sample that it was copied from, which may since have changed or gone.
    """

    __tablename__ = "published_samples"
    __table_args__ = (Index(None, "workspace_id", "fingerprint"),)

    version_id: Mapped[UUID] = mapped_column(ForeignKey("sample_set_versions.id", ondelete="CASCADE"), primary_key=True)
    content_hash: Mapped[str] = mapped_column(primary_key=True)
    sample_id: Mapped[UUID]
    fingerprint: Mapped[str]
    content_group: Mapped[str]
    content: Mapped[SampleContent] = mapped_column(PydanticJSON(SampleContent))
