"""Endpoints of API keys."""

from typing import Any
from uuid import UUID

from fastapi import Response

from spectral_api.dependencies import Database
from spectral_api.paging import PageByTime, Results, envelope
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Admin
from spectral_api.v1.keys import schemas
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.keys import commands, queries
from spectral_platform.keys.errors import KeyExpiryInPast, KeyNotFound, KeyScopeRefused

router = Router(prefix=IN_WORKSPACE + "/keys", tags=["Keys"])


@router.get("", response_model=Results[schemas.Key], summary="List API keys", responses=workspace_problems())
async def list_keys(caller: Admin, database: Database, page: PageByTime) -> Any:
    """List the keys of the workspace, revoked ones too. Secrets are never shown again."""
    return envelope(await queries.list_keys(database, caller, page=page))


@router.post("", status_code=201, summary="Issue an API key", responses=workspace_problems(KeyScopeRefused, KeyExpiryInPast))
async def create_key(body: schemas.KeyCreate, caller: Admin, database: Database, response: Response) -> schemas.IssuedKey:
    """Issue a key for agents and pipelines. By default it may fetch agent configs and push traces."""
    key, secret = await commands.create_key(database, caller, name=body.name, scopes=body.scopes, expires_at=body.expires_at)
    response.headers["Location"] = f"/api/v1/workspaces/{caller.workspace}/keys/{key.id}"
    shown = schemas.Key.model_validate(key)
    return schemas.IssuedKey(**shown.model_dump(exclude={"key_id"}), key=secret)


@router.delete("/{key_id}", status_code=204, summary="Revoke an API key", responses=workspace_problems(KeyNotFound))
async def revoke_key(key_id: UUID, caller: Admin, database: Database) -> None:
    """Refuse the key from now on, in every process at once."""
    await commands.revoke_key(database, caller, key_id)
