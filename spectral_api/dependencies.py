"""What endpoints are given: a database session in a transaction of its own, and the settings."""

from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_api.idempotency import hold_beyond
from spectral_platform.audit.accountability import ChangeUnaccounted, require_one_entry
from spectral_platform.auth.devices import Device
from spectral_platform.core import database
from spectral_platform.core.settings import Settings
from spectral_platform.core.watching import Watch

logger = structlog.get_logger(__name__)

MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
UNRECORDED = {
    "export_traces": "Agents send telemetry all the time; what was taken in is counted by the hour.",
    "create_traces": "The same in JSON.",
    "create_feedback": "A judgement is itself a record of who gave it and when, and is never changed.",
    "answer_feedback_link": "Likewise; who gives it has no account, and that the link was made is recorded.",
    "quote_scan": "It starts nothing. What it fixes is which cases are sealed, of which nobody may be told.",
    "reset_password": "Who asks has no account yet; the token that is made for somebody is recorded, and so is its use.",
    "refresh": "Tokens are exchanged by programs, every hour in every session; the session's beginning and end are recorded.",
}
"""The endpoints that change something and owe the audit log no entry, with the reason."""


async def open_session(request: Request) -> AsyncIterator[AsyncSession]:
    """A session whose transaction commits when the endpoint returns and before the first byte leaves."""
    async with database_of(request).transaction() as session:
        yield session


def database_of(request: Request) -> database.Database:
    """The database that this application was made with; a request that changes something owes the audit log an entry."""
    holder: database.Database = request.app.state.database
    endpoint = getattr(request.scope.get("route"), "name", None)
    if request.method not in MUTATING or endpoint in UNRECORDED:
        return holder

    async def check(session: AsyncSession) -> None:
        try:
            await require_one_entry(session)
        except ChangeUnaccounted as fault:
            logger.error("change_unaccounted", endpoint=endpoint, entries=fault.entries, written=fault.written)
            raise

    return holder.checked(check)


async def current_database(request: Request) -> database.Database:
    """The same as a dependency. All of these are asynchronous, because the framework sends plain functions to another thread."""
    return database_of(request)


async def current_settings(request: Request) -> Settings:
    """The settings that this application was made with."""
    settings: Settings = request.app.state.settings
    return settings


async def current_device(request: Request) -> Device:
    """The client that asks, as it presents itself."""
    return Device.seen(user_agent=request.headers.get("User-Agent"), host=request.client.host if request.client else None)


async def current_watch(request: Request) -> Watch:
    """Where one waits for something to change."""
    watch: Watch = request.app.state.watch
    return watch


Database = Annotated[AsyncSession, Depends(open_session, scope="function")]
CurrentWatch = Annotated[Watch, Depends(current_watch)]
CurrentSettings = Annotated[Settings, Depends(current_settings)]
DatabaseHolder = Annotated[database.Database, Depends(current_database)]
"""For commands that open short transactions of their own, because they do something slow in between."""


async def release_session(session: Database, holder: DatabaseHolder) -> database.Database:
    """End the transaction in which the caller was let in, undoing what it wrote, and give the database for others."""
    await session.rollback()
    return holder


async def released_database(request: Request, session: Database, holder: DatabaseHolder) -> database.Database:
    """The same as a dependency; a request that was claimed by its ``Idempotency-Key`` stays claimed."""
    released = await release_session(session, holder)
    await hold_beyond(request, request.app.state.database)
    return released


ReleasedDatabase = Annotated[database.Database, Depends(released_database, scope="function")]
"""For the same in endpoints that know their caller. It comes after the caller in the signature; the session is of no use then."""
CurrentDevice = Annotated[Device, Depends(current_device)]
