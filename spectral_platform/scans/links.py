"""Links to files of scans: whoever holds one may download the file for a while, without a credential."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID

from spectral_platform.core.signing import Keyring, TokenExpired, TokenInvalid
from spectral_platform.scans.errors import ArtifactLinkNotFound

KIND = "artifact-link+jwt"
LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ArtifactLink:
    """What a link allows: to download this file."""

    account_id: UUID
    workspace_id: UUID
    artifact_id: UUID

    def sign(self, keyring: Keyring) -> str:
        """The link as a token that is good for an hour."""
        claims = {"sub": str(self.artifact_id), "account": str(self.account_id), "workspace": str(self.workspace_id)}
        return keyring.issue(claims, lifetime=LIFETIME, kind=KIND)

    @classmethod
    def read(cls, keyring: Keyring, token: str) -> tuple[Self, datetime]:
        """The link that a token holds, and when it expires. Raises ``ArtifactLinkNotFound`` unless it is ours and in time."""
        try:
            claims = keyring.read(token, kind=KIND)
        except (TokenExpired, TokenInvalid) as error:
            raise ArtifactLinkNotFound from error
        link = cls(account_id=UUID(claims["account"]), workspace_id=UUID(claims["workspace"]), artifact_id=UUID(claims["sub"]))
        return link, datetime.fromtimestamp(claims["exp"], UTC)
