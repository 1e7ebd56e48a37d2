"""Rows of managed templates and their versions."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.orm import Mapped, mapped_column, relationship

from spectral_platform.agents.placeholders import placeholders_of
from spectral_platform.agents.versions import Author, ConfigSource
from spectral_platform.core.access import CallerKind
from spectral_platform.core.columns import Created, Identified, Timestamped, WorkspaceOwned, state_column
from spectral_platform.core.crypto import content_digest
from spectral_platform.core.database import Base


class ManagedTemplate(Identified, WorkspaceOwned, Timestamped, Base):
    """A name for prompt text, and which of its versions is current: the one that is shown, and referred to by the name alone."""

    __tablename__ = "managed_templates"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    name: Mapped[str]
    description: Mapped[str | None]
    current_version: Mapped[int]
    latest_version: Mapped[int]


class TemplateVersion(WorkspaceOwned, Created, Base):
    """What a managed template says in one version. The application role may insert and read versions, never change them."""

    __tablename__ = "template_versions"
    __table_args__ = (CheckConstraint("version > 0", name="version_positive"),)

    template_id: Mapped[UUID] = mapped_column(ForeignKey("managed_templates.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    source: Mapped[ConfigSource] = mapped_column(state_column(ConfigSource, "source"))
    author_kind: Mapped[CallerKind] = mapped_column(state_column(CallerKind, "author_kind"))
    author_id: Mapped[UUID | None]
    note: Mapped[str | None]
    changeset_id: Mapped[UUID | None]

    template: Mapped[ManagedTemplate] = relationship(lazy="raise", viewonly=True)

    name: AssociationProxy[str] = association_proxy("template", "name")
    description: AssociationProxy[str | None] = association_proxy("template", "description")
    current_version: AssociationProxy[int] = association_proxy("template", "current_version")
    """The version that the name alone stands for."""
    latest_version: AssociationProxy[int] = association_proxy("template", "latest_version")
    """The newest version, which is not current where a changeset that made it is not applied."""

    @property
    def id(self) -> UUID:
        """The template's id."""
        return self.template_id

    @property
    def variables(self) -> list[str]:
        """The names of its placeholders."""
        return placeholders_of(self.text)

    @property
    def author(self) -> Author:
        """Who made it."""
        return Author(kind=self.author_kind, id=self.author_id)

    @property
    def fingerprint(self) -> str:
        """What tells it from other versions and other descriptions."""
        return content_digest(str(self.template_id), str(self.version), self.description or "")
