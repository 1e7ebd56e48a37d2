"""Endpoints of sample sets and samples."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from spectral_api.dependencies import Database, DatabaseHolder
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.streaming import CSV, NDJSON, TooManyStreams, stream
from spectral_api.v1.callers import Reader, Writer
from spectral_api.v1.refusals import workspace_problems
from spectral_api.v1.samples import schemas
from spectral_api.v1.samples.uploads import REQUEST_BODY, SamplesMediaTypeUnsupported, received
from spectral_platform.core import database as platform_database
from spectral_platform.core.errors import PayloadTooLargeError
from spectral_platform.samples import commands, queries
from spectral_platform.samples.errors import (
    SampleDuplicated,
    SampleFileUnreadable,
    SampleNotFound,
    SampleSetEmpty,
    SampleSetNotFound,
    SampleSetVersionNotFound,
)
from spectral_platform.samples.parsing import write_csv
from spectral_platform.traces.errors import SearchTooBroad

LARGEST_NUMBER = 2**31 - 1

router = Router(prefix=IN_WORKSPACE + "/samples", tags=["Samples"])

Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="Number of the version.")]


@router.get("/sets", response_model=Results[schemas.SampleSet], summary="List sample sets", responses=workspace_problems())
async def list_sample_sets(caller: Reader, database: Database, page: PageByTime) -> Any:
    """List the sample sets of the workspace."""
    return envelope(await queries.list_sample_sets(database, caller, page=page))


@router.post(
    "/sets", status_code=201, response_model=schemas.SampleSet, summary="Create a sample set", responses=workspace_problems()
)
async def create_sample_set(body: schemas.SampleSetCreate, caller: Writer, database: Database, response: Response) -> Any:
    """Make an empty set. Fill it, publish it, and scans can use it."""
    sample_set = await commands.create_sample_set(database, caller, name=body.name, description=body.description)
    response.headers["Location"] = _path_of(caller.workspace, sample_set.id)
    return sample_set


@router.get(
    "/sets/{sample_set_id}",
    response_model=schemas.SampleSet,
    summary="Get a sample set",
    responses=workspace_problems(SampleSetNotFound),
)
async def get_sample_set(sample_set_id: UUID, caller: Reader, database: Database) -> Any:
    """Show one sample set."""
    return await queries.get_sample_set(database, caller, sample_set_id)


@router.patch(
    "/sets/{sample_set_id}",
    response_model=schemas.SampleSet,
    summary="Change a sample set",
    responses=workspace_problems(SampleSetNotFound),
)
async def update_sample_set(sample_set_id: UUID, body: schemas.SampleSetUpdate, caller: Writer, database: Database) -> Any:
    """Change the set's name or description; absent fields stay as they are."""
    changes = body.model_dump(exclude_unset=True)
    return await commands.update_sample_set(database, caller, sample_set_id, changes=changes)


@router.delete(
    "/sets/{sample_set_id}", status_code=204, summary="Delete a sample set", responses=workspace_problems(SampleSetNotFound)
)
async def delete_sample_set(sample_set_id: UUID, caller: Writer, database: Database) -> None:
    """Erase the set, its samples and its published versions. Scans that used them keep their verdicts."""
    await commands.delete_sample_set(database, caller, sample_set_id)


@router.get(
    "/sets/{sample_set_id}/samples",
    response_model=Results[schemas.Sample],
    summary="List the samples of a set",
    responses=workspace_problems(SampleSetNotFound),
)
async def list_samples(sample_set_id: UUID, caller: Reader, database: Database, page: PageByTime) -> Any:
    """List the samples that the set has now; published versions may differ."""
    found = await queries.list_samples(database, caller, sample_set_id, page=page)
    return {**envelope(found), "results": [schemas.Sample.of(row) for row in found.results]}


@router.post(
    "/sets/{sample_set_id}/samples",
    status_code=201,
    response_model=schemas.Addition,
    summary="Add samples to a set",
    openapi_extra={"requestBody": REQUEST_BODY},
    responses=workspace_problems(SampleSetNotFound, SampleFileUnreadable, PayloadTooLargeError, SamplesMediaTypeUnsupported),
)
async def add_samples(
    sample_set_id: UUID, caller: Writer, database: Database, holder: DatabaseHolder, request: Request, response: Response
) -> Any:
    """Add samples: a JSON array, or a JSONL or CSV file as `multipart/form-data`.

    Each sample is judged by itself: the good ones are stored together, the others are named with their line and the reason. A
    sample that the set has already (same input, expected output and context) is refused. A file that breaks off or cannot be
    read stores nothing at all. Files may be larger than other bodies, unless the request has an `Idempotency-Key`.
    """
    await queries.get_sample_set(database, caller, sample_set_id)
    async with received(request, caller, database, holder) as (session, lines):
        added = await commands.add_samples(session, caller, sample_set_id, lines=lines)
    response.headers["Location"] = f"{_path_of(caller.workspace, sample_set_id)}/samples"
    return added


@router.post(
    "/sets/{sample_set_id}/curate",
    status_code=201,
    summary="Make samples of traces",
    responses=workspace_problems(SampleSetNotFound, SearchTooBroad),
)
async def curate_samples(
    sample_set_id: UUID, body: schemas.Curation, caller: Writer, database: Database, response: Response
) -> schemas.Curated:
    """Make samples of what agents were really asked, of the newest traces first.

    The context of a sample is what the trace's retrieval spans found, and its expected output is a correction that somebody gave
    as feedback. Every filter that is given must hold; five traces are looked at for each sample that is wanted.
    """
    created, reasons = await commands.curate_samples(
        database, caller, sample_set_id, where=body, dedupe=body.dedupe, at_most=body.max
    )
    response.headers["Location"] = f"{_path_of(caller.workspace, sample_set_id)}/samples"
    rejected = [schemas.RejectedTrace(trace_id=trace_id, reason=reason) for trace_id, reason in reasons.items()]
    return schemas.Curated(created=created, rejected=rejected)


