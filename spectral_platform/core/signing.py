"""Signed tokens: JSON Web Tokens (RFC 7519) under a ring of keys, of which one signs and all verify.

A token names its key (``kid``), and the key has one algorithm: a token that claims another is refused before its signature is
looked at, so nothing signed with a public key as if it were a shared secret, and nothing unsigned, is ever taken for ours.
"""

import json
import os
import warnings
from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from joserfc import jwk, jwt
from joserfc.errors import ExpiredTokenError, JoseError, SecurityWarning, UnsupportedAlgorithmError
from joserfc.jws import JWSRegistry
from joserfc.registry import Header

from spectral_platform.core import clock
from spectral_platform.core.crypto import content_digest, keyed_digest

ISSUER = "spectral"
AUDIENCE = "spectral-api"
TOKEN_TYPE = "at+jwt"  # RFC 9068: this and nothing else signed with the same key is an access token
SECRET_PURPOSE = "access tokens"
RSA_BITS = 3072
CURVE: Literal["Ed25519"] = "Ed25519"


class Algorithm(StrEnum):
    """How tokens are signed; the names are those of RFC 7518 and RFC 8037."""

    HS256 = "HS256"
    RS256 = "RS256"
    EDDSA = "EdDSA"


class TokenExpired(Exception):
    """The token was ours and its time is over."""


class TokenInvalid(Exception):
    """The token is not one of ours."""


class SigningKeysUnusable(ValueError):
    """The file of signing keys cannot be used as it is."""


class Signatures(JWSRegistry):
    """Our algorithms, without the library's warning of EdDSA, which RFC 9864 calls Ed25519 where it is that."""

    def get_alg(self, name: str) -> Any:
        """The algorithm of this name; a key has but one, which the library holds it to."""
        if name not in list(Algorithm):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


class OurClaims(jwt.JWTClaimsRegistry):
    """What our tokens say."""

    def validate_iat(self, value: object) -> None:
        """Take a token of a moment ago from a server whose clock is a little ahead."""


KINDS: dict[str | None, type[jwk.RSAKey | jwk.OKPKey]] = {Algorithm.RS256: jwk.RSAKey, Algorithm.EDDSA: jwk.OKPKey}
SIGNATURES = Signatures()
CLAIMS = OurClaims(
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    sub={"essential": True},
    jti={"essential": True},
    iat={"essential": True},
    exp={"essential": True},
)


class Keyring:
    """The keys that tokens are signed and verified with: the first signs, all verify. Each knows its ``kid`` and ``alg``."""

    def __init__(self, keys: Sequence[jwk.Key]) -> None:
        if not keys or not keys[0].is_private:
            raise SigningKeysUnusable("The first signing key must be there, and private.")
        self._signer = keys[0]
        self._by_id = {key.kid: key for key in keys}
        if len(self._by_id) < len(keys):
            raise SigningKeysUnusable("Two signing keys have the same kid.")

    @classmethod
    def of_secrets(cls, secrets: Iterable[str]) -> Self:
        """HS256 keys derived from the server's secrets, the present one first."""
        return cls([_shared_key(secret) for secret in dict.fromkeys(secrets)])

    @classmethod
    def of_file(cls, path: Path, algorithm: Algorithm) -> Self:
        """The keys of a private JWK set. The first one must be of this algorithm. Raises ``SigningKeysUnusable``."""
        keys = [_asymmetric_key(each) for each in read_set(path)]
        if not keys:
            raise SigningKeysUnusable(f"{path} holds no key; add one with: spectral signing-key --file {path}")
        if keys[0].alg != algorithm:
            raise SigningKeysUnusable(f"The first key of {path} signs with {keys[0].alg}, not with {algorithm}.")
        return cls(keys)

    def issue(self, claims: dict[str, Any], *, lifetime: timedelta, kind: str = TOKEN_TYPE) -> str:
        """A token of this kind with the claims, which names its issuer, its audience and itself."""
        now = clock.now()
        registered = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + lifetime, "jti": str(clock.new_id())}
        header: Header = {"alg": self._signer.alg, "kid": self._signer.kid, "typ": kind}
        return jwt.encode(header, {**claims, **registered}, self._signer, registry=SIGNATURES)

    def read(self, token: str, *, kind: str = TOKEN_TYPE) -> dict[str, Any]:
        """The claims of one of our tokens of this kind. Raises ``TokenExpired`` or ``TokenInvalid``."""
        try:
            found = jwt.decode(token, self._named, registry=SIGNATURES)
            if found.header.get("typ") != kind:
                raise TokenInvalid
            CLAIMS.validate(found.claims)
        except ExpiredTokenError as error:
            raise TokenExpired from error
        except (JoseError, ValueError, RecursionError) as error:
            raise TokenInvalid from error
        return found.claims

    def _named(self, token: jwk.GuestProtocol) -> jwk.Key:
        """The key that a token names."""
        kid = token.headers().get("kid")
        if kid not in self._by_id:
            raise TokenInvalid
        return self._by_id[kid]

    def public_set(self) -> dict[str, list[dict[str, Any]]]:
        """The public keys as a JWK set (RFC 7517); empty where a shared secret signs."""
        asymmetric = [key for key in self._by_id.values() if key.alg != Algorithm.HS256]
        return {"keys": [key.as_dict(private=False, use="sig") for key in asymmetric]}


