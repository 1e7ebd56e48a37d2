"""Signed tokens: which are ours, under keys that come and go."""

import base64
import hashlib
import hmac
import json
import warnings
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwt

from spectral_platform.core import signing
from spectral_platform.core.settings import Settings
from spectral_platform.core.signing import Algorithm, Keyring, SigningKeysUnusable, TokenExpired, TokenInvalid

HOUR = timedelta(hours=1)
CLAIMS = {"sub": "somebody"}
ASYMMETRIC = [Algorithm.RS256, Algorithm.EDDSA]


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def header_of(token: str) -> dict[str, Any]:
    return dict(jwt.get_unverified_header(token))


def forged(token: str, header: dict[str, Any], *, key: bytes = b"") -> str:
    """The token's claims under another header, signed with HMAC-SHA-256."""
    body = f"{encoded(json.dumps(header).encode())}.{token.split('.')[1]}"
    return f"{body}.{encoded(hmac.new(key, body.encode(), hashlib.sha256).digest())}"


@cache
def key_of(algorithm: Algorithm) -> dict[str, Any]:
    """A key for every test that needs any: those of RSA take long to find."""
    return signing.new_key(algorithm)


def ring(tmp_path: Path, algorithm: Algorithm) -> Keyring:
    if algorithm is Algorithm.HS256:
        return Keyring.of_secrets(["a secret"])
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [key_of(algorithm)]}))
    return Keyring.of_file(tmp_path / "keys.json", algorithm)


@pytest.fixture(params=list(Algorithm))
def keyring(request: pytest.FixtureRequest, tmp_path: Path) -> Keyring:
    return ring(tmp_path, request.param)


def test_what_was_issued_is_read(keyring: Keyring) -> None:
    first, second = (keyring.read(keyring.issue(CLAIMS, lifetime=HOUR)) for _ in range(2))

    assert first["sub"] == "somebody"
    assert first["iss"] == "spectral"
    assert first["aud"] == "spectral-api"
    assert first["exp"] - first["iat"] == 3600
    assert first["jti"] != second["jti"]


def test_a_token_whose_time_is_over_is_told_apart(keyring: Keyring) -> None:
    with pytest.raises(TokenExpired):
        keyring.read(keyring.issue(CLAIMS, lifetime=timedelta(seconds=-2)))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_token_is_refused(part: int, keyring: Keyring) -> None:
    parts = keyring.issue(CLAIMS, lifetime=HOUR).split(".")
    parts[part] = ("B" if parts[part][5] == "A" else "A").join([parts[part][:5], parts[part][6:]])

    with pytest.raises(TokenInvalid):
        keyring.read(".".join(parts))


@pytest.mark.parametrize("kid", [None, "", "unknown", 7, ["a"], {"a": 1}])
def test_a_token_that_names_no_key_of_ours_is_refused(kid: object, keyring: Keyring) -> None:
    token = keyring.issue(CLAIMS, lifetime=HOUR)
    header = {name: value for name, value in header_of(token).items() if name != "kid"}

    with pytest.raises(TokenInvalid):
        keyring.read(forged(token, header if kid is None else header | {"kid": kid}))


@pytest.mark.parametrize("alg", ["none", "None", "HS384", "HS256", "RS256", "EdDSA", "", None, 7])
def test_a_token_with_another_algorithm_than_its_key_is_refused(alg: object, keyring: Keyring) -> None:
    token = keyring.issue(CLAIMS, lifetime=HOUR)
    header = header_of(token)
    if alg == header["alg"]:
        return
    for key in (b"", b"None"):
        with pytest.raises(TokenInvalid):
            keyring.read(forged(token, header | {"alg": alg}, key=key))
    with pytest.raises(TokenInvalid):
        keyring.read(forged(token, header | {"alg": alg}).rsplit(".", 1)[0] + ".")


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_public_key_is_no_shared_secret(algorithm: Algorithm, tmp_path: Path) -> None:
    keyring = ring(tmp_path, algorithm)
    token = keyring.issue(CLAIMS, lifetime=HOUR)
    public = keyring._by_id[header_of(token)["kid"]].verifying
    told = keyring.public_set()["keys"][0]
    secrets = [json.dumps(told).encode(), signing._decoded(told.get("x") or told["n"])]
    if algorithm is Algorithm.RS256:
        secrets += [public.to_pem(), public.to_pem().strip()]

    for secret in secrets:
        with pytest.raises(TokenInvalid):
            keyring.read(forged(token, header_of(token) | {"alg": "HS256"}, key=secret))


@pytest.mark.parametrize(
    "change", [{"iss": "elsewhere"}, {"aud": "another-api"}, {"aud": None}, {"jti": None}, {"sub": None}, {"exp": None}]
)
def test_a_token_for_another_purpose_is_refused(change: dict[str, Any]) -> None:
    keyring = Keyring.of_secrets(["a secret"])
    token = keyring.issue(CLAIMS, lifetime=HOUR)
    claims = {name: value for name, value in (keyring.read(token) | change).items() if value is not None}
    key = keyring._by_id[header_of(token)["kid"]].verifying

    with pytest.raises(TokenInvalid):
        keyring.read(jwt.encode(claims, key, "HS256", headers=header_of(token)))
    with pytest.raises(TokenInvalid):
        keyring.read(jwt.encode(keyring.read(token), key, "HS256", headers=header_of(token) | {"typ": "JWT"}))


@pytest.mark.parametrize(
    "text", ["", ".", "..", "a.b.c", "é.é.é", "\x00", "[" * 5000, encoded(b"[" * 20_000) + ".e30.", encoded(b"[]") + ".e30."]
)
def test_what_is_no_token_at_all_is_refused(text: str) -> None:
    with pytest.raises(TokenInvalid):
        Keyring.of_secrets(["a secret"]).read(text)


