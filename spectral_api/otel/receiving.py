"""Taking in bodies: only so large, and only so many at once."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from spectral_platform.traces.intake import Intake

BODIES_AT_ONCE = 4
"""How many bodies of the largest size may be in memory at the same time; of smaller ones, as many more."""


async def current_intake(request: Request) -> Intake:
    """The application's way in for spans."""
    intake: Intake = request.app.state.intake
    return intake


CurrentIntake = Annotated[Intake, Depends(current_intake)]


def announced_size(request: Request) -> int:
    """The size of the body as its headers announce it, in bytes; the largest there may be when they do not."""
    limit: int = request.app.state.settings.max_body_bytes
    announced = request.headers.get("Content-Length", "")
    return min(int(announced), limit) if announced.isdecimal() else limit


async def hold_memory(request: Request, intake: CurrentIntake) -> AsyncIterator[None]:
    """Answer for the request's body until what it brought is committed. Raises Busy when memory is spoken for."""
    with intake.hold(announced_size(request)):
        yield
