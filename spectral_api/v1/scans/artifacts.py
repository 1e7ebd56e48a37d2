"""Endpoints of the files that a scan leaves."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Request

from spectral_api.dependencies import CurrentSettings, Database
from spectral_api.paging import Limit, Offset, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Reader
from spectral_api.v1.refusals import workspace_problems
from spectral_api.v1.scans import schemas
from spectral_platform.core.access import Caller
from spectral_platform.core.paging import PageRequest
from spectral_platform.core.settings import Settings
from spectral_platform.scans import queries
from spectral_platform.scans.errors import ArtifactNotFound, ScanNotFound
from spectral_platform.scans.links import ArtifactLink
from spectral_platform.scans.models import ScanArtifact

router = Router(prefix=IN_WORKSPACE + "/scans/{scan_id}/artifacts", tags=["Scans"])


@router.get(
    "", response_model=Results[schemas.Artifact], summary="List a scan's files", responses=workspace_problems(ScanNotFound)
)
async def list_scan_artifacts(
    scan_id: UUID,
    caller: Reader,
    database: Database,
    settings: CurrentSettings,
    request: Request,
    limit: Limit = 20,
    offset: Offset = 0,
    sort: Annotated[Literal["path", "-path"], Query(description="Order; a leading `-` = backwards.")] = "path",
) -> Any:
    """List the files that a completed scan has left: its report, verdict, clusters and candidates, and scores on train and dev.

    Each `url` is good for an hour and needs no credential, so a notebook or a build can fetch it. What the sealed cases are
    is in none of the files.
    """
    page = await queries.list_scan_artifacts(database, caller, scan_id, page=PageRequest(limit=limit, offset=offset, sort=sort))
    found = envelope(page)
    return {**found, "results": [_shown(artifact, caller, settings, request) for artifact in found["results"]]}


@router.get("/{artifact_id}", summary="Get a scan's file", responses=workspace_problems(ScanNotFound, ArtifactNotFound))
async def get_scan_artifact(
    scan_id: UUID, artifact_id: UUID, caller: Reader, database: Database, settings: CurrentSettings, request: Request
) -> schemas.Artifact:
    """Show what a file is, with a fresh `url` to download it from."""
    artifact = await queries.get_scan_artifact(database, caller, scan_id, artifact_id)
    return _shown(artifact, caller, settings, request)


def _shown(artifact: ScanArtifact, caller: Caller, settings: Settings, request: Request) -> schemas.Artifact:
    link = ArtifactLink(account_id=caller.account_id, workspace_id=artifact.workspace_id, artifact_id=artifact.id)
    root = (settings.public_url or str(request.base_url)).rstrip("/")
    return schemas.Artifact(
        id=artifact.id,
        path=artifact.path,
        media_type=artifact.media_type,
        size_bytes=artifact.size_bytes,
        sha256=artifact.sha256,
        url=f"{root}/api/v1/signed/artifacts/{link.sign(settings.keyring)}",
        created_at=artifact.created_at,
    )
