"""What a login session remembers of itself."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from spectral_platform.auth.devices import LONGEST_USER_AGENT, Device
from spectral_platform.auth.models import LoginSession
from spectral_platform.core import clock
from spectral_platform.core.database import Database
from tests.fixtures.callers import PASSWORD, Person


async def newest_session(database: Database, person: Person) -> LoginSession:
    async with database.transaction(account_id=person.account_id) as session:
        newest = select(LoginSession).where(LoginSession.user_id == person.user_id).order_by(LoginSession.id.desc()).limit(1)
        return (await session.scalars(newest)).one()


async def test_a_session_says_from_where_it_was_opened(client: httpx.AsyncClient, owner: Person, database: Database) -> None:
    body = {"email": owner.email, "password": PASSWORD}
    answer = await client.post("/api/v1/auth/login", json=body, headers={"User-Agent": "Firefox/142.0 " + "x" * 1000})
    assert answer.status_code == 200

    opened = await newest_session(database, owner)

    assert opened.ip == "127.0.0.1"
    assert opened.user_agent is not None
    assert opened.user_agent.startswith("Firefox/142.0 x")
    assert len(opened.user_agent) == LONGEST_USER_AGENT
    assert opened.last_used_at is not None
    assert clock.now() - opened.last_used_at < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("user_agent", "host", "told"),
    [
        ("curl/8.5\x00\r\n", "2001:DB8:0::1", Device("curl/8.5", "2001:db8::1")),
        ("", "testclient", Device(None, None)),
        (None, None, Device(None, None)),
    ],
)
def test_what_a_client_presents_is_kept_only_where_it_can_be(user_agent: str | None, host: str | None, told: Device) -> None:
    assert Device.seen(user_agent=user_agent, host=host) == told
