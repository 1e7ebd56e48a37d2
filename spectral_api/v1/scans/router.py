"""Endpoints of scans."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Header, Query, Request, Response
from fastapi.sse import EventSourceResponse

from spectral_api.dependencies import CurrentSettings, CurrentWatch, Database, DatabaseHolder, release_session
from spectral_api.files import HTML, MARKDOWN, file_response
from spectral_api.paging import Limit, Offset, PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router, add_routes
from spectral_api.security import Credential, let_in_again
from spectral_api.v1.callers import Reader, Writer
from spectral_api.v1.refusals import workspace_problems
from spectral_api.v1.scans import artifacts, schemas, steps
from spectral_api.v1.scans.schedules.router import router as schedules
from spectral_api.v1.scans.streaming import EVENT_STREAM, LARGEST_SEQUENCE, TooManyFollowers, bound_stream, stream_events
from spectral_platform.agents.errors import SecretHeadersUnreadable
from spectral_platform.core.errors import InvalidTransitionError
from spectral_platform.core.paging import PageRequest
from spectral_platform.llm.errors import ProviderUnconfigured
from spectral_platform.mail.errors import MailUnconfigured
from spectral_platform.ratelimits.errors import TooManyRequests
from spectral_platform.scans import commands, queries
from spectral_platform.scans.errors import (
    ArtifactNotFound,
    BudgetTooSmall,
    MixedSimulation,
    RetryNotPossible,
    ScanAlreadyActive,
    ScanNotFound,
    ScanNotPossible,
)
from spectral_platform.scans.quoting import Readiness

router = Router(prefix=IN_WORKSPACE + "/scans", tags=["Scans"])
add_routes(router, schedules, artifacts.router, steps.router)  # schedules before /scans/{scan_id}
PLANNING = (
    ScanNotPossible,
    BudgetTooSmall,
    MixedSimulation,
    ProviderUnconfigured,
    SecretHeadersUnreadable,
    MailUnconfigured,
)


def _located(view: queries.ScanView, workspace_id: UUID, response: Response) -> schemas.Scan:
    response.headers["Location"] = f"/api/v1/workspaces/{workspace_id}/scans/{view.scan.id}"
    return schemas.Scan.of(view)


@router.post("", status_code=202, summary="Start a scan", responses=workspace_problems(*PLANNING, ScanAlreadyActive))
async def create_scan(
    body: schemas.ScanCreate, caller: Writer, database: Database, settings: CurrentSettings, response: Response
) -> schemas.Scan:
    """Start a scan and answer at once; follow it at `Location`.

    The scan runs the agents as they are, groups what fails, proposes changes, races them on dev cases, and checks one finalist
    on a sealed holdout. Every outcome, also that nothing helps, is a completed scan with a verdict. With a `seed` it can be
    repeated.
    """
    view = await commands.create_scan(database, caller, settings, request=body.settings())
    return _located(view, caller.workspace, response)


@router.post("/quote", summary="Quote a scan", responses=workspace_problems(*PLANNING))
async def quote_scan(body: schemas.ScanCreate, caller: Writer, database: Database, settings: CurrentSettings) -> Readiness:
    """Tell what a scan with this body would take and could show, without starting it."""
    return await commands.quote_scan(database, caller, settings, request=body.settings())


@router.get("", response_model=Results[schemas.Scan], summary="List scans", responses=workspace_problems())
async def list_scans(caller: Reader, database: Database, filter: Annotated[queries.ScanFilter, Query()], page: PageByTime) -> Any:
    """List the scans of the workspace, newest first."""
    found = envelope(await queries.list_scans(database, caller, filter=filter, page=page))
    return {**found, "results": [schemas.Scan.of(view) for view in found["results"]]}


@router.get("/{scan_id}", summary="Get a scan", responses=workspace_problems(ScanNotFound))
async def get_scan(scan_id: UUID, caller: Reader, database: Database) -> schemas.Scan:
    """Show one scan: its status, progress and, once it is decided, its verdict."""
    return schemas.Scan.of(await queries.get_scan(database, caller, scan_id))


@router.post(
    "/{scan_id}/cancel",
    status_code=202,
    summary="Cancel a scan",
    responses=workspace_problems(ScanNotFound, InvalidTransitionError),
)
async def cancel_scan(scan_id: UUID, caller: Writer, database: Database, response: Response) -> schemas.Scan:
    """Stop a scan within two seconds. Calls in flight are abandoned and charged; what was measured stays readable."""
    return _located(await commands.cancel_scan(database, caller, scan_id), caller.workspace, response)


@router.post(
    "/{scan_id}/retry",
    status_code=202,
    summary="Try a scan again",
    responses=workspace_problems(ScanNotFound, RetryNotPossible, ScanNotPossible, ScanAlreadyActive),
)
async def retry_scan(scan_id: UUID, caller: Writer, database: Database, response: Response) -> schemas.Scan:
    """Start a new scan with the settings of one that failed or was cancelled; what that one was answered is not asked again."""
    return _located(await commands.retry_scan(database, caller, scan_id), caller.workspace, response)


@router.get(
    "/{scan_id}/events",
    response_model=Results[schemas.ScanEvent],
    summary="List a scan's events",
    responses=workspace_problems(ScanNotFound, TooManyRequests, TooManyFollowers)
    | {200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}},
)
async def list_scan_events(
    scan_id: UUID,
    caller: Reader,
    database: Database,
    holder: DatabaseHolder,
    watch: CurrentWatch,
    request: Request,
    credential: Credential,
    accept: Annotated[str | None, Header(description="`text/event-stream` to follow the scan.")] = None,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=LARGEST_SEQUENCE, description="Of a stream: the last event that was received.")
    ] = None,
    limit: Limit = 20,
    offset: Offset = 0,
    sort: Annotated[Literal["sequence", "-sequence"], Query(description="Order; a leading `-` = the newest first.")] = "sequence",
) -> Any:
    """List what happened in a scan, in order, with the figures behind each step.

    With `Accept: text/event-stream` the events are sent as they happen ([server-sent
    events](https://html.spec.whatwg.org/multipage/server-sent-events.html)): `id` is the sequence number, `event` the type, and
    `data` the event as JSON. The stream ends with the scan, or with the credential. `Last-Event-ID` resumes it after that event.
    A workspace has at most a hundred streams open at once.
    """
    if EVENT_STREAM in (accept or "").lower():
        await queries.find_scan(database, caller, scan_id)
        await release_session(database, holder)
        admit = let_in_again(request, credential, caller.workspace)
        events = stream_events(watch, holder, caller, scan_id, after=last_event_id or 0, admit=admit)
        return EventSourceResponse(await bound_stream(request.app.state.streams, caller.workspace, events))
    page = PageRequest(limit=limit, offset=offset, sort=sort)
    return envelope(await queries.list_scan_events(database, caller, scan_id, page=page))


@router.get("/{scan_id}/cost", summary="Get a scan's cost", responses=workspace_problems(ScanNotFound))
async def get_scan_cost(scan_id: UUID, caller: Reader, database: Database) -> schemas.ScanCost:
    """Show what a scan has cost by model, by phase and by purpose, and how its budget stands."""
    return schemas.ScanCost.of(await queries.get_scan_cost(database, caller, scan_id))


@router.get(
    "/{scan_id}/report",
    response_model=schemas.ScanReport,
    summary="Get a scan's report",
    responses=workspace_problems(ScanNotFound, ArtifactNotFound)
    | {200: {"content": {HTML: {"schema": {"type": "string"}}, MARKDOWN: {"schema": {"type": "string"}}}}},
)
async def get_scan_report(
    scan_id: UUID,
    caller: Reader,
    database: Database,
    accept: Annotated[str | None, Header(description="`text/html` for a page, `text/markdown` for a pull request.")] = None,
) -> Any:
    """Show what a scan found: failure clusters, every candidate with what became of it, and the verdict with its statistics.

    As JSON it can be read at any time. A completed scan also has it as one self-contained page with plots (`Accept: text/html`)
    and as Markdown (`Accept: text/markdown`).
    """
    wanted = (accept or "").lower()
    for media_type, path in ((HTML, "report.html"), (MARKDOWN, "report.md")):
        if media_type in wanted and "application/json" not in wanted:
            content = await queries.read_scan_artifact(database, caller, scan_id, path)
            return file_response(content, media_type=media_type, name=path)
    return schemas.ScanReport.of(await queries.get_scan_report(database, caller, scan_id))
