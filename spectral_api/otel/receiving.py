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


CALL = "spectral.call"
"""The extension of a scope by which a request stands for a call over gRPC: messages are bounded until they have been read as a
whole, and only then it is known how one is compressed, which is noted there."""


def announced_size(request: Request) -> int:
    """The size of the body as its headers announce it, in bytes; the largest there may be when they do not."""
    if CALL in request.scope.get("extensions", {}):
        return 0
    limit: int = request.app.state.settings.max_body_bytes
    announced = request.headers.get("Content-Length", "")
    return min(int(announced), limit) if announced.isdecimal() else limit


def compression_of(request: Request) -> str | None:
    """How a body that has been read is compressed."""
    told = ",".join(request.headers.getlist("Content-Encoding"))
    return told or request.scope.get("extensions", {}).get(CALL, {}).get("compression")


async def hold_memory(request: Request, intake: CurrentIntake) -> AsyncIterator[None]:
    """Answer for the request's body until what it brought is committed. Raises Busy when memory is spoken for."""
    with intake.hold(announced_size(request)):
        yield
