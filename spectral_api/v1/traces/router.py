"""Endpoints of traces and feedback."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Query, Request, Response, Security
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_api.dependencies import CurrentSettings, Database, ReleasedDatabase
from spectral_api.otel.receiving import CurrentIntake, hold_memory
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router, add_routes
from spectral_api.security import authenticate
from spectral_api.streaming import NDJSON, TooManyStreams, stream
from spectral_api.v1.callers import Reader, Writer
from spectral_api.v1.refusals import workspace_problems
from spectral_api.v1.traces import export, parameters, schemas
from spectral_api.v1.traces.sessions.router import router as sessions
from spectral_api.v1.traces.tree import write
from spectral_platform.changesets.clusters.errors import ClusterNotFound
from spectral_platform.changesets.clusters.queries import list_cluster_traces
from spectral_platform.core.access import Caller, Scope
from spectral_platform.traces import commands, exporting, queries
from spectral_platform.traces.errors import Busy, SearchTooBroad, SpanNotFound, StorageFull, TraceNotFound
from spectral_platform.traces.links import FeedbackLink
from spectral_platform.traces.reports import rejection_of_report, spans_of_reports

router = Router(prefix=IN_WORKSPACE + "/traces", tags=["Traces"])
add_routes(router, sessions)
Sender = Annotated[Caller, Security(authenticate, scopes=[Scope.WRITE_TRACES, Scope.WRITE_WORKSPACE])]
TraceId = Annotated[schemas.HexTraceId, Path(description="The trace.", examples=["4bf92f3577b34da6a3ce929d0e0e4736"])]


@router.get(
    "", response_model=schemas.TraceResults, summary="List traces", responses=workspace_problems(ClusterNotFound, SearchTooBroad)
)
async def list_traces(caller: Reader, database: Database, query: Annotated[parameters.TraceQuery, Query()]) -> Any:
    """List traces, newest first unless `sort` says otherwise. Every filter that is given must hold.

    Long inputs and outputs are cut; the single trace has them whole. Pages come by `offset` up to 10 000, and by `cursor` without
    end: it stays exact while new traces arrive. Without filters `total` is exact; with filters counting stops at 10 000, and then
    `total_capped` is true. A `search` for what many traces say stops counting as soon as the page is found: then too
    `total_capped` is true, and there are at least `total`. What would take longer than ten seconds, such as a rare phrase of
    words that all traces say, is refused.
    """
    page = await queries.list_traces(
        database,
        caller,
        where=query,
        sort=query.sort,
        limit=query.limit,
        offset=query.offset,
        after=query.after,
        among=await _examples(database, caller, query.cluster_id),
    )
    return {
        "results": page.results,
        "pagination": {
            "total": page.total,
            "limit": query.limit,
            "offset": query.offset,
            "total_capped": page.is_capped,
            "next_cursor": page.next_cursor,
        },
    }


async def _examples(database: AsyncSession, caller: Caller, cluster_id: UUID | None) -> list[str] | None:
    """The traces that a cluster was found in; None where no cluster is asked for."""
    return None if cluster_id is None else await list_cluster_traces(database, caller, cluster_id)


@router.get(
    "/export",
    response_class=StreamingResponse,
    summary="Export traces",
    responses={
        **workspace_problems(ClusterNotFound, TooManyStreams),
        200: {"description": "Lines of JSON.", "content": {NDJSON: {"schema": {"type": "string"}}}},
    },
)
async def stream_traces(
    caller: Reader, database: Database, request: Request, query: Annotated[parameters.ExportQuery, Query()]
) -> StreamingResponse:
    """Stream all traces that the filters choose, as one snapshot has them, in the order in which they began.

    With `format=ndjson` a line is a trace with its spans. With `format=otlp` a line is an `ExportTraceServiceRequest` in
    OTLP/JSON, which `POST /otel/v1/traces` of any receiver takes in; a long trace comes in several. The last line is
    `{"complete": true, "rows": N}` in both, and N the number of lines before it: without it the stream broke off. No request has
    a field `complete`, and a receiver takes the line for an empty one. What was masked is not in it.
    """
    among = await _examples(database, caller, query.cluster_id)
    parts = exporting.stream_traces(request.app.state.database, caller, where=query, among=among)
    headers = {"Content-Disposition": f'attachment; filename="traces-{caller.workspace}.{query.format}.jsonl"'}
    return await stream(request, export.write(parts, query.format), headers)


@router.post(
    "",
    status_code=202,
    summary="Ingest traces (JSON)",
    responses=workspace_problems(Busy, StorageFull),
    dependencies=[Depends(hold_memory)],
)
async def create_traces(
    body: schemas.TracesCreate, request: Request, caller: Sender, released: ReleasedDatabase, intake: CurrentIntake
) -> schemas.TracesAccepted:
    """Take in traces told in a few words, for programs without OpenTelemetry. They are committed before the answer.

    Each item is judged by itself: a bad one is listed in `rejected` and the others are stored. An item becomes a trace of one
    span; with `model` or tokens it is a model call and has a price. Send a `trace_id` of your own to be able to repeat a request
    safely.
    """
    reports = [item for item in body.traces if not isinstance(item, schemas.Refusal)]
    refused = [(index, item.reason) for index, item in enumerate(body.traces) if isinstance(item, schemas.Refusal)]
    drafts = spans_of_reports(reports)
    rejections = [rejection_of_report(reason) for _, reason in refused]
    await intake.take(caller, drafts=drafts, rejections=rejections, size_bytes=len(await request.body()))
    return schemas.TracesAccepted(
        accepted=len(reports),
        trace_ids=[draft.trace_id for draft in drafts],
        rejected=[schemas.IndexedRefusal(index=index, reason=reason) for index, reason in refused],
    )


@router.get("/{trace_id}", response_model=schemas.TraceDetail, summary="Get a trace", responses=workspace_problems(TraceNotFound))
async def get_trace(
    trace_id: TraceId, caller: Reader, database: Database, query: Annotated[parameters.SpanQuery, Query()]
) -> Response:
    """Show one trace whole, with its spans as trees; of a long one 1 000 spans at a time, in the order in which they began.

    Pages come by `spans_cursor`, which stays exact while spans arrive, or by `spans_offset`.
    """
    trace = await queries.get_trace(database, caller, trace_id)
    texts = await queries.list_inputs_and_outputs(database, [trace])
    page = {"limit": query.spans_limit, "offset": query.spans_offset}
    spans, next_cursor = await queries.list_spans(database, trace, **page, after=query.after)
    pagination = schemas.SpanPagination(total=trace.span_count, **page, next_cursor=next_cursor)
    return Response(write(trace, *texts[trace_id], spans, pagination), media_type="application/json")


@router.delete("/{trace_id}", status_code=204, summary="Erase a trace", responses=workspace_problems(TraceNotFound))
async def delete_trace(trace_id: TraceId, caller: Writer, database: Database) -> None:
    """Erase one trace for good: its spans, its feedback, and everything that can be found of it by search.

    Samples that were made of it are copies and stay; delete those apart. Clusters of failures leave it out from then on. Spans of
    the trace that come later are dropped: senders are told that they were taken in, because they would send them again otherwise,
    and the ingestion statistics count them as `erased`. That is forgotten when the workspace's retention is over, or after a
    year; until then the id cannot be used again.
    """
    await commands.delete_trace(database, caller, trace_id)


@router.post(
    "/{trace_id}/feedback",
    response_model=schemas.Feedback,
    status_code=201,
    summary="Give feedback",
    responses=workspace_problems(TraceNotFound, SpanNotFound),
)
async def create_feedback(
    trace_id: TraceId, body: schemas.FeedbackCreate, caller: Writer, database: Database, response: Response
) -> Any:
    """Judge a trace, or one of its spans, with a score or a label.

    The trace's `feedback_score` is the mean of all its feedback.
    """
    feedback = await commands.create_feedback(
        database,
        caller,
        trace_id,
        score=body.value,
        **body.model_dump(include={"source", "span_id", "dimension", "comment", "corrected_output"}),
    )
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/traces/{trace_id}/feedback"
    return feedback


@router.post(
    "/{trace_id}/feedback-link",
    status_code=201,
    summary="Make a feedback link",
    responses=workspace_problems(TraceNotFound, SpanNotFound),
)
async def create_feedback_link(
    trace_id: TraceId,
    body: schemas.FeedbackLinkCreate,
    caller: Writer,
    database: Database,
    settings: CurrentSettings,
    request: Request,
    response: Response,
) -> schemas.FeedbackLink:
    """Make a signed URL by which an end user's browser may judge this trace, from a page of any origin and without a credential.

    It shows nothing of the trace unless `shows_content` is true. It is good until it expires, or the trace is erased; of what is
    said by one link the last counts.
    """
    link = await commands.create_feedback_link(database, caller, trace_id, span_id=body.span_id, shows_content=body.shows_content)
    lifetime = timedelta(hours=body.expires_in_hours)
    token = link.sign(settings.keyring, lifetime=lifetime)
    url = f"{(settings.public_url or str(request.base_url)).rstrip('/')}/api/v1/signed/feedback/{token}"
    response.headers["Location"] = url
    return schemas.FeedbackLink(url=url, expires_at=FeedbackLink.read(settings.keyring, token)[1])


@router.get(
    "/{trace_id}/feedback",
    response_model=Results[schemas.Feedback],
    summary="List feedback",
    responses=workspace_problems(TraceNotFound),
)
async def list_feedback(trace_id: TraceId, caller: Reader, database: Database, page: PageByTime) -> Any:
    """List what was thought of a trace and its spans, newest first."""
    return envelope(await queries.list_feedback(database, caller, trace_id, page=page))
