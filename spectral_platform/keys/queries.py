"""Reading API keys."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core.access import Caller
from spectral_platform.core.paging import Page, PageRequest, paginate
from spectral_platform.keys.errors import KeyNotFound
from spectral_platform.keys.models import ApiKey

COLUMNS = {"created_at": ApiKey.created_at, "name": ApiKey.name}


async def list_keys(session: AsyncSession, caller: Caller, *, page: PageRequest) -> Page[ApiKey]:
    """The keys of the workspace, revoked ones too."""
    return await paginate(session, ApiKey.in_workspace(caller.workspace), page, columns=COLUMNS, tiebreak=ApiKey.id)


async def get_key(session: AsyncSession, caller: Caller, key_id: UUID) -> ApiKey:
    """One key of the workspace."""
    key = await session.scalar(ApiKey.in_workspace(caller.workspace).where(ApiKey.id == key_id))
    if key is None:
        raise KeyNotFound(key_id)
    return key
