"""Signed tokens: JSON Web Tokens (RFC 7519) under a ring of keys, of which one signs and all verify.

A token names its key (``kid``), and the key has one algorithm: a token that claims another is refused before its signature is
looked at, so nothing signed with a public key as if it were a shared secret, and nothing unsigned, is ever taken for ours.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jose import ExpiredSignatureError, JWTError, jwk, jwt
from jose.backends.base import Key
from jose.exceptions import JWKError

from spectral_platform.core import clock
from spectral_platform.core.crypto import content_digest, keyed_digest

ISSUER = "spectral"
AUDIENCE = "spectral-api"
TOKEN_TYPE = "at+jwt"  # RFC 9068: this and nothing else signed with the same key is an access token
SECRET_PURPOSE = "access tokens"
RSA_BITS = 3072
LEAST_RSA_BITS = 2048
REQUIRED = {f"require_{claim}": True for claim in ("exp", "iat", "sub", "jti", "iss", "aud")}
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}  # RFC 7518, section 6


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


class Ed25519Key(Key):
    """EdDSA over Ed25519 (RFC 8037), which python-jose lacks."""

    def __init__(self, key: object, algorithm: str) -> None:
        self._algorithm = algorithm
        match key:
            case Ed25519PrivateKey() | Ed25519PublicKey():
                self._key = key
            case {"kty": "OKP", "crv": "Ed25519", "d": str(private)}:
                self._key = Ed25519PrivateKey.from_private_bytes(_decoded(private))
            case {"kty": "OKP", "crv": "Ed25519", "x": str(public)}:
                self._key = Ed25519PublicKey.from_public_bytes(_decoded(public))
            case _:
                raise ValueError("not an Ed25519 key")

    def sign(self, msg: bytes) -> bytes:
        """The signature of a message; only with the private key."""
        if isinstance(self._key, Ed25519PublicKey):
            raise ValueError("a public key does not sign")
        return self._key.sign(msg)

    def verify(self, msg: bytes, sig: bytes) -> bool:
        """Whether the signature is this key's."""
        try:
            self._public.verify(sig, msg)
        except InvalidSignature:
            return False
        return True

    def public_key(self) -> Self:
        """The half that everybody may have."""
        return type(self)(self._public, self._algorithm)

    def to_dict(self) -> dict[str, Any]:
        """The key as a JWK, private if it is."""
        members = {"alg": self._algorithm, "kty": "OKP", "crv": "Ed25519", "x": _encoded(self._public.public_bytes_raw())}
        return members if isinstance(self._key, Ed25519PublicKey) else members | {"d": _encoded(self._key.private_bytes_raw())}

    @property
    def _public(self) -> Ed25519PublicKey:
        return self._key if isinstance(self._key, Ed25519PublicKey) else self._key.public_key()


