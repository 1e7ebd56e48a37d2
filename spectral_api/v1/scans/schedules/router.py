"""Endpoints of schedules."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Query, Response, Security

from spectral_api.dependencies import CurrentSettings, Database
from spectral_api.etags import ConditionalWrite, etag
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.security import authenticate_trigger
from spectral_api.v1.callers import Reader, Writer
from spectral_api.v1.refusals import workspace_problems
from spectral_api.v1.scans import schemas as scans
from spectral_api.v1.scans.schedules import schemas
from spectral_platform.agents.errors import SecretHeadersUnreadable
from spectral_platform.core.access import Caller, Scope
from spectral_platform.llm.errors import ProviderUnconfigured
from spectral_platform.mail.errors import MailUnconfigured
from spectral_platform.scans.errors import BudgetTooSmall, MixedSimulation, ScanAlreadyActive, ScanNotPossible
from spectral_platform.scans.schedules import commands, queries
from spectral_platform.scans.schedules.errors import (
    OverrideRefused,
    ScheduleChanged,
    ScheduleIsDisabled,
    ScheduleNameTaken,
    ScheduleNotFound,
    TooManySchedules,
)
from spectral_platform.scans.schedules.states import RunStatus

router = Router(prefix=IN_WORKSPACE + "/scans/schedules", tags=["Scans"])
Triggering = Annotated[Caller, Security(authenticate_trigger, scopes=[Scope.WRITE_WORKSPACE])]
WRITING = (ScanNotPossible, MailUnconfigured, ScheduleNameTaken)
CHANGING = (*WRITING, ScheduleNotFound, ScheduleChanged)


@router.get("", response_model=Results[schemas.Schedule], summary="List schedules", responses=workspace_problems())
async def list_schedules(caller: Reader, database: Database, page: PageByTime) -> Any:
    """List the schedules of the workspace, disabled ones too, each with its next run and its last scan."""
    found = envelope(await queries.list_schedules(database, caller, page=page))
    return {**found, "results": [schemas.Schedule.of(view) for view in found["results"]]}


@router.post("", status_code=201, summary="Create a schedule", responses=workspace_problems(*WRITING, TooManySchedules))
async def create_schedule(
    body: schemas.ScheduleCreate, caller: Writer, database: Database, settings: CurrentSettings, response: Response
) -> schemas.ScheduleWithToken:
    """Have scans start by the clock, or whenever something outside calls.

    Times are read in the schedule's time zone. Where daylight saving skips one, the run starts right after the gap; where it
    repeats one, the run starts the first time only; expressions whose minute or hour is `*` follow real time. A run is skipped
    while a scan of the schedule, or of one of its agents, has not ended. After five runs in a row that were refused or whose
    scans failed the schedule is disabled, and webhooks are told `schedule.disabled`.

    The answer holds the token that triggers the schedule from outside, this once.
    """
    view, token = await commands.create_schedule(database, caller, settings, **body.values())
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/scans/schedules/{view.schedule.id}"
    response.headers["ETag"] = etag(view.schedule.fingerprint)
    return schemas.ScheduleWithToken.once(view, token)


@router.get("/{schedule_id}", summary="Get a schedule", responses=workspace_problems(ScheduleNotFound))
async def get_schedule(schedule_id: UUID, caller: Reader, database: Database, response: Response) -> schemas.Schedule:
    """Show one schedule, without its token. Its entity tag guards writes; runs do not change it."""
    view = await queries.get_schedule(database, caller, schedule_id)
    response.headers["ETag"] = etag(view.schedule.fingerprint)
    return schemas.Schedule.of(view)


@router.put("/{schedule_id}", summary="Replace a schedule", responses=workspace_problems(*CHANGING))
async def replace_schedule(
    schedule_id: UUID,
    body: schemas.ScheduleCreate,
    caller: Writer,
    database: Database,
    settings: CurrentSettings,
    conditional: ConditionalWrite,
) -> schemas.Schedule:
    """Make the schedule say this and nothing else; its token and the history of its runs stay."""
    view = await commands.update_schedule(
        database, caller, settings, schedule_id, changes=body.values(), expected=conditional.expected
    )
    conditional.show(view.schedule)
    return schemas.Schedule.of(view)


@router.patch("/{schedule_id}", summary="Change a schedule", responses=workspace_problems(*CHANGING))
async def update_schedule(
    schedule_id: UUID,
    body: schemas.ScheduleUpdate,
    caller: Writer,
    database: Database,
    settings: CurrentSettings,
    conditional: ConditionalWrite,
) -> schemas.Schedule:
    """Change the named fields; absent ones stay as they are. `next_run_at` of the answer goes by the change already.

    Enabling a schedule, like any change of it, forgives its failures. What was due while it was disabled is not caught up on.
    """
    view = await commands.update_schedule(
        database, caller, settings, schedule_id, changes=body.changes(), expected=conditional.expected
    )
    conditional.show(view.schedule)
    return schemas.Schedule.of(view)


@router.delete(
    "/{schedule_id}",
    status_code=204,
    summary="Delete a schedule",
    responses=workspace_problems(ScheduleNotFound, ScheduleChanged),
)
async def delete_schedule(schedule_id: UUID, caller: Writer, database: Database, conditional: ConditionalWrite) -> None:
    """Delete the schedule, its token and the history of its runs. Its scans stay, and one that runs goes on."""
    await commands.delete_schedule(database, caller, schedule_id, expected=conditional.expected)


@router.get("/{schedule_id}/explain", summary="Explain a schedule", responses=workspace_problems(ScheduleNotFound))
async def explain_schedule(
    schedule_id: UUID, caller: Reader, database: Database, settings: CurrentSettings
) -> schemas.Explanation:
    """Tell whether a scan would start if the schedule were due now, and why not: the worker goes by the same answer."""
    decision = await commands.explain_schedule(database, caller, settings, schedule_id)
    return schemas.Explanation.of(decision, await queries.get_schedule(database, caller, schedule_id))


@router.post(
    "/{schedule_id}/trigger",
    status_code=202,
    summary="Trigger a schedule",
    responses=workspace_problems(
        ScheduleNotFound,
        ScheduleIsDisabled,
        OverrideRefused,
        ScanNotPossible,
        BudgetTooSmall,
        MixedSimulation,
        ProviderUnconfigured,
        SecretHeadersUnreadable,
        MailUnconfigured,
        ScanAlreadyActive,
    ),
)
async def trigger_schedule(
    schedule_id: UUID,
    caller: Triggering,
    database: Database,
    settings: CurrentSettings,
    response: Response,
    body: Annotated[schemas.ScheduleTrigger, Body(default_factory=schemas.ScheduleTrigger)],
) -> scans.Scan:
    """Start a scan of the schedule now, whatever its quiet hours; answers as `POST scans` does.

    Besides members and keys, whoever holds the schedule's own token may do so (`Authorization: Bearer sched_…`): put it where
    something outside should start scans, such as a pipeline. The scan's trigger is then `webhook`. A body is not needed.
    """
    view = await commands.trigger_schedule(
        database, caller, settings, schedule_id, overrides=body.overrides.settings(), variables=body.variables
    )
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/scans/{view.scan.id}"
    return scans.Scan.of(view)


@router.get(
    "/{schedule_id}/runs",
    response_model=Results[schemas.ScheduleRun],
    summary="List a schedule's runs",
    responses=workspace_problems(ScheduleNotFound),
)
async def list_schedule_runs(
    schedule_id: UUID,
    caller: Reader,
    database: Database,
    page: PageByTime,
    status: Annotated[RunStatus | None, Query(description="Only runs that stand here.")] = None,
) -> Any:
    """List what came of each time that the schedule was due or triggered, newest first, with the reason where nothing started.

    Runs are kept for ninety days, their scans for as long as the workspace.
    """
    found = envelope(await queries.list_schedule_runs(database, caller, schedule_id, status=status, page=page))
    return {**found, "results": [schemas.ScheduleRun.of(view) for view in found["results"]]}


@router.post("/{schedule_id}/rotate-token", summary="Rotate a schedule's token", responses=workspace_problems(ScheduleNotFound))
async def rotate_schedule_token(schedule_id: UUID, caller: Writer, database: Database) -> schemas.ScheduleWithToken:
    """Give the schedule a new token, shown this once. The one before is refused from this moment on."""
    view, token = await commands.rotate_schedule_token(database, caller, schedule_id)
    return schemas.ScheduleWithToken.once(view, token)