def new_key(algorithm: Algorithm) -> dict[str, Any]:
    """A fresh private JWK; its ``kid`` is its thumbprint (RFC 7638). Raises ``SigningKeysUnusable`` for a shared secret's."""
    parameters: jwk.KeyParameters = {"alg": algorithm.value, "use": "sig"}
    match algorithm:
        case Algorithm.RS256:
            return jwk.RSAKey.generate_key(RSA_BITS, parameters, auto_kid=True).as_dict(private=True)
        case Algorithm.EDDSA:
            return jwk.OKPKey.generate_key(CURVE, parameters, auto_kid=True).as_dict(private=True)
        case Algorithm.HS256:
            raise SigningKeysUnusable("HS256 signs with SPECTRAL_SECRET_KEY and needs no file.")


def read_set(path: Path) -> list[dict[str, Any]]:
    """The JWKs in a file. Raises ``SigningKeysUnusable``."""
    try:
        match json.loads(path.read_text()):
            case {"keys": [*keys]} if all(isinstance(key, dict) for key in keys):
                return keys
    except OSError as error:
        raise SigningKeysUnusable(f"{path}: {error.strerror}. Make it with: spectral signing-key --file {path}") from error
    except ValueError as error:
        raise SigningKeysUnusable(f"{path} is not JSON.") from error
    raise SigningKeysUnusable(f'{path} is not a JWK set: {{"keys": [...]}}.')


def add_key(path: Path, algorithm: Algorithm) -> str:
    """Put a fresh key before the others in a file, which only its owner can read, and tell its ``kid``."""
    keys = read_set(path) if path.exists() else []
    fresh = new_key(algorithm)
    beside = path.with_name(f".{path.name}.{fresh['kid']}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"keys": [fresh, *keys]}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return str(fresh["kid"])


def _shared_key(secret: str) -> jwk.OctKey:
    # Not the secret itself: what else is derived from it must not be exchangeable with tokens.
    derived = keyed_digest(secret.encode(), SECRET_PURPOSE)
    return jwk.OctKey.import_key(derived, {"alg": Algorithm.HS256.value, "kid": content_digest(derived.hex())[:16]})


def _asymmetric_key(members: dict[str, Any]) -> jwk.Key:
    kid, kind = members.get("kid"), KINDS.get(members.get("alg"))
    if kind is None or not isinstance(kid, str) or not kid or members.get("crv", CURVE) != CURVE:
        raise SigningKeysUnusable("Each signing key needs a kid, and RS256 or EdDSA (with Ed25519) as its alg.")
    try:
        with warnings.catch_warnings(action="error", category=SecurityWarning):
            return kind.import_key(members)
    except SecurityWarning:
        raise SigningKeysUnusable(f"The signing key {kid} has fewer than 2048 bits.") from None
    except (JoseError, KeyError, TypeError, ValueError) as error:  # whose words may quote the key
        raise SigningKeysUnusable(f"A signing key cannot be read ({type(error).__name__}).") from None
