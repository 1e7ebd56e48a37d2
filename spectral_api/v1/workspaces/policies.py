"""Endpoints of what a workspace decides for itself: retention, masking, prices and autonomy."""

from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Body, Response, Security
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_api.dependencies import Database
from spectral_api.etags import IfMatch, IfNoneMatch, etag, expected_fingerprints, is_held
from spectral_api.problems import problems
from spectral_api.routing import Router
from spectral_api.security import authenticate
from spectral_api.v1.refusals import IN_WORKSPACE
from spectral_platform.core.access import Caller, Scope
from spectral_platform.workspaces.policies import commands, queries
from spectral_platform.workspaces.policies.autonomy import Autonomy
from spectral_platform.workspaces.policies.errors import PolicyChanged
from spectral_platform.workspaces.policies.kinds import Policy
from spectral_platform.workspaces.policies.masking import Masking
from spectral_platform.workspaces.policies.prices import Prices
from spectral_platform.workspaces.policies.retention import Retention

P = TypeVar("P", bound=Policy)

router = Router()
Reader = Annotated[Caller, Security(authenticate, scopes=[Scope.READ_WORKSPACE])]
Admin = Annotated[Caller, Security(authenticate, scopes=[Scope.ADMIN_WORKSPACE])]

READING = problems(*IN_WORKSPACE) | {304: {"description": "The caller holds the current policy already."}}
WRITING = problems(*IN_WORKSPACE, PolicyChanged)


async def show(session: AsyncSession, caller: Caller, kind: type[P], response: Response, if_none_match: str | None) -> Any:
    """A policy with its entity tag, or a 304 for those who hold it."""
    policy = await queries.get_policy(session, caller, kind)
    tag = {"ETag": etag(policy.fingerprint)}
    if is_held(if_none_match, policy.fingerprint):
        return Response(status_code=304, headers=tag)
    response.headers.update(tag)
    return policy


async def replace(session: AsyncSession, caller: Caller, policy: P, response: Response, if_match: str | None) -> P:
    """Store a policy and tell its entity tag."""
    replaced = await commands.replace_policy(session, caller, policy, expected=expected_fingerprints(if_match))
    response.headers["ETag"] = etag(replaced.fingerprint)
    return replaced


@router.get("/retention", response_model=Retention, summary="Get the retention policy", responses=READING)
async def get_retention(
    workspace_id: UUID, caller: Reader, database: Database, response: Response, if_none_match: IfNoneMatch = None
) -> Any:
    """Show how long traces are kept."""
    return await show(database, caller, Retention, response, if_none_match)


@router.put("/retention", response_model=Retention, summary="Replace the retention policy", responses=WRITING)
async def replace_retention(
    workspace_id: UUID,
    body: Annotated[Retention, Body(openapi_examples={"quarter": {"value": {"traces_days": 90}}})],
    caller: Admin,
    database: Database,
    response: Response,
    if_match: IfMatch = None,
) -> Any:
    """Decide how long traces are kept. Older ones are deleted within the hour, and nothing brings them back."""
    return await replace(database, caller, body, response, if_match)


@router.get("/masking", response_model=Masking, summary="Get the masking policy", responses=READING)
async def get_masking(
    workspace_id: UUID, caller: Reader, database: Database, response: Response, if_none_match: IfNoneMatch = None
) -> Any:
    """Show what is taken out of spans, traces and feedback before they are stored."""
    return await show(database, caller, Masking, response, if_none_match)


@router.put("/masking", response_model=Masking, summary="Replace the masking policy", responses=WRITING)
async def replace_masking(
    workspace_id: UUID,
    body: Annotated[
        Masking,
        Body(
            openapi_examples={
                "personal data": {
                    "value": {
                        "detectors": ["email", "card", "secret"],
                        "rules": [{"name": "customer_number", "pattern": "\\bC-[0-9]{6}\\b"}],
                        "keys": ["*password*"],
                    }
                }
            }
        ),
    ],
    caller: Admin,
    database: Database,
    response: Response,
    if_match: IfMatch = None,
) -> Any:
    """Decide what is taken out of whatever arrives from now on, on every way in. What is stored already stays as it is.

    Patterns are RE2's, which match in linear time; look-around and back-references are refused.
    """
    return await replace(database, caller, body, response, if_match)


@router.get("/prices", response_model=Prices, summary="Get the model prices", responses=READING)
async def get_prices(
    workspace_id: UUID, caller: Reader, database: Database, response: Response, if_none_match: IfNoneMatch = None
) -> Any:
    """Show the workspace's own model prices."""
    return await show(database, caller, Prices, response, if_none_match)


@router.put("/prices", response_model=Prices, summary="Replace the model prices", responses=WRITING)
async def replace_prices(
    workspace_id: UUID,
    body: Annotated[
        Prices,
        Body(
            openapi_examples={
                "one model": {"value": {"prices": [{"model": "acme-large", "input_usd": "2.50", "output_usd": "10.00"}]}}
            }
        ),
    ],
    caller: Admin,
    database: Database,
    response: Response,
    if_match: IfMatch = None,
) -> Any:
    """Set what models cost in this workspace, in US dollars per million tokens.

    These prices come before those of the price book, for spans that arrive from now on and do not report their cost themselves.
    """
    return await replace(database, caller, body, response, if_match)


@router.get("/autonomy", response_model=Autonomy, summary="Get the autonomy policy", responses=READING)
async def get_autonomy(
    workspace_id: UUID, caller: Reader, database: Database, response: Response, if_none_match: IfNoneMatch = None
) -> Any:
    """Show who decides about changesets."""
    return await show(database, caller, Autonomy, response, if_none_match)


@router.put("/autonomy", response_model=Autonomy, summary="Replace the autonomy policy", responses=WRITING)
async def replace_autonomy(
    workspace_id: UUID,
    body: Annotated[Autonomy, Body(openapi_examples={"recommend": {"value": {"mode": "recommend"}}})],
    caller: Admin,
    database: Database,
    response: Response,
    if_match: IfMatch = None,
) -> Any:
    """Decide who decides about changesets. No mode skips a gate of a verdict."""
    return await replace(database, caller, body, response, if_match)
