"""What people may see and change of themselves: profile, sessions, and whether they are there at all."""

import asyncio
from uuid import UUID

import httpx
from sqlalchemy import func, select

from spectral_platform.accounts.models import AccountMember, User
from spectral_platform.auth.models import LoginSession
from spectral_platform.core.access import AccountRole, WorkspaceRole
from spectral_platform.core.database import Database
from tests.cli.processes import serving
from tests.fixtures.callers import PASSWORD, Person, joined

ME, SESSIONS, LOGIN = "/api/v1/auth/me", "/api/v1/auth/sessions", "/api/v1/auth/login"


async def log_in(client: httpx.AsyncClient, person: Person, **headers: str) -> dict[str, str]:
    answer = await client.post(LOGIN, json={"email": person.email, "password": PASSWORD}, headers=headers)
    tokens: dict[str, str] = answer.json()
    return tokens


async def test_sessions_say_where_somebody_is_logged_in(client: httpx.AsyncClient, owner: Person) -> None:
    await log_in(client, owner, **{"User-Agent": "phone/1.0"})

    body = (await owner.client.get(SESSIONS)).json()

    assert body["pagination"] == {"total": 2, "limit": 20, "offset": 0}
    newest, oldest = body["results"]
    assert (newest["user_agent"], newest["ip"], newest["current"]) == ("phone/1.0", "127.0.0.1", False)
    assert oldest["current"] is True
    assert set(oldest) == {"id", "created_at", "last_used_at", "user_agent", "ip", "current"}


async def test_a_session_can_be_ended_from_another(client: httpx.AsyncClient, owner: Person) -> None:
    phone = await log_in(client, owner)
    listed = (await owner.client.get(SESSIONS)).json()["results"]
    lost = next(each["id"] for each in listed if not each["current"])

    assert (await owner.client.delete(f"{SESSIONS}/{lost}")).status_code == 204

    assert (await client.get(ME, headers=owner.bearing(phone["access_token"]))).status_code == 401
    refreshed = await client.post("/api/v1/auth/refresh", json={"refresh_token": phone["refresh_token"]})
    assert refreshed.status_code == 401
    assert [each["id"] for each in (await owner.client.get(SESSIONS)).json()["results"]] != [lost]
    assert (await owner.client.delete(f"{SESSIONS}/{lost}")).status_code == 404


async def test_sessions_of_others_look_absent_even_in_the_same_account(
    client: httpx.AsyncClient, owner: Person, database: Database
) -> None:
    colleague = await joined(client, database, owner)
    theirs = (await colleague.client.get(SESSIONS)).json()["results"][0]["id"]

    assert (await owner.client.delete(f"{SESSIONS}/{theirs}")).status_code == 404

    assert theirs not in (await owner.client.get(SESSIONS)).text
    assert (await colleague.client.get(ME)).status_code == 200
    await colleague.client.aclose()


async def test_people_choose_the_name_that_is_shown(owner: Person) -> None:
    named = await owner.client.patch(ME, json={"display_name": "Anna"})
    unchanged = await owner.client.patch(ME, json={})
    cleared = await owner.client.patch(ME, json={"display_name": None})

    assert [answer.json()["display_name"] for answer in (named, unchanged, cleared)] == ["Anna", "Anna", None]


async def test_people_cannot_change_what_is_not_theirs_to_change(owner: Person) -> None:
    for body in ({"email": "else@example.com"}, {"status": "active"}, {"display_name": ""}):
        assert (await owner.client.patch(ME, json=body)).status_code == 422


async def test_who_erases_themselves_leaves_nothing_that_names_them(
    client: httpx.AsyncClient, owner: Person, database: Database
) -> None:
    leaver = await joined(client, database, owner, workspace_role=WorkspaceRole.ADMIN)

    assert (await leaver.client.delete(ME)).status_code == 204

    assert (await leaver.client.get(ME)).status_code == 401
    assert (await client.post(LOGIN, json={"email": leaver.email, "password": PASSWORD})).status_code == 401
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        for table in (AccountMember, LoginSession):
            left = select(func.count()).select_from(table).where(table.user_id == leaver.user_id)
            assert await session.scalar(left) == 0
        assert await session.get(User, leaver.user_id) is None
    log = await owner.client.get("/api/v1/account/audit-log")
    assert leaver.email not in log.text
    assert log.json()["results"][0]["action"] == "user.erased"
    assert UUID(log.json()["results"][0]["resource_id"]) == leaver.user_id
    await leaver.client.aclose()


async def test_the_last_owner_cannot_go(client: httpx.AsyncClient, owner: Person, database: Database) -> None:
    colleague = await joined(client, database, owner)

    assert (await owner.client.delete(ME)).status_code == 400

    assert (await owner.client.get(ME)).status_code == 200
    await colleague.client.aclose()


async def test_of_two_last_owners_who_go_at_once_one_stays(client: httpx.AsyncClient, owner: Person, database: Database) -> None:
    other = await joined(client, database, owner, role=AccountRole.OWNER)

    answers = await asyncio.gather(owner.client.delete(ME), other.client.delete(ME))

    assert sorted(answer.status_code for answer in answers) == [204, 400]
    await other.client.aclose()


async def test_a_key_is_nobody(owner: Person) -> None:
    headers = owner.bearing(await owner.key())

    for method, path in (("GET", SESSIONS), ("DELETE", f"{SESSIONS}/{owner.user_id}"), ("DELETE", ME)):
        assert (await owner.client.request(method, path, headers=headers)).status_code == 403
    assert (await owner.client.patch(ME, json={}, headers=headers)).status_code == 403


def test_only_a_trusted_proxy_is_believed_about_who_asks(server_url: str, shared_database_url: str, passable: object) -> None:
    credentials = {"email": "proxied@example.com", "password": PASSWORD}

    def asks_from(url: str) -> str:
        with httpx.Client(base_url=url, timeout=60) as client:
            client.post("/api/v1/auth/register", json=credentials | {"tenant_name": "Proxied"})
            tokens = client.post(LOGIN, json=credentials, headers={"X-Forwarded-For": "203.0.113.77"}).json()
            own = {"Authorization": f"Bearer {tokens['access_token']}"}
            return str(client.get(SESSIONS, headers=own).json()["results"][0]["ip"])

    trusting = {"SPECTRAL_DATABASE_URL": shared_database_url, "SPECTRAL_TRUSTED_PROXIES": "127.0.0.0/8"}
    with serving("--data-dir", str(passable), "--workers", "0", **trusting) as (url, _):
        seen = [asks_from(server_url), asks_from(url)]

    assert seen == ["127.0.0.1", "203.0.113.77"]
