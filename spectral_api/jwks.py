"""The public keys of access tokens, for whoever wants to verify them without asking."""

from typing import Literal

from fastapi import Response
from pydantic import Field

from spectral_api.dependencies import CurrentSettings
from spectral_api.problems import problems
from spectral_api.routing import Router
from spectral_api.schemas import Output

FRESH_SECONDS = 300

router = Router(tags=["Auth"])


class PublicKey(Output):
    """A public key as a JWK (RFC 7517). Members of the other kind of key are absent."""

    kty: Literal["RSA", "OKP"] = Field(description="Kind of key.")
    kid: str = Field(
        description="What tokens call this key in their header.", examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]
    )
    use: Literal["sig"] = Field(description="Keys here verify signatures.")
    alg: Literal["RS256", "EdDSA"] = Field(description="The one algorithm of this key.")
    n: str | None = Field(default=None, description="Modulus of an RSA key.")
    e: str | None = Field(default=None, description="Exponent of an RSA key.")
    crv: Literal["Ed25519"] | None = Field(default=None, description="Curve of an OKP key.")
    x: str | None = Field(default=None, description="Public key on that curve.")


class PublicKeys(Output):
    """A JWK set."""

    keys: list[PublicKey] = Field(description="The key that signs now comes first; the others still verify.")


@router.get(
    "/.well-known/jwks.json",
    response_model=PublicKeys,
    response_model_exclude_none=True,
    summary="Public keys of access tokens",
    responses=problems(),
)
async def get_public_keys(settings: CurrentSettings, response: Response) -> dict[str, object]:
    """List the public keys that verify access tokens, as a JWK set.

    Empty while the server signs with a shared secret (HS256, the default). Tokens name their key in `kid`; fetch the set again
    when one names a key that you do not know.
    """
    response.headers["Cache-Control"] = f"public, max-age={FRESH_SECONDS}"
    return {**settings.keyring.public_set()}