@router.post(
    "/sets/{sample_set_id}/publish",
    status_code=201,
    response_model=schemas.SampleSetVersion,
    summary="Publish a sample set",
    responses={
        **workspace_problems(SampleSetNotFound, SampleSetEmpty),
        200: {"model": schemas.SampleSetVersion, "description": "Nothing has changed: the newest version."},
    },
)
async def publish_sample_set(sample_set_id: UUID, caller: Writer, database: Database, response: Response) -> Any:
    """Freeze the set as it is now in an immutable version. Scans use published versions only.

    Nothing is published twice: when the set has not changed, its newest version is answered with 200.
    """
    version, is_new = await commands.publish_sample_set(database, caller, sample_set_id)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"{_path_of(caller.workspace, sample_set_id)}/versions/{version.number}"
    return version


@router.get(
    "/sets/{sample_set_id}/versions",
    response_model=Results[schemas.SampleSetVersion],
    summary="List the versions of a sample set",
    responses=workspace_problems(SampleSetNotFound),
)
async def list_sample_set_versions(sample_set_id: UUID, caller: Reader, database: Database, page: PageByTime) -> Any:
    """List what was published of the set."""
    return envelope(await queries.list_sample_set_versions(database, caller, sample_set_id, page=page))


@router.get(
    "/sets/{sample_set_id}/versions/{number}",
    response_model=schemas.SampleSetVersion,
    summary="Get a version of a sample set",
    responses=workspace_problems(SampleSetVersionNotFound),
)
async def get_sample_set_version(sample_set_id: UUID, number: Number, caller: Reader, database: Database) -> Any:
    """Show one published version; `export?version=` gives its samples."""
    return await queries.get_sample_set_version(database, caller, sample_set_id, number=number)


@router.get(
    "/sets/{sample_set_id}/export",
    response_class=StreamingResponse,
    summary="Export a sample set",
    responses={
        **workspace_problems(SampleSetNotFound, SampleSetVersionNotFound, TooManyStreams),
        200: {
            "description": "One sample a line, or a row.",
            "content": {NDJSON: {"schema": {"type": "string"}}, CSV: {"schema": {"type": "string"}}},
        },
    },
)
async def export_sample_set(
    sample_set_id: UUID,
    caller: Reader,
    database: Database,
    request: Request,
    version: Annotated[
        int | None, Query(ge=1, le=LARGEST_NUMBER, description="A published version; without it, the set as it is now.")
    ] = None,
    format: Annotated[Literal["jsonl", "csv"], Query(description="JSON Lines, or CSV with a header.")] = "jsonl",
) -> StreamingResponse:
    """Stream the samples as JSON Lines or CSV, in a form in which they can be uploaded again and are the same samples.

    In CSV what is no text stands as JSON in `input_json`, `tags_json` and `metadata_json`.
    """
    await queries.get_sample_set(database, caller, sample_set_id)
    frozen = await queries.get_sample_set_version(database, caller, sample_set_id, number=version) if version else None
    holder: platform_database.Database = request.app.state.database

    async def parts() -> AsyncGenerator[bytes]:
        # The endpoint's own transaction is over when the first byte leaves.
        async with holder.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as session:
            version_id = frozen.id if frozen else None
            contents = queries.stream_contents(session, caller.workspace, sample_set_id, version_id=version_id)
            if format == "csv":
                yield write_csv((), header=True)
            async for content in contents:
                if format == "csv":
                    yield write_csv((content,), header=False)
                else:
                    yield orjson.dumps(content.model_dump(mode="json"), option=orjson.OPT_APPEND_NEWLINE)

    name = f"samples-{sample_set_id}{f'-v{version}' if version else ''}.{format}"
    media_type = CSV if format == "csv" else NDJSON
    return await stream(request, parts(), {"Content-Disposition": f'attachment; filename="{name}"'}, media_type=media_type)


@router.get("/{sample_id}", response_model=schemas.Sample, summary="Get a sample", responses=workspace_problems(SampleNotFound))
async def get_sample(sample_id: UUID, caller: Reader, database: Database) -> Any:
    """Show one sample as it is now."""
    return schemas.Sample.of(await queries.get_sample(database, caller, sample_id))


@router.patch(
    "/{sample_id}",
    response_model=schemas.Sample,
    summary="Change a sample",
    responses=workspace_problems(SampleNotFound, SampleDuplicated),
)
async def update_sample(sample_id: UUID, body: schemas.SampleUpdate, caller: Writer, database: Database) -> Any:
    """Change the named fields; absent fields stay as they are. Published versions do not change."""
    changes = body.model_dump(exclude_unset=True)
    return schemas.Sample.of(await commands.update_sample(database, caller, sample_id, changes=changes))


@router.delete("/{sample_id}", status_code=204, summary="Delete a sample", responses=workspace_problems(SampleNotFound))
async def delete_sample(sample_id: UUID, caller: Writer, database: Database) -> None:
    """Take the sample out of its set. Published versions keep it."""
    await commands.delete_sample(database, caller, sample_id)


def _path_of(workspace_id: UUID, sample_set_id: UUID) -> str:
    return f"/api/v1/workspaces/{workspace_id}/samples/sets/{sample_set_id}"
