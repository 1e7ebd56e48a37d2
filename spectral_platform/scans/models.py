"""Rows of scans: the scan itself, its agents, events, phase documents, candidates and artifacts."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.core import clock
from spectral_platform.core.columns import Created, Identified, PydanticJSON, Timestamped, WorkspaceOwned, state_column
from spectral_platform.core.database import Base
from spectral_platform.core.lifecycle import Lifecycle
from spectral_platform.scans.quoting import Readiness
from spectral_platform.scans.settings import ResolvedSettings
from spectral_platform.scans.states import SCAN, Phase, ScanStatus, Trigger
from spectral_platform.scans.verdicts.verdict import Verdict


class Scan(Identified, WorkspaceOwned, Timestamped, Base):
    """One scan. ``attempt`` counts the workers that took it up; only the newest may write."""

    __tablename__ = "scans"
    __table_args__ = (Index("ix_scans_schedule_id_created_at", "schedule_id", "created_at"),)
    lifecycle: ClassVar[Lifecycle[ScanStatus]] = SCAN

    status: Mapped[ScanStatus] = mapped_column(state_column(ScanStatus, "status"), default=ScanStatus.SCHEDULED)
    phase: Mapped[Phase | None] = mapped_column(state_column(Phase, "phase"))
    trigger: Mapped[Trigger] = mapped_column(state_column(Trigger, "trigger"), default=Trigger.MANUAL)
    requested_by: Mapped[str]
    settings: Mapped[ResolvedSettings] = mapped_column(PydanticJSON(ResolvedSettings))
    readiness: Mapped[Readiness] = mapped_column(PydanticJSON(Readiness))
    verdict: Mapped[Verdict | None] = mapped_column(PydanticJSON(Verdict))
    simulated: Mapped[bool]
    changeset_id: Mapped[UUID | None]
    retried_from: Mapped[UUID | None] = mapped_column(ForeignKey("scans.id", ondelete="SET NULL"))
    schedule_id: Mapped[UUID | None] = mapped_column(ForeignKey("scan_schedules.id", ondelete="SET NULL"))
    attempt: Mapped[int] = mapped_column(default=0)
    failure: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    notified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ScanAgent(WorkspaceOwned, Base):
    """An agent that a scan covers. At most one scan of an agent is active, and the database decides which."""

    __tablename__ = "scan_agents"
    __table_args__ = (Index("uq_scan_agents_one_active", "agent_id", unique=True, postgresql_where=text("is_active")),)

    scan_id: Mapped[UUID] = mapped_column(ForeignKey("scans.id", ondelete="CASCADE"), primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    is_active: Mapped[bool] = mapped_column(default=True)


class ScanEvent(WorkspaceOwned, Base):
    """Something that happened in a scan. ``subject`` makes an event of a type unique, so that a resumed scan repeats none."""

    __tablename__ = "scan_events"
    __table_args__ = (UniqueConstraint("scan_id", "type", "subject"),)

    scan_id: Mapped[UUID] = mapped_column(ForeignKey("scans.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=clock.now)
    phase: Mapped[Phase | None] = mapped_column(state_column(Phase, "phase"))
    level: Mapped[str]
    type: Mapped[str]
    subject: Mapped[str]
    message: Mapped[str]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)


def events_topic(scan_id: UUID) -> str:
    """What those wait for who follow a scan."""
    return f"scan:{scan_id}"


class ScanCandidate(Identified, WorkspaceOwned, Created, Base):
    """A config that the scan tried, with its lineage and what became of it."""

    __tablename__ = "scan_candidates"
    __table_args__ = (UniqueConstraint("scan_id", "agent_id", "key"),)

    scan_id: Mapped[UUID] = mapped_column(ForeignKey("scans.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    position: Mapped[int]
    key: Mapped[str]
    parent_key: Mapped[str]
    strategy: Mapped[str]
    component: Mapped[str]
    config: Mapped[AgentConfig] = mapped_column(PydanticJSON(AgentConfig))
    rationale: Mapped[str]
    cluster_signature: Mapped[str | None]
    fate: Mapped[str]
    fate_detail: Mapped[str]
    dev: Mapped[dict[str, Any]] = mapped_column(JSONB)


class ScanDocument(WorkspaceOwned, Base):
    """What a phase found, as one document; a resumed scan writes the same again."""

    __tablename__ = "scan_documents"

    scan_id: Mapped[UUID] = mapped_column(ForeignKey("scans.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)


class ScanArtifact(Identified, WorkspaceOwned, Created, Base):
    """A file that a scan has left. Lists never read its content."""

    __tablename__ = "scan_artifacts"
    __table_args__ = (UniqueConstraint("scan_id", "path"),)

    scan_id: Mapped[UUID] = mapped_column(ForeignKey("scans.id", ondelete="CASCADE"))
    path: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[str]
    content: Mapped[bytes] = mapped_column(deferred=True)
