"""Links by which an end user judges a trace without a credential: everything that they allow is in them, and signed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

from spectral_platform.core.signing import Keyring, TokenExpired, TokenInvalid
from spectral_platform.traces.errors import FeedbackLinkNotFound

KIND = "feedback-link+jwt"


@dataclass(frozen=True, slots=True)
class FeedbackLink:
    """What a link allows: to judge this trace, or this span of it, and to see the trace's input and output if it says so."""

    id: UUID
    account_id: UUID
    workspace_id: UUID
    trace_id: str
    span_id: str | None
    shows_content: bool

    def sign(self, keyring: Keyring, *, lifetime: timedelta) -> str:
        """The link as a token that is good for so long."""
        claims = {
            "sub": self.trace_id,
            "link": str(self.id),
            "account": str(self.account_id),
            "workspace": str(self.workspace_id),
            "span": self.span_id,
            "shows": self.shows_content,
        }
        return keyring.issue(claims, lifetime=lifetime, kind=KIND)

    @classmethod
    def read(cls, keyring: Keyring, token: str) -> tuple[Self, datetime]:
        """The link that a token holds, and when it expires. Raises ``FeedbackLinkNotFound`` unless it is ours and in time."""
        try:
            claims = keyring.read(token, kind=KIND)
        except (TokenExpired, TokenInvalid) as error:
            raise FeedbackLinkNotFound from error
        link = cls(
            id=UUID(claims["link"]),
            account_id=UUID(claims["account"]),
            workspace_id=UUID(claims["workspace"]),
            trace_id=claims["sub"],
            span_id=claims["span"],
            shows_content=claims["shows"],
        )
        return link, datetime.fromtimestamp(claims["exp"], UTC)
