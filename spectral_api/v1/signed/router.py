"""Endpoints of signed links: open to anybody who holds one, because what a link allows is in the link."""

from typing import Annotated, Any

from fastapi import Path, Response

from spectral_api.dependencies import CurrentSettings, Database
from spectral_api.files import file_response
from spectral_api.problems import problems
from spectral_api.routing import V1, Router
from spectral_api.v1.signed import schemas
from spectral_platform.core.errors import PayloadTooLargeError
from spectral_platform.scans.errors import ArtifactLinkNotFound
from spectral_platform.scans.links import ArtifactLink
from spectral_platform.scans.queries import get_linked_artifact
from spectral_platform.traces import commands, queries
from spectral_platform.traces.errors import FeedbackLinkNotFound
from spectral_platform.traces.links import FeedbackLink

router = Router(prefix=V1 + "/signed")
Token = Annotated[str, Path(description="The signed part of the link.", max_length=4_000)]


@router.get(
    "/feedback/{token}",
    response_model=schemas.LinkedTrace,
    summary="See what a feedback link is for",
    tags=["Traces"],
    responses=problems(FeedbackLinkNotFound),
)
async def get_linked_trace(token: Token, database: Database, settings: CurrentSettings) -> Any:
    """Show what may be judged by this link. It needs no credential; forged, expired and erased look alike (404).

    Nothing of the trace is shown unless whoever made the link allowed it. Pages of any origin may ask.
    """
    link, expires_at = FeedbackLink.read(settings.keyring, token)
    question, answer, feedback = await queries.get_linked_trace(database, link)
    return {"expires_at": expires_at, "input": question, "output": answer, "feedback": feedback}


@router.post(
    "/feedback/{token}",
    response_model=schemas.LinkedFeedback,
    summary="Give feedback by a link",
    tags=["Traces"],
    responses=problems(FeedbackLinkNotFound, PayloadTooLargeError),
)
async def answer_feedback_link(
    token: Token, body: schemas.LinkedFeedbackCreate, database: Database, settings: CurrentSettings
) -> Any:
    """Judge what the link is for, as the end user who was served. It needs no credential.

    A link may be used again until it expires: what was said last counts, and takes the place of what was said by it before.
    """
    link, _ = FeedbackLink.read(settings.keyring, token)
    return await commands.answer_feedback_link(
        database, link, score=body.value, comment=body.comment, corrected_output=body.corrected_output
    )


@router.get(
    "/artifacts/{token}",
    summary="Download a scan's file by a link",
    tags=["Scans"],
    response_class=Response,
    responses=problems(ArtifactLinkNotFound)
    | {200: {"description": "The file.", "content": {"application/octet-stream": {"schema": {"type": "string"}}}}},
)
async def download_artifact(token: Token, database: Database, settings: CurrentSettings) -> Response:
    """Download what the link is for. It needs no credential; forged, expired and erased look alike (404)."""
    link, _ = ArtifactLink.read(settings.keyring, token)
    artifact = await get_linked_artifact(database, link)
    return file_response(artifact.content, media_type=artifact.media_type, name=artifact.path)
