"""Taking in bodies: only from those who show a credential, only so large, only so many at once."""

from collections.abc import AsyncIterator

from fastapi import Request

from spectral_api.cookies import ACCESS_COOKIE
from spectral_api.dependencies import CurrentSettings
from spectral_platform.core.errors import UnavailableError

BODIES_AT_ONCE = 4
"""How many bodies of the largest size may be in memory at the same time; of smaller ones, as many more."""


class Busy(UnavailableError):
    """The server takes in as many spans as it can hold; send these again a little later."""

    def __init__(self) -> None:
        super().__init__("The server is taking in as many spans as it can hold. Send these again a little later.")


class Admission:
    """Counts the bytes of the bodies that are being taken in."""

    def __init__(self) -> None:
        self.held_bytes = 0


async def receive_body(request: Request, settings: CurrentSettings) -> AsyncIterator[bytes]:
    """The body as it was sent, read before any transaction begins, so that a slow sender holds no connection.

    A request without a credential is refused further on; its body is not worth reading. Raises Busy when memory is spoken for.
    """
    if "Authorization" not in request.headers and ACCESS_COOKIE not in request.cookies:
        yield b""
        return
    limit = settings.max_body_bytes
    announced = request.headers.get("Content-Length", "")
    size = min(int(announced), limit) if announced.isdecimal() else limit
    admission: Admission = request.app.state.admission
    if admission.held_bytes and admission.held_bytes + size > BODIES_AT_ONCE * limit:
        raise Busy
    admission.held_bytes += size
    try:
        yield await request.body()
    finally:
        admission.held_bytes -= size
