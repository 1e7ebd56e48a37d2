"""Endpoints of changesets."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Response, Security

from spectral_api.dependencies import Database
from spectral_api.paging import Results, envelope, page_request
from spectral_api.problems import problems
from spectral_api.routing import Router
from spectral_api.security import authenticate
from spectral_api.v1.changesets import schemas
from spectral_api.v1.refusals import IN_WORKSPACE
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
from spectral_platform.changesets.states import ChangesetStatus
from spectral_platform.core.access import Caller, Scope
from spectral_platform.core.errors import InvalidTransitionError
from spectral_platform.core.paging import PageRequest

router = Router()
Reader = Annotated[Caller, Security(authenticate, scopes=[Scope.READ_WORKSPACE])]
Writer = Annotated[Caller, Security(authenticate, scopes=[Scope.WRITE_WORKSPACE])]
Approver = Annotated[Caller, Security(authenticate, scopes=[Scope.APPROVE_AGENTS])]
DECISION = (*IN_WORKSPACE, ChangesetNotFound, AgentNotFound, InvalidTransitionError, StaleChangeset)


class ExportFormat(StrEnum):
    """The forms in which a changeset can be taken away."""

    DIFF = "diff"
    JSON = "json"
    ENV = "env"


async def changeset_filter(
    status: Annotated[ChangesetStatus | None, Query(description="Only changesets with this status.")] = None,
    scan_id: Annotated[UUID | None, Query(description="Only the changeset of this scan.")] = None,
    agent_id: Annotated[UUID | None, Query(description="Only changesets that would change this agent.")] = None,
) -> queries.ChangesetFilter:
    """Which changesets to list."""
    return queries.ChangesetFilter(status=status, scan_id=scan_id, agent_id=agent_id)


@router.get(
    "",
    response_model=Results[schemas.ChangesetSummary],
    summary="List changesets",
    responses=problems(*IN_WORKSPACE),
)
async def list_changesets(
    workspace_id: UUID,
    caller: Reader,
    database: Database,
    filter: Annotated[queries.ChangesetFilter, Depends(changeset_filter)],
    page: Annotated[PageRequest, Depends(page_request)],
) -> Any:
    """List what scans have handed over for a decision, the newest first."""
    return envelope(await queries.list_changesets(database, caller, filter=filter, page=page))


@router.get(
    "/{changeset_id}",
    response_model=schemas.Changeset,
    summary="Get a changeset",
    responses=problems(*IN_WORKSPACE, ChangesetNotFound),
)
async def get_changeset(workspace_id: UUID, changeset_id: UUID, caller: Reader, database: Database) -> Any:
    """Show one changeset: what is proposed, why, on which evidence, and what has become of it."""
    return await queries.get_changeset(database, caller, changeset_id)


@router.post(
    "/{changeset_id}/accept",
    response_model=schemas.Changeset,
    summary="Accept a changeset",
    responses=problems(*DECISION, AutonomyForbids, ReplayedEvidence, SimulatedEvidence, ApprovalNotCounted),
)
async def accept_changeset(workspace_id: UUID, changeset_id: UUID, caller: Approver, database: Database) -> Any:
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
    responses=problems(*IN_WORKSPACE, ChangesetNotFound, NoApprovalToWithdraw),
)
async def withdraw_approval(workspace_id: UUID, changeset_id: UUID, caller: Approver, database: Database) -> Any:
    """Take your own approval back while it waits for others. What was accepted already is rejected or rolled back instead."""
    return await commands.withdraw_approval(database, caller, changeset_id)


@router.post(
    "/{changeset_id}/reject",
    response_model=schemas.Changeset,
    summary="Reject a changeset",
    responses=problems(*IN_WORKSPACE, ChangesetNotFound, InvalidTransitionError),
)
async def reject_changeset(
    workspace_id: UUID, changeset_id: UUID, body: schemas.Reason, caller: Approver, database: Database
) -> Any:
    """Decide against a changeset, even after it was accepted; then `approved` returns to where it was."""
    return await commands.reject_changeset(database, caller, changeset_id, reason=body.reason)


@router.post(
    "/{changeset_id}/apply",
    response_model=schemas.Changeset,
    summary="Apply a changeset",
    responses=problems(*DECISION, AutonomyForbids, EvidenceForbids, JudgeUncalibrated),
)
async def apply_changeset(workspace_id: UUID, changeset_id: UUID, caller: Approver, database: Database) -> Any:
    """Label the accepted versions `production`: from now on agents fetch them.

    What rests on evidence below `L3`, where the agent was not run whole, is exported or promoted by hand instead.
    """
    return await commands.apply_changeset(database, caller, changeset_id)


@router.post(
    "/{changeset_id}/rollback",
    response_model=schemas.Changeset,
    summary="Roll a changeset back",
    responses=problems(*DECISION),
)
async def rollback_changeset(
    workspace_id: UUID, changeset_id: UUID, body: schemas.Reason, caller: Approver, database: Database
) -> Any:
    """Put every label back to where it was before this changeset moved it."""
    return await commands.rollback_changeset(database, caller, changeset_id, reason=body.reason)


@router.post(
    "/{changeset_id}/watch/stop",
    response_model=schemas.Changeset,
    summary="Stop watching production",
    responses=problems(*IN_WORKSPACE, ChangesetNotFound, NotWatched),
)
async def stop_watch(workspace_id: UUID, changeset_id: UUID, body: schemas.Reason, caller: Approver, database: Database) -> Any:
    """Keep what the system applied under `bounded_auto`, whatever production shows from here on."""
    return await autonomy.stop_watch(database, caller, changeset_id, reason=body.reason)


@router.post(
    "/{changeset_id}/comments",
    response_model=schemas.Changeset,
    summary="Comment on a changeset",
    responses=problems(*IN_WORKSPACE, ChangesetNotFound),
)
async def comment_on_changeset(
    workspace_id: UUID, changeset_id: UUID, body: schemas.Comment, caller: Writer, database: Database
) -> Any:
    """Add a remark to the decision log, whatever the changeset's status."""
    return await commands.comment_on_changeset(database, caller, changeset_id, comment=body.comment)


@router.get(
    "/{changeset_id}/export",
    response_model=schemas.Export,
    summary="Export a changeset",
    responses=problems(*IN_WORKSPACE, ChangesetNotFound)
    | {200: {"content": {"text/x-diff": {"schema": {"type": "string"}}, "text/plain": {"schema": {"type": "string"}}}}},
)
async def export_changeset(
    workspace_id: UUID,
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