def test_an_earlier_secret_still_verifies_and_no_longer_signs() -> None:
    before, after = Keyring.of_secrets(["old"]), Keyring.of_secrets(["new", "old"])

    assert after.read(before.issue(CLAIMS, lifetime=HOUR))["sub"] == "somebody"
    with pytest.raises(TokenInvalid):
        before.read(after.issue(CLAIMS, lifetime=HOUR))
    with pytest.raises(TokenInvalid):
        Keyring.of_secrets(["new"]).read(before.issue(CLAIMS, lifetime=HOUR))


def test_the_secret_itself_signs_nothing() -> None:
    keyring = Keyring.of_secrets(["a secret"])
    token = keyring.issue(CLAIMS, lifetime=HOUR)

    with pytest.raises(TokenInvalid):
        keyring.read(forged(token, header_of(token), key=b"a secret"))


def test_a_new_first_key_signs_and_the_older_ones_verify(tmp_path: Path) -> None:
    file = tmp_path / "deeper" / "keys.json"
    signing.add_key(file, Algorithm.RS256)
    old = Keyring.of_file(file, Algorithm.RS256).issue(CLAIMS, lifetime=HOUR)
    kid = signing.add_key(file, Algorithm.EDDSA)

    rotated = Keyring.of_file(file, Algorithm.EDDSA)
    new = rotated.issue(CLAIMS, lifetime=HOUR)

    assert rotated.read(old)["sub"] == rotated.read(new)["sub"] == "somebody"
    assert header_of(new) == {"alg": "EdDSA", "typ": "at+jwt", "kid": kid}
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["keys.json"]


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_strangers_can_verify_with_the_published_keys_alone(algorithm: Algorithm, tmp_path: Path) -> None:
    keyring = ring(tmp_path, algorithm)
    token = keyring.issue(CLAIMS, lifetime=HOUR)
    published = keyring.public_set()

    with warnings.catch_warnings(action="error"):
        assert jwt.decode(token, published, algorithms=[algorithm.value], audience="spectral-api")["sub"] == "somebody"
    assert [key["kid"] for key in published["keys"]] == [header_of(token)["kid"]]
    assert not signing.PRIVATE_MEMBERS & published["keys"][0].keys()


def test_a_retired_key_may_be_left_with_its_public_half(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    signing.add_key(file, Algorithm.EDDSA)
    old = Keyring.of_file(file, Algorithm.EDDSA).issue(CLAIMS, lifetime=HOUR)
    (retired,) = signing.read_set(file)
    file.write_text(json.dumps({"keys": [key_of(Algorithm.EDDSA), signing.public_members(retired)]}))

    assert Keyring.of_file(file, Algorithm.EDDSA).read(old)["sub"] == "somebody"


def test_the_thumbprint_is_that_of_the_specification() -> None:
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}

    assert signing.thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"  # RFC 8037, appendix A.3


def test_the_signature_is_that_of_the_specification() -> None:
    private = {
        "kty": "OKP",
        "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"

    signature = signing.Ed25519Key(private, "EdDSA").sign(signed)

    expected = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    assert encoded(signature) == expected  # RFC 8037, appendix A.4


def weak_rsa_key() -> dict[str, Any]:
    key = signing._constructed(rsa.generate_private_key(public_exponent=65537, key_size=1024), Algorithm.RS256)
    return key.to_dict() | {"kid": "weak"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "Make it with"),
        ("", "not JSON"),
        ("[]", "not a JWK set"),
        ('{"keys": [7]}', "not a JWK set"),
        ('{"keys": []}', "holds no key"),
        (json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": "c2VjcmV0", "kid": "a"}]}), "RS256 or EdDSA"),
        (json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "d": "c2VjcmV0", "kid": "a"}]}), "cannot be read"),
        (json.dumps({"keys": [{"kty": "RSA", "alg": "RS256", "kid": "a"}]}), "cannot be read"),
        (json.dumps({"keys": [key_of(Algorithm.EDDSA) | {"kid": ""}]}), "needs a kid"),
        (json.dumps({"keys": [signing.public_members(key_of(Algorithm.EDDSA))]}), "private"),
        (json.dumps({"keys": [key_of(Algorithm.EDDSA)] * 2}), "same kid"),
        (json.dumps({"keys": [key_of(Algorithm.RS256)]}), "signs with RS256"),
        (json.dumps({"keys": [key_of(Algorithm.EDDSA), weak_rsa_key()]}), "fewer than 2048 bits"),
    ],
)
def test_keys_that_cannot_be_used_stop_the_start(content: str | None, told: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ValueError, match=told) as refused:
        Settings(jwt_algorithm=Algorithm.EDDSA, signing_keys_file=file)
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize(
    "options", [{"jwt_algorithm": Algorithm.RS256}, {"signing_keys_file": Path("keys.json")}, {"jwt_algorithm": "none"}]
)
def test_settings_that_do_not_fit_together_stop_the_start(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"SPECTRAL_JWT_ALGORITHM|jwt_algorithm"):
        Settings(**options)


def test_a_shared_secret_has_no_file(tmp_path: Path) -> None:
    with pytest.raises(SigningKeysUnusable, match="SPECTRAL_SECRET_KEY"):
        signing.add_key(tmp_path / "keys.json", Algorithm.HS256)


def test_a_secret_that_was_begun_and_not_finished_signs_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()

    with pytest.raises(SigningKeysUnusable, match="Delete it"):
        Settings(data_dir=tmp_path).keyring.issue(CLAIMS, lifetime=HOUR)