jwk.register_key(Algorithm.EDDSA.value, Ed25519Key)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of the ring. ``signing`` is None where only the public half is left of it."""

    id: str
    algorithm: Algorithm
    verifying: Key
    signing: Key | None


class Keyring:
    """The keys that tokens are signed and verified with: the first signs, all verify."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        if not keys or keys[0].signing is None:
            raise SigningKeysUnusable("The first signing key must be there, and private.")
        self._signer, self._signing = keys[0], keys[0].signing
        self._by_id = {key.id: key for key in keys}
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
        if keys[0].algorithm is not algorithm:
            raise SigningKeysUnusable(f"The first key of {path} signs with {keys[0].algorithm}, not with {algorithm}.")
        return cls(keys)

    def issue(self, claims: dict[str, Any], *, lifetime: timedelta, kind: str = TOKEN_TYPE) -> str:
        """A token of this kind with the claims, which names its issuer, its audience and itself."""
        now = clock.now()
        registered = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + lifetime, "jti": str(clock.new_id())}
        return jwt.encode(
            {**claims, **registered},
            self._signing,
            algorithm=self._signer.algorithm.value,
            headers={"kid": self._signer.id, "typ": kind},
        )

    def read(self, token: str, *, kind: str = TOKEN_TYPE) -> dict[str, Any]:
        """The claims of one of our tokens of this kind. Raises ``TokenExpired`` or ``TokenInvalid``."""
        try:
            header = jwt.get_unverified_header(token)
            key = self._by_id.get(str(header.get("kid")))
            if key is None or header.get("typ") != kind:
                raise TokenInvalid
            return jwt.decode(
                token,
                key.verifying,
                algorithms=[key.algorithm.value],
                audience=AUDIENCE,
                issuer=ISSUER,
                options=REQUIRED,
            )
        except ExpiredSignatureError as error:
            raise TokenExpired from error
        except JWTError as error:
            raise TokenInvalid from error

    def public_set(self) -> dict[str, list[dict[str, Any]]]:
        """The public keys as a JWK set (RFC 7517); empty where a shared secret signs."""
        asymmetric = [key for key in self._by_id.values() if key.algorithm is not Algorithm.HS256]
        return {"keys": [public_members(key.verifying.to_dict()) | {"kid": key.id, "use": "sig"} for key in asymmetric]}


def public_members(members: dict[str, Any]) -> dict[str, Any]:
    """A JWK without what must stay private."""
    return {name: value for name, value in members.items() if name not in PRIVATE_MEMBERS}


def new_key(algorithm: Algorithm) -> dict[str, Any]:
    """A fresh private JWK; its ``kid`` is its thumbprint. Raises ``SigningKeysUnusable`` for a shared secret's algorithm."""
    match algorithm:
        case Algorithm.RS256:
            private: object = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        case Algorithm.EDDSA:
            private = Ed25519PrivateKey.generate()
        case Algorithm.HS256:
            raise SigningKeysUnusable("HS256 signs with SPECTRAL_SECRET_KEY and needs no file.")
    members = _constructed(private, algorithm).to_dict()
    return members | {"kid": thumbprint(members), "use": "sig"}


def thumbprint(members: dict[str, Any]) -> str:
    """The SHA-256 thumbprint of a JWK (RFC 7638)."""
    required = {"RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}[members["kty"]]
    canonical = json.dumps({name: members[name] for name in required}, separators=(",", ":"), sort_keys=True)
    return _encoded(hashlib.sha256(canonical.encode()).digest())


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


def _shared_key(secret: str) -> SigningKey:
    # Not the secret itself: what else is derived from it must not be exchangeable with tokens.
    derived = keyed_digest(secret.encode(), SECRET_PURPOSE)
    key = jwk.construct(derived, Algorithm.HS256.value)
    return SigningKey(id=content_digest(derived.hex())[:16], algorithm=Algorithm.HS256, verifying=key, signing=key)


def _asymmetric_key(members: dict[str, Any]) -> SigningKey:
    try:
        algorithm = Algorithm(members["alg"])
        kid = members["kid"]
        if algorithm is Algorithm.HS256 or not isinstance(kid, str) or not kid:
            raise SigningKeysUnusable("Each signing key needs a kid, and RS256 or EdDSA as its alg.")
        key = _constructed(members, algorithm)
        verifying = key.public_key()
        if algorithm is Algorithm.RS256 and len(_decoded(verifying.to_dict()["n"])) * 8 < LEAST_RSA_BITS:
            raise SigningKeysUnusable(f"The signing key {kid} has fewer than {LEAST_RSA_BITS} bits.")
        return SigningKey(id=kid, algorithm=algorithm, verifying=verifying, signing=key if "d" in members else None)
    except SigningKeysUnusable:
        raise
    except (JWKError, KeyError, TypeError, ValueError) as error:  # whose words may quote the key
        raise SigningKeysUnusable(f"A signing key cannot be read ({type(error).__name__}).") from None


def _constructed(key: Any, algorithm: Algorithm) -> Key:
    return jwk.construct(key, algorithm.value)


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
