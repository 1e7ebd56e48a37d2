"""Logging in to servers that sign with public keys, and the keys that they publish."""

import json
from pathlib import Path

import httpx
import pytest
from jose import jwt

from spectral_api.app import create_app
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.core.signing import Algorithm, add_key
from tests.cli.processes import spectral
from tests.fixtures.callers import Person, register

JWKS = "/.well-known/jwks.json"


def client_of(settings: Settings, database: Database) -> httpx.AsyncClient:
    """A client of another server over the same database."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(settings, database)), base_url="http://testserver")


async def test_a_server_with_a_shared_secret_publishes_no_key(client: httpx.AsyncClient) -> None:
    answer = await client.get(JWKS)

    assert answer.json() == {"keys": []}
    assert answer.headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize("algorithm", [Algorithm.RS256, Algorithm.EDDSA])
async def test_a_login_is_verified_with_the_published_keys(
    algorithm: Algorithm, database: Database, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    add_key(file, algorithm)
    signing = settings.model_copy(update={"jwt_algorithm": algorithm, "signing_keys_file": file})
    async with client_of(signing, database) as client:
        person = await register(client)
        published = (await client.get(JWKS)).json()
        profile = await person.client.get("/api/v1/auth/me")
        await person.client.aclose()

    assert profile.status_code == 200
    claims = jwt.decode(person.tokens["access_token"], published, algorithms=[algorithm.value], audience="spectral-api")
    assert claims["sub"] == str(person.user_id)
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & published["keys"][0].keys()


async def test_a_token_of_another_secret_is_refused_until_that_is_a_previous_one(
    owner: Person, database: Database, settings: Settings
) -> None:
    changed = Settings(data_dir=settings.data_dir, secret_key="another secret of the same server")
    overlapping = changed.model_copy(
        update={"previous_secret_keys": Settings(previous_secret_keys=[settings.secret]).previous_secret_keys}
    )
    for following, status in [(changed, 401), (overlapping, 200)]:
        async with client_of(following, database) as client:
            answer = await client.get("/api/v1/auth/me", headers=owner.bearing(owner.tokens["access_token"]))
            assert answer.status_code == status


def test_an_operator_adds_a_key_and_the_file_is_private(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"

    first = spectral("signing-key", "--file", str(file))
    second = spectral("signing-key", "--algorithm", "RS256", SPECTRAL_SIGNING_KEYS_FILE=str(file))

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    kept = json.loads(file.read_text())["keys"]
    assert [key["alg"] for key in kept] == ["RS256", "EdDSA"]
    assert kept[1]["kid"] in first.stdout
    assert kept[1]["d"] not in first.stdout + first.stderr
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_broken_file_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("not keys")

    told = [
        spectral("signing-key", "--file", str(file)),
        spectral("migrate", SPECTRAL_JWT_ALGORITHM="EdDSA", SPECTRAL_SIGNING_KEYS_FILE=str(file)),
    ]

    for process in told:
        assert process.returncode != 0
        assert process.stderr.strip().endswith("is not JSON.")
        assert len(process.stderr.strip().splitlines()) == 1
