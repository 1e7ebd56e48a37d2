"""Rows of agents, their dependencies, config versions and labels."""

from datetime import datetime
from typing import ClassVar, Self
from uuid import UUID

import orjson
from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Index, Select, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.orm import Mapped, mapped_column, relationship

from spectral_platform.agents.configuration import AgentConfig, Execution, Hyperparameters, PromptTemplate
from spectral_platform.agents.states import AGENT, AgentOrigin, AgentStatus
from spectral_platform.agents.versions import Author, ConfigSource, Label
from spectral_platform.core.access import CallerKind
from spectral_platform.core.columns import Created, Identified, PydanticJSON, Timestamped, WorkspaceOwned, state_column
from spectral_platform.core.crypto import content_digest
from spectral_platform.core.database import Base
from spectral_platform.core.lifecycle import Lifecycle
from spectral_platform.core.sealed_columns import Sealed


class AgentDependency(WorkspaceOwned, Base):
    """One edge: the agent needs the other one's output. Commands keep the edges of a workspace free of cycles."""

    __tablename__ = "agent_dependencies"
    __table_args__ = (CheckConstraint("agent_id <> depends_on_id", name="not_itself"),)

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    depends_on_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True, index=True)


class ConfigVersion(Identified, WorkspaceOwned, Created, Base):
    """What an agent runs with, at one version. The application role may insert and read versions, never change them."""

    __tablename__ = "config_versions"
    __table_args__ = (
        UniqueConstraint("agent_id", "version"),
        CheckConstraint("version > 0", name="version_positive"),
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    version: Mapped[int]
    config: Mapped[AgentConfig] = mapped_column(PydanticJSON(AgentConfig))
    source: Mapped[ConfigSource] = mapped_column(state_column(ConfigSource, "source"))
    author_kind: Mapped[CallerKind] = mapped_column(state_column(CallerKind, "author_kind"))
    author_id: Mapped[UUID | None]
    note: Mapped[str | None]
    changeset_id: Mapped[UUID | None] = mapped_column(index=True)

    carried: Mapped[list["ConfigLabel"]] = relationship(lazy="raise", viewonly=True, order_by="ConfigLabel.label")

    @property
    def template(self) -> PromptTemplate:
        """The structured prompt."""
        return self.config.template

    @property
    def hyperparameters(self) -> Hyperparameters:
        """Model and sampling parameters."""
        return self.config.hyperparameters

    @property
    def execution(self) -> Execution | None:
        """How a scan runs the agent; None = by its model."""
        return self.config.execution

    @property
    def labels(self) -> list[Label]:
        """The labels that this version carries now."""
        return [row.label for row in self.carried]

    @property
    def author(self) -> Author:
        """Who made it."""
        return Author(kind=self.author_kind, id=self.author_id)

    def copied(self, *, to: UUID, number: int) -> "ConfigVersion":
        """The same as a version of another agent, with its history."""
        return ConfigVersion(
            workspace_id=self.workspace_id,
            agent_id=to,
            version=number,
            config=self.config,
            source=self.source,
            author_kind=self.author_kind,
            author_id=self.author_id,
            note=self.note,
            changeset_id=self.changeset_id,
            created_at=self.created_at,
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of agent, version and config, and of nothing else: labels may move without changing it."""
        config = orjson.dumps(self.config.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        return content_digest(str(self.agent_id), str(self.version), config.decode())


class EndpointHeaders(Identified, WorkspaceOwned, Created, Base):
    """Secret headers of an agent's endpoint, sealed; they may go to this origin alone. They are never changed, only replaced."""

    __tablename__ = "endpoint_headers"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    origin: Mapped[str]
    names: Mapped[list[str]] = mapped_column(ARRAY(TEXT))
    headers: Mapped[str] = mapped_column(Sealed)


class ConfigLabel(WorkspaceOwned, Timestamped, Base):
    """Which version of an agent carries a label."""

    __tablename__ = "config_labels"
    __table_args__ = (
        ForeignKeyConstraint(
            ["agent_id", "version"],
            ["config_versions.agent_id", "config_versions.version"],
            name="fk_config_labels_version",
            ondelete="CASCADE",
        ),
    )

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    label: Mapped[Label] = mapped_column(state_column(Label, "label"), primary_key=True)
    version: Mapped[int]


class Agent(Identified, WorkspaceOwned, Timestamped, Base):
    """An AI agent of a workspace. A deleted one keeps its row, so that traces and changesets still say whose they are.

    One that was merged into another is an alias of it: its row holds the name, which is unique among agents and aliases alike,
    and points at the agent itself, never at another alias.
    """

    __tablename__ = "agents"

    lifecycle: ClassVar[Lifecycle[AgentStatus]] = AGENT

    name: Mapped[str]
    role: Mapped[str | None]
    description: Mapped[str | None]
    kind: Mapped[str | None]
    origin: Mapped[AgentOrigin] = mapped_column(state_column(AgentOrigin, "origin"))
    status: Mapped[AgentStatus] = mapped_column(state_column(AgentStatus, "status"))
    latest_version: Mapped[int] = mapped_column(default=0)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    deleted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    dependencies: Mapped[list[AgentDependency]] = relationship(
        lazy="raise", viewonly=True, foreign_keys=AgentDependency.agent_id, order_by=AgentDependency.depends_on_id
    )
    labels: Mapped[list[ConfigLabel]] = relationship(lazy="raise", viewonly=True)
    merged: Mapped[list["Agent"]] = relationship(lazy="raise", viewonly=True, order_by="Agent.name")

    @classmethod
    def in_workspace(cls, workspace_id: UUID) -> Select[Self]:
        """Select the agents of one workspace that are neither deleted nor aliases of others."""
        return super().in_workspace(workspace_id).where(cls.deleted_at.is_(None), cls.merged_into_id.is_(None))

    @property
    def aliases(self) -> list[str]:
        """The other names under which its spans come."""
        return [alias.name for alias in self.merged]

    @property
    def depends_on(self) -> list[UUID]:
        """The agents whose output this one needs."""
        return [edge.depends_on_id for edge in self.dependencies]

    @property
    def approved_version(self) -> int | None:
        """The version that scans start from, if there is one."""
        return self._labelled(Label.APPROVED)

    @property
    def production_version(self) -> int | None:
        """The version that runs today, if there is one."""
        return self._labelled(Label.PRODUCTION)

    def _labelled(self, label: Label) -> int | None:
        return next((row.version for row in self.labels if row.label is label), None)


UNIQUE_NAME = Index(
    "uq_agents_workspace_id_name", Agent.workspace_id, Agent.name, unique=True, postgresql_where=Agent.deleted_at.is_(None)
)
