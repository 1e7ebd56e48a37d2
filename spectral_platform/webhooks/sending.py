"""One request to a webhook: the message, signed as Standard Webhooks 1.0.0 says, and what came of it."""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version

from standardwebhooks import Webhook as Signer

from spectral_platform.core import clock
from spectral_platform.core.outbound import Answer, Outbound, OutboundFailed, OutboundRefused
from spectral_platform.core.values import Value
from spectral_platform.webhooks.models import Attempt

USER_AGENT = f"Spectral/{version('spectral-api')} (webhooks)"
EXCERPT_CHARACTERS = 1_000


class Message(Value):
    """What is sent where, with the secrets that sign it."""

    id: str
    url: str
    body: str
    secrets: tuple[str, ...]


def sign(secrets: Sequence[str], message_id: str, moment: datetime, body: str) -> str:
    """A signature by each secret, so that a receiver who knows one of them can verify the message."""
    return " ".join(Signer(secret).sign(message_id, moment, body) for secret in secrets)


async def send(outbound: Outbound, message: Message) -> tuple[Attempt, str | None]:
    """Make the request; its outcome, and the ``Retry-After`` of the answer if there is one."""
    moment = clock.now()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": message.id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": sign(message.secrets, message.id, moment, message.body),
    }
    try:
        answer = await outbound.call("POST", message.url, headers=headers, content=message.body.encode())
    except (OutboundRefused, OutboundFailed) as error:
        return Attempt(at=moment, status_code=None, latency_ms=None, error=error.detail, response_excerpt=None), None
    return _answered(moment, answer), answer.headers.get("retry-after")


def _answered(moment: datetime, answer: Answer) -> Attempt:
    # Postgres stores no zero bytes, and half a character at the cut is none.
    text = answer.body.decode(errors="replace").replace("\x00", "\ufffd")
    return Attempt(
        at=moment,
        status_code=answer.status,
        latency_ms=answer.latency_ms,
        error=None,
        response_excerpt=text[:EXCERPT_CHARACTERS],
    )
