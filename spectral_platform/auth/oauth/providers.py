"""Which identity providers there are, and what they say about a person."""

from dataclasses import dataclass

from spectral_platform.auth.oauth.errors import ProviderUnknown, ReturnUnconfigured
from spectral_platform.core.settings import OAuthClient, Settings
from spectral_platform.core.values import Value

GITHUB = "github"
ISSUERS = {"google": "https://accounts.google.com", GITHUB: "https://github.com"}
"""The issuers that need no configuration beyond a client. GitHub is none by OpenID's rules and is spoken to in its own way."""


@dataclass(frozen=True, slots=True)
class Provider:
    """An identity provider as this server is its client."""

    name: str
    issuer: str
    client: OAuthClient
    redirect_uri: str

    @property
    def speaks_openid(self) -> bool:
        """Whether it is found by discovery and signs what it says."""
        return self.name != GITHUB


class Transaction(Value):
    """What this server remembers of a login from its beginning to its end."""

    verifier: str
    nonce: str
    invite_token: str | None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider says about a person. ``email`` is None unless the provider vouches for it."""

    issuer: str
    subject: str
    email: str | None
    name: str | None


def get_provider(settings: Settings, name: str) -> Provider:
    """A configured provider.

    Each has a redirect URI of its own, so that the answer of one does not pass for another's (RFC 9700, 4.4).
    """
    client = settings.oauth.get(name)
    if client is None:
        raise ProviderUnknown(name)
    issuer = client.issuer or ISSUERS.get(name)
    if issuer is None:
        raise ProviderUnknown(name)
    if settings.public_url is None:
        raise ReturnUnconfigured
    redirect_uri = f"{settings.public_url.rstrip('/')}/auth/callback/{name}"
    return Provider(name, issuer, client, redirect_uri)
