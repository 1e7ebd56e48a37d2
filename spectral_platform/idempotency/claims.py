"""What is stored for a client's key: digests that tell nothing, and an answer that only the key opens."""

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Self

from spectral_platform.core.access import Caller
from spectral_platform.core.crypto import keyed_digest
from spectral_platform.core.sealing import Seal
from spectral_platform.core.settings import Settings
from spectral_platform.core.values import Value


class Answer(Value):
    """An answer as it was sent: status, headers in their order, and the body in base 64."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body_base64: str

    @classmethod
    def of(cls, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> Self:
        """An answer with this body."""
        return cls(status=status, headers=headers, body_base64=b64encode(body).decode())

    @property
    def body(self) -> bytes:
        """The body as it was sent."""
        return b64decode(self.body_base64)


@dataclass(frozen=True, slots=True)
class Claim:
    """One caller's key for one route: the digest under which its answer is kept, the request's own, and the answer's seal."""

    digest: bytes
    request_digest: bytes
    seal: Seal

    @classmethod
    def of(cls, settings: Settings, caller: Caller, *, method: str, path: str, key: str, request: bytes) -> Self:
        """What stands for this key; ``request`` is everything that must be the same when it is sent again."""
        secret = settings.secret.encode()
        return cls(
            digest=keyed_digest(secret, "idempotency", str(caller.account_id), f"{caller.kind}:{caller.id}", method, path, key),
            request_digest=keyed_digest(secret, "request", hashlib.sha256(request).hexdigest()),
            seal=Seal((settings.secret,), context=f"idempotency:{key}"),
        )

    @property
    def lock(self) -> int:
        """The number of the advisory lock that one request with this key holds at a time."""
        return int.from_bytes(self.digest[:8], signed=True)
