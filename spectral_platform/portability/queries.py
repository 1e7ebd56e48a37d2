"""What is due to be erased, and what must not be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from uuid import UUID

from sqlalchemy import func, select, text, union
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.models import Account
from spectral_platform.changesets.clusters.models import ClusterSighting, FailureCluster
from spectral_platform.changesets.clusters.states import ClusterStatus
from spectral_platform.changesets.models import Changeset
from spectral_platform.changesets.states import ChangesetStatus
from spectral_platform.core import clock
from spectral_platform.core.database import bind_upkeep
from spectral_platform.samples.models import PublishedSample, Sample
from spectral_platform.workspaces.models import RESTORABLE_FOR, Workspace
from spectral_platform.workspaces.policies.kinds import PolicyKind
from spectral_platform.workspaces.policies.models import WorkspacePolicy
from spectral_platform.workspaces.policies.retention import Retention


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace and whose it is."""

    account_id: UUID
    workspace_id: UUID


@dataclass(frozen=True, slots=True)
class Expiry:
    """Traces of a workspace that arrived before the day ``before``, in UTC, are to go."""

    place: Place
    before: date


async def list_deleted_accounts(session: AsyncSession) -> Sequence[UUID]:
    """Every account that is to be erased."""
    await bind_upkeep(session)
    return (await session.scalars(select(Account.id).where(Account.deleted_at.is_not(None)).order_by(Account.id))).all()


async def list_unrestorable_workspaces(session: AsyncSession) -> list[Place]:
    """Every deleted workspace that can no longer be restored."""
    await bind_upkeep(session)
    rows = await session.execute(
        select(Workspace.account_id, Workspace.id)
        .where(Workspace.deleted_at <= clock.now() - RESTORABLE_FOR)
        .order_by(Workspace.id)
    )
    return [Place(account_id, workspace_id) for account_id, workspace_id in rows]


async def list_workspaces_of(session: AsyncSession, account_id: UUID) -> list[Place]:
    """Every workspace of the bound account, deleted ones too."""
    found = await session.scalars(select(Workspace.id).where(Workspace.account_id == account_id).order_by(Workspace.id))
    return [Place(account_id, workspace_id) for workspace_id in found]


async def list_expiries(session: AsyncSession) -> list[Expiry]:
    """Every workspace that keeps its traces for a while only, and since when."""
    await bind_upkeep(session)
    rows = await session.execute(
        select(WorkspacePolicy.account_id, WorkspacePolicy.workspace_id, WorkspacePolicy.document)
        .where(WorkspacePolicy.kind == PolicyKind.RETENTION)
        .order_by(WorkspacePolicy.workspace_id)
    )
    found = [(Place(row[0], row[1]), Retention.model_validate(row[2]).traces_days) for row in rows]
    today = clock.now().astimezone(UTC).date()
    return [Expiry(place, today - timedelta(days=days)) for place, days in found if days is not None]


async def list_expired_days(session: AsyncSession, expiries: Sequence[Expiry]) -> Sequence[date]:
    """The days of which no workspace wants to keep a trace any longer, and whose partitions are still there."""
    statement = text("SELECT * FROM expired_span_days(CAST(:workspaces AS uuid[]), CAST(:kept_from AS date[]))")
    values = {"workspaces": [each.place.workspace_id for each in expiries], "kept_from": [each.before for each in expiries]}
    return (await session.scalars(statement, values)).all()


async def list_cited_traces(session: AsyncSession, workspace_id: UUID) -> Sequence[str]:
    """The traces that something else rests on: samples, clusters that are not dealt with, and changesets that were applied."""
    samples = (
        select(func.jsonb_extract_path_text(model.content, "source_trace_id")).where(model.workspace_id == workspace_id)
        for model in (Sample, PublishedSample)
    )
    clusters = select(func.jsonb_array_elements_text(FailureCluster.exemplar_trace_ids)).where(
        FailureCluster.workspace_id == workspace_id,
        FailureCluster.status.in_([ClusterStatus.OPEN, ClusterStatus.ACKNOWLEDGED]),
    )
    applied = (
        select(func.jsonb_array_elements_text(ClusterSighting.exemplar_trace_ids))
        .join(Changeset, Changeset.id == ClusterSighting.changeset_id)
        .where(ClusterSighting.workspace_id == workspace_id, Changeset.status == ChangesetStatus.APPLIED)
    )
    found = await session.scalars(union(*samples, clusters, applied))
    return [trace_id for trace_id in found if trace_id is not None]
