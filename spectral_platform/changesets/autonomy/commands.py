"""What people may do about a watch."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.audit.commands import record
from spectral_platform.changesets.autonomy.news import watch_ended
from spectral_platform.changesets.autonomy.queries import find_watch
from spectral_platform.changesets.autonomy.states import WatchStatus
from spectral_platform.changesets.errors import NotWatched
from spectral_platform.changesets.models import Changeset
from spectral_platform.changesets.queries import get_changeset
from spectral_platform.core.access import Caller
from spectral_platform.core.jobs import publish
from spectral_platform.core.lifecycle import move


async def stop_watch(session: AsyncSession, caller: Caller, changeset_id: UUID, *, reason: str) -> Changeset:
    """Keep what the system applied, whatever production shows from here on."""
    changeset = await get_changeset(session, caller, changeset_id)
    watch = await find_watch(session, caller, changeset_id, for_update=True)
    if watch is None or watch.status is not WatchStatus.WATCHING:
        raise NotWatched(changeset_id)
    await move(session, watch, WatchStatus.STOPPED, reason=reason)
    await publish(session, watch_ended(caller, changeset, watch))
    await record(session, caller, action="changeset.watch_stopped", resource="changeset", resource_id=changeset_id)
    return await get_changeset(session, caller, changeset_id)
