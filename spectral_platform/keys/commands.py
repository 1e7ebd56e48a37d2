"""Issuing and revoking API keys."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.core import clock, crypto
from spectral_platform.core.access import DEFAULT_KEY_SCOPES, KEY_SCOPES, Caller, Scope
from spectral_platform.keys import queries
from spectral_platform.keys.errors import KeyExpiryInPast, KeyScopeRefused
from spectral_platform.keys.models import ApiKey

SECRET_PREFIX = "sk_live_"
SHOWN_CHARACTERS = len(SECRET_PREFIX) + 4


async def create_key(
    session: AsyncSession,
    caller: Caller,
    *,
    name: str,
    scopes: Sequence[Scope] = DEFAULT_KEY_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key of the workspace and its secret, which is never seen again."""
    refused = sorted(set(scopes) - KEY_SCOPES)
    if refused:
        raise KeyScopeRefused([str(scope) for scope in refused])
    if expires_at is not None and expires_at <= clock.now():
        raise KeyExpiryInPast
    secret = crypto.new_secret(SECRET_PREFIX)
    key = ApiKey(
        account_id=caller.account_id,
        workspace_id=caller.workspace,
        name=name,
        prefix=secret[:SHOWN_CHARACTERS],
        secret_digest=crypto.digest_secret(secret),
        scopes=list(dict.fromkeys(scope.value for scope in scopes)),
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    await record(session, caller, action="key.created", resource="key", resource_id=key.id, name=name, scopes=key.scopes)
    return key, secret


async def revoke_key(session: AsyncSession, caller: Caller, key_id: UUID) -> None:
    """Refuse the key from now on. Revoking a revoked key changes nothing."""
    key = await queries.get_key(session, caller, key_id)
    if key.revoked_at is None:
        key.revoked_at = clock.now()
        await session.flush()
        await record(session, caller, action="key.revoked", resource="key", resource_id=key.id, name=key.name)


async def touch_keys(session: AsyncSession, key_ids: Sequence[UUID], *, moment: datetime, unless_since: datetime) -> None:
    """Remember that keys of the bound workspace were used, except those of which a use after ``unless_since`` is known."""
    await session.execute(
        update(ApiKey)
        .where(ApiKey.id.in_(key_ids), or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= unless_since))
        .values(last_used_at=moment)
        .execution_options(synchronize_session=False)
    )
