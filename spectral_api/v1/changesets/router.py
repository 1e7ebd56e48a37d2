"""Endpoints of changesets."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from spectral_api.dependencies import Database
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Approver, Reader, Writer
from spectral_api.v1.changesets import schemas
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.agents.errors import AgentNotFound
from spectral_platform.changesets import commands, queries
from spectral_platform.changesets.autonomy import commands as autonomy
from spectral_platform.changesets.errors import (
    ApprovalNotCounted,
    AutonomyForbids,
    ChangesetNotFound,
    EvidenceForbids,
    JudgeUncalibrated,
    NoApprovalToWithdraw,
    NotWatched,
    ReplayedEvidence,
    SimulatedEvidence,
    StaleChangeset,
)
from spectral_platform.changesets.exporting import diff_of, environment_of
from spectral_platform.core.errors import InvalidTransitionError

router = Router(prefix=IN_WORKSPACE + "/changesets", tags=["Changesets"])
DECISION = (ChangesetNotFound, AgentNotFound, InvalidTransitionError, StaleChangeset)


class ExportFormat(StrEnum):
    """The forms in which a changeset can be taken away."""

    DIFF = "diff"
    JSON = "json"
    ENV = "env"


@router.get("", response_model=Results[schemas.ChangesetSummary], summary="List changesets", responses=workspace_problems())
async def list_changesets(
    caller: Reader, database: Database, filter: Annotated[queries.ChangesetFilter, Query()], page: PageByTime
) -> Any:
    """List what scans have handed over for a decision, the newest first."""
    return envelope(await queries.list_changesets(database, caller, filter=filter, page=page))


@router.get(
    "/{changeset_id}",
    response_model=schemas.Changeset,
    summary="Get a changeset",
    responses=workspace_problems(ChangesetNotFound),
)
async def get_changeset(changeset_id: UUID, caller: Reader, database: Database) -> Any:
    """Show one changeset: what is proposed, why, on which evidence, and what has become of it."""
    return await queries.get_changeset(database, caller, changeset_id)


@router.post(
    "/{changeset_id}/accept",
    response_model=schemas.Changeset,
    summary="Accept a changeset",
    responses=workspace_problems(*DECISION, AutonomyForbids, ReplayedEvidence, SimulatedEvidence, ApprovalNotCounted),
)
async def accept_changeset(changeset_id: UUID, caller: Approver, database: Database) -> Any:
    """Approve of a changeset. With the last of the approvals that the workspace asks for (`required_approvals`), it is accepted.

    Then the proposed configs become versions labelled `approved`; what runs does not change until the changeset is applied. Until
    then the answer shows the `approvals` so far and the status stays `proposed`. An approval counts as long as its giver may
    approve, and once.
    """
    return await commands.accept_changeset(database, caller, changeset_id)


@router.post(
    "/{changeset_id}/withdraw",
    response_model=schemas.Changeset,
    summary="Withdraw an approval",
    responses=workspace_problems(ChangesetNotFound, NoApprovalToWithdraw),
)
async def withdraw_approval(changeset_id: UUID, caller: Approver, database: Database) -> Any:
    """Take your own approval back while it waits for others. What was accepted already is rejected or rolled back instead."""
    return await commands.withdraw_approval(database, caller, changeset_id)


@router.post(
    "/{changeset_id}/reject",
    response_model=schemas.Changeset,
    summary="Reject a changeset",
    responses=workspace_problems(ChangesetNotFound, InvalidTransitionError),
)
async def reject_changeset(changeset_id: UUID, body: schemas.Reason, caller: Approver, database: Database) -> Any:
    """Decide against a changeset, even after it was accepted; then `approved` returns to where it was."""
    return await commands.reject_changeset(database, caller, changeset_id, reason=body.reason)


@router.post(
    "/{changeset_id}/apply",
    response_model=schemas.Changeset,
    summary="Apply a changeset",
    responses=workspace_problems(*DECISION, AutonomyForbids, EvidenceForbids, JudgeUncalibrated),
)
async def apply_changeset(changeset_id: UUID, caller: Approver, database: Database) -> Any:
    """Label the accepted versions `production`: from now on agents fetch them.

    What rests on evidence below `L3`, where the agent was not run whole, is exported or promoted by hand instead.
    """
    return await commands.apply_changeset(database, caller, changeset_id)


@router.post(
    "/{changeset_id}/rollback",
    response_model=schemas.Changeset,
    summary="Roll a changeset back",
    responses=workspace_problems(*DECISION),
)
async def rollback_changeset(changeset_id: UUID, body: schemas.Reason, caller: Approver, database: Database) -> Any:
    """Put every label back to where it was before this changeset moved it."""
    return await commands.rollback_changeset(database, caller, changeset_id, reason=body.reason)


@router.post(
    "/{changeset_id}/watch/stop",
    response_model=schemas.Changeset,
    summary="Stop watching production",
    responses=workspace_problems(ChangesetNotFound, NotWatched),
)
async def stop_watch(changeset_id: UUID, body: schemas.Reason, caller: Approver, database: Database) -> Any:
    """Keep what the system applied under `bounded_auto`, whatever production shows from here on."""
    return await autonomy.stop_watch(database, caller, changeset_id, reason=body.reason)


@router.post(
    "/{changeset_id}/comments",
    response_model=schemas.Changeset,
    summary="Comment on a changeset",
    responses=workspace_problems(ChangesetNotFound),
)
async def comment_on_changeset(changeset_id: UUID, body: schemas.Comment, caller: Writer, database: Database) -> Any:
    """Add a remark to the decision log, whatever the changeset's status."""
    return await commands.comment_on_changeset(database, caller, changeset_id, comment=body.comment)


@router.get(
    "/{changeset_id}/export",
    response_model=schemas.Export,
    summary="Export a changeset",
    responses=workspace_problems(ChangesetNotFound)
    | {200: {"content": {"text/x-diff": {"schema": {"type": "string"}}, "text/plain": {"schema": {"type": "string"}}}}},
)
async def export_changeset(
    changeset_id: UUID,
    caller: Reader,
    database: Database,
    format: Annotated[
        ExportFormat, Query(description="A unified diff, the whole configs as JSON, or variables for a shell.")
    ] = ExportFormat.JSON,
) -> Any:
    """Take a changeset's configs away, to merge them by hand where Spectral does not serve them."""
    changeset = await queries.get_changeset(database, caller, changeset_id)
    if format is ExportFormat.ENV:
        lines = [environment_of(item.agent_name, item.proposed_config) for item in changeset.items]
        return Response("\n".join(lines), media_type="text/plain")
    if format is ExportFormat.DIFF:
        bases = await queries.list_base_configs(database, caller, changeset)
        parts = [
            diff_of(item.agent_name, item.base_version, bases[item.agent_id], item.proposed_config) for item in changeset.items
        ]
        return Response("".join(parts), media_type="text/x-diff")
    return schemas.Export(
        changeset_id=changeset_id, items=[schemas.ExportedConfig.model_validate(item) for item in changeset.items]
    )
