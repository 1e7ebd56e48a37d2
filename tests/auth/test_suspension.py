"""A suspended account: every credential of it, and every way to get one, is refused with its own name."""

import httpx
import pytest
from sqlalchemy import update

from spectral_platform.accounts.models import Account, AccountStatus
from spectral_platform.core.database import Database
from tests.fixtures.callers import PASSWORD, Person


@pytest.fixture
async def key(database: Database, owner: Person) -> str:
    """A key of an account that was suspended since."""
    secret = await owner.key("write:traces", "read:workspace")
    async with database.transaction(account_id=owner.account_id) as session:
        await session.execute(update(Account).values(status=AccountStatus.SUSPENDED))
    return secret


async def test_every_credential_of_a_suspended_account_is_refused(client: httpx.AsyncClient, owner: Person, key: str) -> None:
    login = {"email": owner.email, "password": PASSWORD}
    tokens = {"refresh_token": owner.tokens["refresh_token"]}

    for answer in (
        await owner.client.get("/api/v1/auth/me"),
        await owner.client.get(owner.w),
        await client.get(owner.w, headers=owner.bearing(key)),
        await client.post("/api/v1/auth/login", json=login),
        await client.post("/api/v1/auth/refresh", json=tokens),
    ):
        assert answer.status_code == 403, answer.text
        assert answer.json()["type"].endswith("/account-suspended")
    headers = owner.bearing(key) | {"Content-Type": "application/json"}
    assert (await client.post("/otel/v1/traces", headers=headers, json={"resourceSpans": []})).status_code == 403


async def test_a_wrong_password_does_not_learn_of_the_suspension(client: httpx.AsyncClient, owner: Person, key: str) -> None:
    answer = await client.post("/api/v1/auth/login", json={"email": owner.email, "password": "not the password"})

    assert answer.status_code == 401


async def test_a_refresh_token_outlives_a_suspension(
    client: httpx.AsyncClient, database: Database, owner: Person, key: str
) -> None:
    tokens = {"refresh_token": owner.tokens["refresh_token"]}
    assert (await client.post("/api/v1/auth/refresh", json=tokens)).status_code == 403

    async with database.transaction(account_id=owner.account_id) as session:
        await session.execute(update(Account).values(status=AccountStatus.ACTIVE))

    assert (await client.post("/api/v1/auth/refresh", json=tokens)).status_code == 200
