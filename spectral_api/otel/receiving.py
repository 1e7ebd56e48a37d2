"""Taking in bodies: only from those who show a credential, only so large, only so many at once."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from spectral_api.cookies import ACCESS_COOKIE
from spectral_api.dependencies import CurrentSettings
from spectral_platform.traces.intake import Intake

BODIES_AT_ONCE = 4
"""How many bodies of the largest size may be in memory at the same time; of smaller ones, as many more."""


async def current_intake(request: Request) -> Intake:
    """The application's way in for spans."""
    intake: Intake = request.app.state.intake
    return intake


CurrentIntake = Annotated[Intake, Depends(current_intake)]


async def announced_size(request: Request, settings: CurrentSettings) -> int:
    """The size of the body as its headers announce it, in bytes; the largest there may be when they do not."""
    announced = request.headers.get("Content-Length", "")
    return min(int(announced), settings.max_body_bytes) if announced.isdecimal() else settings.max_body_bytes


BodySize = Annotated[int, Depends(announced_size)]


async def hold_memory(size: BodySize, intake: CurrentIntake) -> AsyncIterator[None]:
    """Answer for the request's body until what it brought is committed. Raises Busy when memory is spoken for."""
    with intake.hold(size):
        yield


async def receive_body(request: Request, size: BodySize, intake: CurrentIntake) -> AsyncIterator[bytes]:
    """The body as it was sent, read before any transaction begins, so that a slow sender holds no connection.

    A request without a credential is refused further on; its body is not worth reading. Raises Busy when memory is spoken for.
    """
    if "Authorization" not in request.headers and ACCESS_COOKIE not in request.cookies:
        yield b""
        return
    with intake.hold(size):
        yield await request.body()
