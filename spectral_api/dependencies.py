"""What endpoints are given: a database session in a transaction of its own, and the settings."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.auth.devices import Device
from spectral_platform.core import database
from spectral_platform.core.settings import Settings


async def open_session(request: Request) -> AsyncIterator[AsyncSession]:
    """A session whose transaction commits when the endpoint returns and before the first byte leaves."""
    async with current_database(request).transaction() as session:
        yield session


def current_database(request: Request) -> database.Database:
    """The database that this application was made with."""
    holder: database.Database = request.app.state.database
    return holder


def current_settings(request: Request) -> Settings:
    """The settings that this application was made with."""
    settings: Settings = request.app.state.settings
    return settings


def current_device(request: Request) -> Device:
    """The client that asks, as it presents itself."""
    return Device.seen(user_agent=request.headers.get("User-Agent"), host=request.client.host if request.client else None)


Database = Annotated[AsyncSession, Depends(open_session, scope="function")]
CurrentSettings = Annotated[Settings, Depends(current_settings)]
DatabaseHolder = Annotated[database.Database, Depends(current_database)]
"""For commands that open short transactions of their own, because they do something slow in between."""
CurrentDevice = Annotated[Device, Depends(current_device)]
